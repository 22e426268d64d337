package workload

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/sim/fault"
)

// Codes of a change of voters (KIP-853).
const (
	duplicateVoter core.ErrorCode = 126
	voterNotFound  core.ErrorCode = 127
)

// raise puts the voters of configuration into the metadata log, so that they can be changed.
func (o *operator) raise(op *fault.Operation) {
	req := kmsg.NewPtrUpdateFeaturesRequest()
	req.TimeoutMillis = 5000
	u := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
	u.Feature, u.MaxVersionLevel, u.UpgradeType = "kraft.version", int16(op.Value), 1
	req.FeatureUpdates = append(req.FeatureUpdates, u)
	o.request(req, 1, func(r kmsg.Response) {
		code := core.ErrorCode(r.(*kmsg.UpdateFeaturesResponse).ErrorCode)
		if code == core.InvalidUpdateVersion { // a voter is down: later
			code = core.RequestTimedOut
		}
		o.done(int16(code))
	})
}

// changeVoter removes a voter, or adds one that was removed. It asks for the voters first: a change names the folder,
// and an added voter's address. Where a voter may have forgotten what it knows, nobody removes another one.
func (o *operator) changeVoter(op *fault.Operation) {
	if op.Kind == fault.RemoveVoter && o.net.Damaged(nobody) {
		o.done(int16(core.RequestTimedOut))
		return
	}
	o.net.VotersChange(votersChangeWithin)
	req := kmsg.NewPtrDescribeQuorumRequest()
	req.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: "__cluster_metadata",
		Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{}}}}
	o.request(req, 2, func(r kmsg.Response) {
		resp := r.(*kmsg.DescribeQuorumResponse)
		switch {
		case resp.ErrorCode != 0:
			o.done(resp.ErrorCode)
			return
		case len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1:
			o.wrong("missing-answer", "DescribeQuorum for one partition is not answered with one")
			return
		}
		for _, n := range resp.Nodes {
			if len(n.Listeners) > 0 {
				o.voters[n.NodeID] = n.Listeners[0]
			}
		}
		p := &resp.Topics[0].Partitions[0]
		for _, list := range [][]kmsg.DescribeQuorumResponseTopicPartitionReplicaState{p.CurrentVoters, p.Observers} {
			for i := range list {
				if list[i].ReplicaID == op.Brokers[0] {
					o.sendChange(op, list[i].ReplicaDirectoryID)
					return
				}
			}
		}
		o.done(int16(core.RequestTimedOut)) // it does not fetch now
	})
}

func (o *operator) sendChange(op *fault.Operation, directory [16]byte) {
	id := op.Brokers[0]
	if op.Kind == fault.RemoveVoter {
		req := kmsg.NewPtrRemoveRaftVoterRequest()
		req.VoterID, req.VoterDirectoryID = id, directory
		o.request(req, 0, func(r kmsg.Response) {
			o.votersDone(r.(*kmsg.RemoveRaftVoterResponse).ErrorCode)
		})
		return
	}
	at, ok := o.voters[id]
	if !ok {
		o.votersDone(0) // it was never seen as a voter
		return
	}
	req := kmsg.NewPtrAddRaftVoterRequest()
	req.TimeoutMillis, req.VoterID, req.VoterDirectoryID, req.AckWhenCommitted = 2000, id, directory, true
	req.Listeners = []kmsg.AddRaftVoterRequestListener{{Name: at.Name, Host: at.Host, Port: at.Port}}
	o.request(req, 1, func(r kmsg.Response) {
		o.votersDone(r.(*kmsg.AddRaftVoterResponse).ErrorCode)
	})
}
