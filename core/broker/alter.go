package broker

import (
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
	if a.flying || len(a.waiting) == 0 {
		return
	}
	batch := a.waiting
	a.waiting, a.flying = nil, true
	req := kmsg.NewPtrAlterPartitionRequest()
	setNewest(req)
	req.BrokerID, req.BrokerEpoch = int32(c.settings.NodeID), int64(c.epoch)
	for _, m := range batch {
		req.Topics = append(req.Topics, m.topics...)
	}
	c.ask(&question{req: req, lane: laneForward, until: c.now.Mono + askAlter,
		then: func(resp kmsg.Response, _ core.ErrorCode) {
			a.flying = false
			code := core.RequestTimedOut // what is not answered may have been done
			r, _ := resp.(*kmsg.AlterPartitionResponse)
			if r != nil {
				code = core.ErrorCode(r.ErrorCode)
			}
			for _, m := range batch {
				m.response, m.code = r, code
				c.out.Send(core.Shard(m.shard), m)
			}
			c.sendAlters()
		}})
}
