package broker

import (
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/partition"
)

// confirmation asks the controller, through control, whether this broker still leads partitions of a shard. It comes
// back with the controller's answer, which may be about other shards' partitions too and is not changed by anyone; or
// with a code that concerns all: RequestTimedOut if there is no answer.
type confirmation struct {
	shard    uint32
	doubts   []*partition.Doubt
	asked    map[core.TopicIDPartition]core.LeaderEpoch // what the controller was asked about
	response *kmsg.AlterPartitionResponse
	code     core.ErrorCode
}

// AppendText implements [core.Message].
func (m *confirmation) AppendText(dst []byte) []byte {
	dst = append(dst, "Confirm shard="...)
	return strconv.AppendUint(dst, uint64(m.shard), 10)
}

// How long a confirmation may take. A client that has an answer withheld for longer does better to look for the leader.
const (
	askConfirm     = 2 * time.Second // for a confirmation, before nobody is taken for confirmed
	askConfirmOnce = time.Second     // for an answer on laneConfirm, before the connection is given up
)

// confirmPause is the time from one request to the next at least. Each is a record in the metadata log: clients that
// ask for nothing but offsets must not fill it.
const confirmPause = 2 * time.Millisecond

// confirmations gathers the doubts of all shards: one request is under way at a time, and what came meanwhile goes into
// the next one. None joins a request that is under way, whose answer may be from before the doubt.
type confirmations struct {
	waiting []*confirmation
	flying  bool
	next    time.Duration // when the next request may go
}

// due is when there is something to ask, or core.Never.
func (a *confirmations) due() time.Duration {
	if a.flying || len(a.waiting) == 0 {
		return core.Never
	}
	return a.next
}

func (c *Control) confirm(m *confirmation) {
	c.confirmations.waiting = append(c.confirmations.waiting, m)
	c.sendConfirmations()
}

func (c *Control) sendConfirmations() {
	a := &c.confirmations
	if !c.now.Reached(a.due()) {
		return
	}
	batch := a.waiting
	a.waiting = nil
	if c.epoch < 0 || c.phase > leaving { // this broker is nobody's leader, for all that the controller knows
		c.confirmed(batch, nil, core.RequestTimedOut)
		return
	}
	if a.flying = true; !c.quorum.sole() {
		a.next = c.now.Mono + confirmPause
	}
	c.askAlterPartition(doubted(batch), laneConfirm, askConfirm,
		func(r *kmsg.AlterPartitionResponse, code core.ErrorCode) {
			a.flying = false
			c.confirmed(batch, r, code)
			c.sendConfirmations()
		})
}

func (c *Control) confirmed(batch []*confirmation, r *kmsg.AlterPartitionResponse, code core.ErrorCode) {
	for _, m := range batch {
		m.response, m.code = r, code
		c.out.Send(core.Shard(m.shard), m)
	}
}

// doubted is what a batch asks about, each partition once, in the latest epoch that there is a doubt in: answers do not
// say what they are about. Who doubts an earlier epoch is told nothing about it.
func doubted(batch []*confirmation) []kmsg.AlterPartitionRequestTopic {
	latest := map[core.TopicIDPartition]*partition.Proposal{}
	var order []*partition.Proposal
	asked := map[core.TopicIDPartition]core.LeaderEpoch{}
	for _, m := range batch {
		m.asked = asked
		for _, d := range m.doubts {
			p := latest[d.ID]
			if p == nil {
				p = &partition.Proposal{}
				order, latest[d.ID] = append(order, p), p
			} else if p.LeaderEpoch > d.LeaderEpoch {
				continue
			}
			*p, asked[d.ID] = d.Proposal, d.LeaderEpoch
		}
	}
	return alterations(order)
}

// confirmed tells the set which of its answers may leave.
func (s *Shard) confirmed(m *confirmation) {
	for _, d := range m.doubts {
		code := m.code
		if code == core.NoError {
			if code, _ = decidedOf(m.response, d.ID); m.asked[d.ID] != d.LeaderEpoch {
				code = core.FencedLeaderEpoch
			}
		}
		s.set.Settle(s.now, d, code, &s.out)
	}
}

// doubt has the controller asked about what the set doubts.
func (s *Shard) doubt() {
	if len(s.set.Doubts) == 0 {
		return
	}
	m := &confirmation{shard: s.index, doubts: s.set.Doubts}
	s.set.Doubts = nil
	s.out.Send(core.Control(), m)
}
