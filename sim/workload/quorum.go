package workload

import (
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/sim/fault"
)

// An operator looks at the quorum before it changes the voters: a voter whose disk is gone goes first, and no other
// while one of them is. That is what keeps a majority; Kafka's documents ask the same of people.

// votersChangeWithin is how long a change of voters may take that was not answered.
const votersChangeWithin = 40 * time.Second

// voter is one as the quorum's leader describes it.
type voter struct {
	id        int32
	directory core.UUID
}

// alterQuorum adds or removes a voter of a quorum whose voters are in the log.
func (o *operator) alterQuorum(op *fault.Operation) {
	o.net.VotersChange(votersChangeWithin)
	req := kmsg.NewPtrDescribeQuorumRequest()
	rt := kmsg.NewDescribeQuorumRequestTopic()
	rt.Topic = "__cluster_metadata"
	rt.Partitions = append(rt.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	req.Topics = append(req.Topics, rt)
	o.request(req, 2, func(r kmsg.Response) {
		resp := r.(*kmsg.DescribeQuorumResponse)
		code := resp.ErrorCode
		if code == 0 && (len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1) {
			o.wrong("missing-answer", "DescribeQuorum is not answered with the partition of the metadata")
			return
		}
		if code == 0 {
			code = resp.Topics[0].Partitions[0].ErrorCode
		}
		if code != 0 {
			o.votersDone(code)
			return
		}
		var all []voter
		for _, v := range resp.Topics[0].Partitions[0].CurrentVoters {
			all = append(all, voter{v.ReplicaID, v.ReplicaDirectoryID})
		}
		o.changeVoters(op, all)
	})
}

func (o *operator) changeVoters(op *fault.Operation, all []voter) {
	id, found := op.Brokers[0], false
	for _, v := range all {
		if o.net.Directory(core.BrokerID(v.id)) != v.directory {
			o.removeVoter(v)
			return
		}
		found = found || v.id == id
	}
	switch {
	case op.Kind == fault.AddVoter && !found && len(all) < fault.MaxVoters:
		o.addVoter(id)
	case op.Kind == fault.RemoveVoter && found && len(all) > 1:
		o.removeVoter(voter{id, o.net.Directory(core.BrokerID(id))})
	default:
		o.net.VotersChange(0)
		o.done(0)
	}
}

func (o *operator) addVoter(id int32) {
	req := kmsg.NewPtrAddRaftVoterRequest()
	req.TimeoutMillis, req.VoterID, req.VoterDirectoryID = 5000, id, o.net.Directory(core.BrokerID(id))
	l := kmsg.NewAddRaftVoterRequestListener()
	l.Name, l.Host, l.Port = "CONTROLLER", "b"+strconv.Itoa(int(id)-1), 9093
	req.Listeners = append(req.Listeners, l)
	o.request(req, 0, func(r kmsg.Response) { o.votersDone(r.(*kmsg.AddRaftVoterResponse).ErrorCode) })
}

func (o *operator) removeVoter(v voter) {
	req := kmsg.NewPtrRemoveRaftVoterRequest()
	req.VoterID, req.VoterDirectoryID = v.id, v.directory
	o.request(req, 0, func(r kmsg.Response) { o.votersDone(r.(*kmsg.RemoveRaftVoterResponse).ErrorCode) })
}

func (o *operator) votersDone(code int16) {
	if code == 0 || core.ErrorCode(code) == core.UnsupportedVersion {
		o.net.VotersChange(0)
	}
	o.done(code, duplicateVoter, voterNotFound, core.InvalidRequest, core.UnsupportedVersion)
}
