package workload

import (
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/sim/fault"
)

// operator changes a cluster while others use it, as the plan says. What it asks for may be refused for many reasons,
// and may be done twice: it judges only that it is answered, and with codes that the request has.
type operator struct {
	client
	next   int // of the plan's operations
	flying bool
	// voters are the addresses of all that have been voters.
	voters map[int32]kmsg.DescribeQuorumResponseNodeListener
}

// operateWithin is how long after its time an operation is tried again.
const operateWithin = 5 * time.Second

func newOperator(c client) *operator {
	o := &operator{client: c, voters: map[int32]kmsg.DescribeQuorumResponseNodeListener{}}
	o.opened, o.lost = o.act, func() { o.flying = false }
	return o
}

// Start implements [Actor].
func (o *operator) Start() { o.dial() }

// Idle implements [Actor].
func (o *operator) Idle() bool { return o.finish && !o.flying }

// Doing implements [Actor].
func (o *operator) Doing() string { return "an answer to " + o.now().Kind.String() }

func (o *operator) now() *fault.Operation { return &o.plan.Operations[o.next] }

// act does what is due.
func (o *operator) act() {
	for o.next < len(o.plan.Operations) && o.net.Now() > o.now().At+operateWithin {
		o.next++
	}
	if !o.up || o.flying || o.finish || o.next == len(o.plan.Operations) {
		return
	}
	if at := o.now().At; o.net.Now() < at {
		o.net.After(at-o.net.Now(), o.act)
		return
	}
	o.flying = true
	op := o.now()
	switch op.Kind {
	case fault.Reassign, fault.CancelReassign:
		o.reassign(op)
	case fault.SetMinISR:
		o.configure(op, "min.insync.replicas", strconv.FormatInt(op.Value, 10))
	case fault.AllowUnclean:
		if op.Value > 0 {
			o.ledger.AllowUnclean(op.Topic)
		}
		o.configure(op, "unclean.leader.election.enable", strconv.FormatBool(op.Value > 0))
	case fault.AddPartitions:
		o.addPartitions(op)
	case fault.ElectPreferred, fault.ElectUnclean:
		o.elect(op)
	case fault.UnregisterBroker:
		o.unregister(op)
	case fault.RaiseKRaftVersion:
		o.raise(op)
	case fault.RemoveVoter, fault.AddVoter:
		if o.plan.Dynamic {
			o.alterQuorum(op)
		} else {
			o.changeVoter(op)
		}
	}
}

// done takes an answer: what the cluster could not do now is tried again until the time is over.
func (o *operator) done(code int16, allowed ...core.ErrorCode) {
	o.flying = false
	op := o.now()
	ok := code == 0
	for _, c := range allowed {
		ok = ok || core.ErrorCode(code) == c
	}
	switch {
	case ok:
		o.net.Fired("operation " + op.Kind.String() + " " + core.ErrorCode(code).String())
		o.next++
	case !o.retriable(code):
		o.unexpected(op.Kind.String(), code)
		return
	}
	o.net.After(o.wait(o.spec.Pause), o.act)
}

func (o *operator) topic(op *fault.Operation) string {
	if op.Offsets {
		return "__consumer_offsets"
	}
	return o.plan.Topics[op.Topic].Name
}

func (o *operator) reassign(op *fault.Operation) {
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.TimeoutMillis = 5000
	rt := kmsg.NewAlterPartitionAssignmentsRequestTopic()
	rt.Topic = o.topic(op)
	rp := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
	rp.Partition, rp.Replicas = op.Partition, op.Brokers
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	o.request(req, o.version(0, 1), func(r kmsg.Response) {
		resp := r.(*kmsg.AlterPartitionAssignmentsResponse)
		code := resp.ErrorCode
		if code == 0 && (len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1) {
			o.wrong("missing-answer", "AlterPartitionReassignments for one partition is not answered with one")
			return
		}
		if code == 0 {
			code = resp.Topics[0].Partitions[0].ErrorCode
		}
		o.done(code, core.InvalidReplicaAssignment, core.NoReassignmentInProgress, core.InvalidReplicationFactor)
	})
}

func (o *operator) configure(op *fault.Operation, name, value string) {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	rr := kmsg.NewIncrementalAlterConfigsRequestResource()
	rr.ResourceType, rr.ResourceName = kmsg.ConfigResourceTypeTopic, o.topic(op)
	rc := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	rc.Name, rc.Value = name, kmsg.StringPtr(value)
	rr.Configs = append(rr.Configs, rc)
	req.Resources = append(req.Resources, rr)
	o.request(req, o.version(0, 1), func(r kmsg.Response) {
		resp := r.(*kmsg.IncrementalAlterConfigsResponse)
		if len(resp.Resources) != 1 {
			o.wrong("missing-answer", "IncrementalAlterConfigs for one resource is not answered with one")
			return
		}
		o.done(resp.Resources[0].ErrorCode)
	})
}

func (o *operator) addPartitions(op *fault.Operation) {
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.TimeoutMillis = 5000
	rt := kmsg.NewCreatePartitionsRequestTopic()
	rt.Topic, rt.Count = o.topic(op), int32(op.Value)
	req.Topics = append(req.Topics, rt)
	o.request(req, o.version(0, 3), func(r kmsg.Response) {
		resp := r.(*kmsg.CreatePartitionsResponse)
		if len(resp.Topics) != 1 {
			o.wrong("missing-answer", "CreatePartitions for one topic is not answered with one")
			return
		}
		o.done(resp.Topics[0].ErrorCode, core.InvalidPartitions, core.InvalidReplicationFactor)
	})
}

func (o *operator) elect(op *fault.Operation) {
	req := kmsg.NewPtrElectLeadersRequest()
	req.TimeoutMillis = 5000
	version := o.version(0, 2)
	if op.Kind == fault.ElectUnclean {
		o.ledger.AllowUnclean(op.Topic)
		req.ElectionType, version = 1, max(version, 1)
	}
	rt := kmsg.NewElectLeadersRequestTopic()
	rt.Topic, rt.Partitions = o.topic(op), []int32{op.Partition}
	req.Topics = append(req.Topics, rt)
	o.request(req, version, func(r kmsg.Response) {
		resp := r.(*kmsg.ElectLeadersResponse)
		code := resp.ErrorCode
		if code == 0 && len(resp.Topics) == 1 && len(resp.Topics[0].Partitions) == 1 {
			code = resp.Topics[0].Partitions[0].ErrorCode
		}
		o.done(code, core.ElectionNotNeeded, core.PreferredLeaderNotAvailable, core.EligibleLeadersNotAvailable)
	})
}

func (o *operator) unregister(op *fault.Operation) {
	req := kmsg.NewPtrUnregisterBrokerRequest()
	req.BrokerID = op.Brokers[0]
	o.request(req, 0, func(r kmsg.Response) {
		// A broker that lives is refused; one that is not registered may have been unregistered by this request before.
		o.done(r.(*kmsg.UnregisterBrokerResponse).ErrorCode, core.InvalidRequest, core.BrokerIDNotRegistered)
	})
}
