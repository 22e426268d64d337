package partition

import (
	"fmt"
	"slices"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/record"
)

// checks are the invariants that hold after every event, by their names in the catalogue: S3, S5, S6, S8, S9, S20.
type checks struct {
	c       *cluster
	ghosts  map[core.TopicIDPartition][]entry     // everything that was ever committed, by offset
	names   map[place]string                      // what (offset, leader epoch) means
	floors  map[core.TopicIDPartition]core.Offset // below which all is deleted, as clients were told
	failed  string
	unclean bool // committed records may be lost
	acks    int
	cuts    int
	epochs  int
	resets  int
	deletes int
}

type place struct {
	id     core.TopicIDPartition
	offset core.Offset
	epoch  core.LeaderEpoch
}

// entry is what one offset holds: the batch's own bytes, but for those that brokers set.
type entry struct {
	epoch   core.LeaderEpoch
	payload string
}

type lastSeen struct {
	epoch          core.LeaderEpoch
	leading        bool
	hw, end, start core.Offset
}

func (k *checks) init(c *cluster) {
	k.c, k.ghosts, k.names = c, map[core.TopicIDPartition][]entry{}, map[place]string{}
	k.floors = map[core.TopicIDPartition]core.Offset{}
}

func (k *checks) fail(format string, args ...any) {
	if k.failed == "" {
		k.failed = fmt.Sprintf(format, args...)
		k.c.say("FAILED: %s", k.failed)
	}
}

// deleted takes note of an answer to DeleteRecords: on no replica that may lead next is a record below the offset, not
// even after a crash.
func (k *checks) deleted(id core.TopicIDPartition, below core.Offset) {
	k.deletes++
	k.floors[id] = max(k.floors[id], below)
	k.floor(id)
}

// floor checks what was answered to DeleteRecords, of those who are in the ISR now.
func (k *checks) floor(id core.TopicIDPartition) {
	below := k.floors[id]
	if below == 0 || k.unclean {
		return
	}
	for _, b := range k.c.current().parts[slices.Index(k.c.partitions, id)].isr {
		n := k.c.nodes[b]
		start := n.saved[id][1]
		if r := n.set.Replica(id); n.up && r.Online() {
			start = max(start, r.log.LogStartOffset())
		}
		if start < below && !n.wiped {
			k.fail("S19: deleted below %d, but broker %d of the ISR begins at %d", below, b, start)
		}
	}
}

// each reads a replica's log from one offset to another.
func (k *checks) each(n *node, r *Replica, from, limit core.Offset, yield func(core.Offset, entry)) {
	if from >= limit {
		return
	}
	err := log.ReadBatches(n.disk, r.log.Dir(), from, limit, func(v record.View) error {
		e := entry{v.LeaderEpoch(), string(v.Payload())}
		for o := v.BaseOffset(); o <= v.LastOffset(); o++ {
			at := place{r.id, o, e.epoch}
			if was, ok := k.names[at]; ok && was != e.payload {
				k.fail("S3: broker %d has another batch at offset %d of epoch %d", n.id, o, e.epoch)
			}
			k.names[at] = e.payload
			if o >= from && o < limit {
				yield(o, e)
			}
		}
		return nil
	})
	if err != nil {
		k.fail("broker %d: %v", n.id, err)
	}
}

// after looks at all replicas of a broker.
func (k *checks) after(n *node) {
	if why := n.set.Broken(k.c.now()); why != "" {
		k.fail("broker %d: %s", n.id, why)
	}
	if part := n.set.Oversleeps(); part != "" {
		k.fail("broker %d: a fetch sleeps over what has come to %s", n.id, part)
	}
	for i, r := range n.set.Replicas() {
		if r.log == nil || !r.Online() {
			continue
		}
		k.replica(n, r, &k.c.current().parts[slices.Index(k.c.partitions, r.id)])
		_ = i
	}
}

func (k *checks) replica(n *node, r *Replica, p *partState) {
	if start := r.log.Start(); r.highWatermark < start {
		k.fail("S6: high watermark %d of broker %d below its log start %d", r.highWatermark, n.id, start)
	}
	if k.unclean {
		return
	}
	was, seen := n.last[r.id]
	now := lastSeen{epoch: r.leaderEpoch, leading: r.role == leads, hw: r.highWatermark, end: r.log.LogEndOffset(),
		start: r.log.Start()}
	n.last[r.id] = now
	if now != was {
		k.c.say("broker %d p%d: epoch %d leads %v %d..%d hw %d synced %d", n.id, r.id.Partition, now.epoch, now.leading,
			now.start, now.end, now.hw, r.log.SyncedOffset())
	}
	ghost := k.ghosts[r.id]
	if !seen {
		was.hw, was.start = now.start, now.start
	}
	anew := now.start == now.end && now.hw == now.end && now.end != was.end
	if anew {
		k.resets++
	}
	if seen && now.hw < was.hw && !anew {
		k.fail("S6: the high watermark of broker %d goes back from %d to %d", n.id, was.hw, now.hw)
	}
	if !seen && now.hw < min(n.saved[r.id][2], now.end) {
		k.fail("S6: broker %d starts with high watermark %d, its checkpoint says %d", n.id, now.hw, n.saved[r.id][2])
	}
	if now.hw > now.end {
		k.fail("S6: high watermark %d of broker %d beyond its end %d", now.hw, n.id, now.end)
	}
	if seen && now.end < was.end && !anew {
		k.cuts++
		if now.end < was.hw {
			k.fail("S9: broker %d truncates to %d, below its high watermark %d", n.id, now.end, was.hw)
		}
	}
	if now.hw > was.hw {
		k.each(n, r, max(was.hw, now.start), now.hw, func(o core.Offset, e entry) {
			switch {
			case int(o) < len(ghost):
				if ghost[o].payload != e.payload && ghost[o].payload != "" {
					k.fail("S5: broker %d commits another record at offset %d, epochs %d and %d", n.id, o, ghost[o].epoch, e.epoch)
				}
			case !now.leading:
				k.fail("S6: follower %d has high watermark %d, the committed log ends at %d", n.id, now.hw, len(ghost))
			default:
				for len(ghost) < int(o) {
					ghost = append(ghost, entry{})
				}
				ghost = append(ghost, e)
			}
		})
		k.ghosts[r.id] = ghost
	}
	// One that hears of its election after its successor's has missed what that has committed.
	if now.leading && (!seen || was.epoch != now.epoch || !was.leading) && now.epoch == p.epoch && r.lead.epochStart >= 0 {
		k.elected(n, r, now, ghost)
	}
	k.members(n, r, p, core.Offset(len(ghost)))
	k.floor(r.id)
}

// elected checks that a new leader has everything that was ever committed.
func (k *checks) elected(n *node, r *Replica, now lastSeen, ghost []entry) {
	k.epochs++
	found := now.start
	k.each(n, r, now.start, min(core.Offset(len(ghost)), now.end), func(o core.Offset, e entry) {
		if ghost[o].payload != e.payload && ghost[o].payload != "" {
			k.fail("S5: leader %d of epoch %d has another record at committed offset %d", n.id, now.epoch, o)
		}
		found = o + 1
	})
	if int(found) < len(ghost) {
		k.fail("S5: leader %d of epoch %d ends at %d, the committed log at %d", n.id, now.epoch, found, len(ghost))
	}
}

// members checks what an ISR promises.
func (k *checks) members(n *node, r *Replica, p *partState, committed core.Offset) {
	if !n.wiped && (slices.Contains(p.isr, n.id) || slices.Contains(p.elr, n.id)) {
		if r.counted() < committed && !r.log.Truncating() {
			k.fail("S8: broker %d in ISR %v, ELR %v has %d on disk, committed are %d", n.id, p.isr, p.elr,
				r.counted(), committed)
		}
	}
	if r.lead != nil && r.leaderEpoch == p.epoch {
		for _, id := range p.isr {
			if f := r.lead.follower(id); f != nil && !f.maximal && r.lead.partitionEpoch >= p.partitionEpoch-1 {
				k.fail("S8: broker %d of ISR %v is not in the maximal ISR of leader %d", id, p.isr, n.id)
			}
		}
	}
	if r.lead != nil && len(r.waits) > r.head && r.Online() {
		k.waits(n, r)
	}
}

// waits checks that nobody waits for what has happened: acks=all requests below the high watermark are answered.
func (k *checks) waits(n *node, r *Replica) {
	for i := r.head; i < r.written; i++ {
		if w := &r.waits[i]; w.op != nil && w.end <= r.highWatermark {
			k.fail("broker %d leaves a committed request unanswered", n.id)
		}
	}
}

// committed checks, after another ISR was heard of, that nothing more could be committed.
func (k *checks) committed(n *node) {
	for _, r := range n.set.Replicas() {
		if r.lead == nil || r.log == nil || !r.Online() {
			continue
		}
		if hw := n.set.committable(k.c.now(), r); hw > r.highWatermark {
			k.fail("L1: leader %d has high watermark %d where it could be %d", n.id, r.highWatermark, hw)
		}
	}
}

// released checks that no write under way reads from a frame that is given back.
func (k *checks) released(n *node, frame []byte) {
	for _, d := range n.due {
		if len(d.data) == 0 {
			continue
		}
		for i := range frame {
			if &frame[i] == &d.data[0] {
				k.fail("broker %d releases a frame that the disk still reads", n.id)
			}
		}
	}
}

// read checks what a consumer got.
func (k *checks) read(n *node, op *FetchOp) {
	it := &op.Items[0]
	if it.Code != core.NoError || it.Len == 0 || k.unclean {
		return
	}
	ghost := k.ghosts[it.ID]
	for b := n.driver.Read(it.File, it.Pos, it.Len); len(b) > 0; {
		v := record.View(b[:record.View(b).Size()])
		b = b[len(v):]
		for o := v.BaseOffset(); o <= v.LastOffset(); o++ {
			switch {
			case o >= it.HighWatermark || int(o) >= len(ghost):
				k.fail("S20: broker %d answers offset %d, which is not committed", n.id, o)
			case ghost[o].payload != string(v.Payload()) && ghost[o].payload != "":
				k.fail("C3: broker %d answers another record at offset %d", n.id, o)
			}
		}
	}
}

// acked checks that what is acknowledged is committed.
func (k *checks) acked(n *node, op *ProduceOp, batches []produced1) {
	it := &op.Items[0]
	if it.Code != core.NoError || op.Acks != AcksAll {
		return
	}
	k.acks++
	if k.unclean {
		return
	}
	ghost := k.ghosts[it.ID]
	for o := it.BaseOffset; o <= it.LastOffset; o++ {
		if int(o) >= len(ghost) || ghost[o].payload != batches[0].id {
			k.fail("C1: broker %d acknowledges offset %d, which is not committed", n.id, o)
		}
	}
}
