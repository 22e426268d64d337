package broker

import (
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/partition"
)

// alterPartition asks the controller, through control, for changes of the ISRs of partitions that a shard leads. It
// comes back with the controller's answer, which may hold other shards' partitions too and is not changed by anyone; or
// with a code that concerns all: RequestTimedOut if there is no answer.
type alterPartition struct {
	shard  uint32
	topics []kmsg.AlterPartitionRequestTopic
	// proposals are what topics say, as the shard's partitions know them.
	proposals []*partition.Proposal
	response  *kmsg.AlterPartitionResponse
	code      core.ErrorCode
}

// AppendText implements [core.Message].
func (m *alterPartition) AppendText(dst []byte) []byte {
	dst = append(dst, "AlterPartition shard="...)
	return strconv.AppendUint(dst, uint64(m.shard), 10)
}

// askAlter is how long a proposal waits for the controller. The leader proposes anew what is still due after it.
const askAlter = 10 * time.Second

// alters gathers the proposals of all shards: one request is under way at a time, and takes all that came meanwhile.
type alters struct {
	waiting []*alterPartition
	flying  bool
}

func (c *Control) alter(m *alterPartition) {
	c.alters.waiting = append(c.alters.waiting, m)
	c.sendAlters()
}

func (c *Control) sendAlters() {
	a := &c.alters
	if a.flying || len(a.waiting) == 0 || c.epoch < 0 {
		return
	}
	batch := a.waiting
	a.waiting, a.flying = nil, true
	c.askAlterPartition(newestProposals(batch), laneForward, askAlter,
		func(r *kmsg.AlterPartitionResponse, code core.ErrorCode) {
			a.flying = false
			for _, m := range batch {
				m.response, m.code = r, code
				c.out.Send(core.Shard(m.shard), m)
			}
			c.sendAlters()
		})
}

// askAlterPartition asks the active controller for changes of partitions, and calls then with its answer and the code
// that concerns all of it: nil and RequestTimedOut if there is none, after which the changes may have been made.
func (c *Control) askAlterPartition(topics []kmsg.AlterPartitionRequestTopic, l lane, timeout time.Duration,
	then func(*kmsg.AlterPartitionResponse, core.ErrorCode)) {
	req := kmsg.NewPtrAlterPartitionRequest()
	setNewest(req)
	req.BrokerID, req.BrokerEpoch, req.Topics = int32(c.settings.NodeID), int64(c.epoch), topics
	c.ask(&question{req: req, lane: l, until: c.now.Mono + timeout,
		then: func(resp kmsg.Response, _ core.ErrorCode) {
			r, _ := resp.(*kmsg.AlterPartitionResponse)
			if r == nil {
				then(nil, core.RequestTimedOut)
				return
			}
			then(r, core.ErrorCode(r.ErrorCode))
		}})
}

// newestProposals is what a batch asks for, with one proposal for a partition: the last one, in the place of what it
// led to before. Answers name partitions and not proposals, so that the answer to an old one would be taken for that to
// the new one. Nobody waits for an old one any more.
func newestProposals(batch []*alterPartition) []kmsg.AlterPartitionRequestTopic {
	var topics []kmsg.AlterPartitionRequestTopic
	seen := map[core.TopicIDPartition]bool{}
	for _, m := range slices.Backward(batch) {
		for _, t := range slices.Backward(m.topics) {
			var parts []kmsg.AlterPartitionRequestTopicPartition
			for _, p := range slices.Backward(t.Partitions) {
				id := core.TopicIDPartition{Topic: t.TopicID, Partition: core.PartitionID(p.Partition)}
				if !seen[id] {
					seen[id] = true
					parts = append(parts, p)
				}
			}
			if len(parts) > 0 {
				t.Partitions = parts
				topics = append(topics, t)
			}
		}
	}
	return topics
}
