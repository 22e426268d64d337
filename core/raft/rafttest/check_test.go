package rafttest

import (
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/raft"
	"ottla.dev/core/record"
)

// State is what the replicated state machine of the tests has: how many records it has seen and a hash over all of
// them.
type State struct {
	Count int
	Sum   uint32
}

func (s State) encode() []byte { return fmt.Appendf(nil, "%d %d", s.Count, s.Sum) }

// apply takes the records of a batch.
func (s *State) apply(v record.View) {
	if v.IsControl() {
		return
	}
	it := record.Records(v, nil)
	for it.Next() {
		s.Count++
		s.Sum = crc32.Update(s.Sum, crc32.IEEETable, it.Record.Value)
	}
}

func readState(fs core.FS, id raft.SnapshotID) (State, error) {
	var s State
	err := raft.ReadSnapshot(fs, Dir, id, func(v record.View) error {
		if v.IsControl() {
			return nil
		}
		it := record.Records(v, nil)
		for it.Next() {
			if _, err := fmt.Sscanf(string(it.Record.Value), "%d %d", &s.Count, &s.Sum); err != nil {
				return err
			}
		}
		return it.Err()
	})
	return s, err
}

// ghost is what the world knows and no node has to.
type ghost struct {
	leaders map[core.LeaderEpoch]string
	votes   map[string]raft.Key       // by voter and epoch
	batches map[core.Offset]committed // by base offset: everything below any high watermark
	end     core.Offset               // the largest high watermark
	states  map[core.Offset]State     // by what is applied
	written map[string]uint32         // checksums by offset and epoch
}

type committed struct {
	next  core.Offset
	epoch core.LeaderEpoch
	crc   uint32
}

func newGhost() ghost {
	return ghost{leaders: map[core.LeaderEpoch]string{}, votes: map[string]raft.Key{},
		batches: map[core.Offset]committed{}, states: map[core.Offset]State{}, written: map[string]uint32{}}
}

// tracked is what the world knows of one node over its restarts.
type tracked struct {
	exposed core.LeaderEpoch // the largest epoch that it has told anybody
	mark    core.Offset      // its high watermark in this incarnation
	led     core.LeaderEpoch // the last epoch whose leadership was checked
	pending map[uint64]*kmsg.VoteRequest
}

func (t *tracked) restarted() { t.mark, t.pending = 0, map[uint64]*kmsg.VoteRequest{} }

func (t *tracked) asked(token uint64, req kmsg.Request) {
	if v, ok := req.(*kmsg.VoteRequest); ok && !v.Topics[0].Partitions[0].PreVote {
		t.pending[token] = v
	}
}

// check holds after every step of a node.
func (n *Node) check() {
	w, q := n.w, n.Q
	if w.Lawless {
		return
	}
	if err := q.Failed(); err != nil {
		w.breach("S9: node %d failed: %v", n.ID, err)
		return
	}
	if why := q.Broken(); why != "" {
		w.breach("books: node %d: %s", n.ID, why)
	}
	if q.HighWatermark() > q.LogEndOffset() {
		w.breach("S6: node %d: high watermark %d beyond log end offset %d", n.ID, q.HighWatermark(), q.LogEndOffset())
	}
	if q.HighWatermark() < n.track.mark {
		w.breach("S6: node %d: high watermark back from %d to %d", n.ID, n.track.mark, q.HighWatermark())
	}
	if q.Role() == raft.Leader && q.HighWatermark() > n.track.mark && n.track.led == q.Epoch() &&
		q.Log().Epochs().EpochAt(q.HighWatermark()-1) != q.Epoch() {
		w.breach("S6: node %d raises the high watermark to %d, without a record of its epoch %d", n.ID, q.HighWatermark(),
			q.Epoch())
	}
	n.track.mark = q.HighWatermark()
	if q.Role() == raft.Leader {
		n.checkLeader()
	}
	if q.HighWatermark() > w.ghost.end {
		n.checkCommit()
	}
}

// checkLeader: at most one leader an epoch, over restarts too (S1), which has everything that was ever committed (S4).
func (n *Node) checkLeader() {
	w, epoch := n.w, n.Q.Epoch()
	if n.track.led == epoch {
		return
	}
	n.track.led = epoch
	n.Seen++
	me := fmt.Sprintf("node %d in incarnation %d", n.ID, n.Incarnation)
	if other, ok := w.ghost.leaders[epoch]; ok && other != me {
		w.breach("S1: epoch %d is led by %s and by %s", epoch, other, me)
	}
	w.ghost.leaders[epoch] = me
	w.tracef("%d leads epoch %d", n.ID, epoch)
	have := map[core.Offset]committed{}
	must(n.batches(n.Disk, func(v record.View) {
		have[v.BaseOffset()] = committed{v.NextOffset(), v.LeaderEpoch(), v.CRC()}
	}))
	start := n.Q.Log().LogStartOffset()
	for at := core.Offset(0); at < w.ghost.end; at = w.ghost.batches[at].next {
		want, ok := w.ghost.batches[at]
		if !ok {
			panic("rafttest: the ghost has a gap")
		}
		if at >= start && have[at] != want {
			w.breach("S4: node %d leads epoch %d without the committed batch at %d: %v, not %v", n.ID, epoch, at, have[at],
				want)
		}
	}
}

// unnoticed lets a check look at a disk without bringing a crash nearer.
func unnoticed(d *logtest.Disk) func() {
	ops, at := d.Ops, d.CrashAt
	d.CrashAt = 0
	return func() { d.Ops, d.CrashAt = ops, at }
}

// batches visits the log on a disk, as far as it is whole.
func (n *Node) batches(disk *logtest.Disk, visit func(record.View)) error {
	defer unnoticed(disk)()
	entries, err := disk.List(Dir)
	if err != nil {
		return nil
	}
	next := core.NoOffset
	for _, e := range entries {
		base, suffix, ok := log.ParseFileName(e.Name)
		if !ok || suffix != log.LogSuffix {
			continue
		}
		if next != core.NoOffset && base != next {
			return nil
		}
		b := disk.Bytes(Dir + "/" + e.Name)
		next = base
		for len(b) > 0 {
			v, rest, err := record.Next(b)
			if err != nil || v.Check() != nil || v.BaseOffset() != next {
				return nil
			}
			visit(v)
			next, b = v.NextOffset(), rest
		}
	}
	return nil
}

// checkCommit: what a high watermark covers for the first time is on the disks of a majority of the voters, and would
// be after a crash of all of them (S10), and is the same everywhere (S3).
func (n *Node) checkCommit() {
	w := n.w
	mark := n.Q.HighWatermark()
	if n.Q.Role() == raft.Follower {
		w.breach("S6: node %d, no leader, is the first to know of the high watermark %d", n.ID, mark)
	}
	must(n.batches(n.Disk, func(v record.View) {
		if v.BaseOffset() >= w.ghost.end && v.NextOffset() <= mark {
			w.ghost.batches[v.BaseOffset()] = committed{v.NextOffset(), v.LeaderEpoch(), v.CRC()}
			w.ghost.end = v.NextOffset()
		}
	}))
	if w.ghost.end != mark {
		w.breach("S6: node %d: high watermark %d, but its batches end at %d", n.ID, mark, w.ghost.end)
		return
	}
	voters := n.Q.Voters()
	durable := 0
	for _, v := range voters {
		x, rng := w.node(v.ID), core.NewPRNG(w.Seed+uint64(mark))
		if end := x.durable(v.Directory, &rng); end >= mark {
			durable++
		}
	}
	if durable < voters.Majority() {
		w.breach("S10: node %d commits up to %d, which %d of %d voters have on disk", n.ID, mark, durable, len(voters))
	}
}

// apply takes the committed batches, and compares what becomes of them with what became of them elsewhere (S11).
func (n *Node) apply() {
	w := n.w
	if n.mail.Snapshot != nil {
		restore := unnoticed(n.Disk)
		s, err := readState(n.Disk, *n.mail.Snapshot)
		restore()
		if err != nil {
			w.breach("node %d: its snapshot cannot be read: %v", n.ID, err)
			return
		}
		w.tracef("%d loads snapshot %s", n.ID, n.mail.Snapshot.Name())
		w.probe("a snapshot is loaded")
		n.State, n.applied = s, n.mail.Snapshot.End
		n.compare()
		n.mail.Snapshot = nil
	}
	for _, v := range n.mail.Committed {
		if v.BaseOffset() > n.applied || v.NextOffset() <= n.applied {
			w.breach("node %d is given a batch at %d after %d", n.ID, v.BaseOffset(), n.applied)
			return
		}
		n.State.apply(v)
		n.applied = v.NextOffset()
		n.compare()
	}
}

func (n *Node) compare() {
	g := &n.w.ghost
	want, ok := g.states[n.applied]
	if ok && want != n.State {
		n.w.breach("S11: node %d at offset %d is %v, others were %v", n.ID, n.applied, n.State, want)
	}
	g.states[n.applied] = n.State
}

// sent looks at what the node says: epochs (S7), its own vote (S2, S10).
func (t *tracked) sent(n *Node, req kmsg.Request) {
	switch r := req.(type) {
	case *kmsg.VoteRequest:
		p := &r.Topics[0].Partitions[0]
		n.expose(core.LeaderEpoch(p.CandidateEpoch))
		if !p.PreVote {
			n.votes(core.LeaderEpoch(p.CandidateEpoch), n.Key)
		}
	case *kmsg.FetchRequest:
		n.expose(core.LeaderEpoch(r.Topics[0].Partitions[0].CurrentLeaderEpoch))
	}
}

func (t *tracked) answered(n *Node, token uint64, resp kmsg.Response) {
	r, ok := resp.(*kmsg.VoteResponse)
	if !ok || len(r.Topics) == 0 {
		return
	}
	n.expose(core.LeaderEpoch(r.Topics[0].Partitions[0].LeaderEpoch))
	req := t.pending[token]
	delete(t.pending, token)
	if req != nil && r.Topics[0].Partitions[0].VoteGranted {
		p := &req.Topics[0].Partitions[0]
		candidate := raft.Key{ID: core.BrokerID(p.CandidateID), Directory: p.CandidateDirectoryID}
		n.votes(core.LeaderEpoch(p.CandidateEpoch), candidate)
	}
}

func (n *Node) expose(epoch core.LeaderEpoch) {
	if epoch < n.track.exposed {
		n.w.breach("S7: node %d speaks of epoch %d after %d", n.ID, epoch, n.track.exposed)
	}
	n.track.exposed = max(n.track.exposed, epoch)
}

// votes notes a vote that leaves: the only one of its epoch, and on disk whatever happens.
func (n *Node) votes(epoch core.LeaderEpoch, candidate raft.Key) {
	w := n.w
	if w.Lawless {
		return
	}
	at := fmt.Sprintf("%d %s/%d", n.ID, n.Key.Directory, epoch)
	if other, ok := w.ghost.votes[at]; ok && other != candidate {
		w.breach("S2: node %d votes in epoch %d for %d and for %d", n.ID, epoch, other.ID, candidate.ID)
	}
	w.ghost.votes[at] = candidate
	for seed := range uint64(3) {
		disk := n.Disk.Clone()
		rng := core.NewPRNG(seed)
		disk.Crash(&rng)
		s, err := raft.DecodeState(disk.Bytes(Dir + "/" + raft.StateFile))
		if err != nil || s.Epoch != epoch || s.Voted != candidate.ID {
			w.breach("S10: node %d votes for %d in epoch %d, but a crash leaves %+v, %v", n.ID, candidate.ID, epoch, s, err)
			return
		}
	}
}

// checkRestart: nothing that a node said is forgotten (S7).
func (n *Node) checkRestart() {
	if n.Q.Epoch() < n.track.exposed {
		n.w.breach("S7: node %d restarts in epoch %d after %d", n.ID, n.Q.Epoch(), n.track.exposed)
	}
	n.remember()
}

// remember compares the node's log with all logs that ever were: an offset and an epoch name one batch (S3).
func (n *Node) remember() {
	w := n.w
	must(n.batches(n.Disk, func(v record.View) {
		at := fmt.Sprintf("%d/%d", v.BaseOffset(), v.LeaderEpoch())
		if crc, ok := w.ghost.written[at]; ok && crc != v.CRC() {
			w.breach("S3: node %d has another batch at offset %d of epoch %d than others", n.ID, v.BaseOffset(), v.LeaderEpoch())
		}
		w.ghost.written[at] = v.CRC()
	}))
}

// Settled reports whether the quorum is as it should be: one leader, all nodes with the same log, all of it committed
// and applied.
func (w *World) Settled() bool {
	l := w.Active()
	if l == nil || l.Q.Observer() {
		return false
	}
	for _, n := range w.Nodes {
		if n.Q == nil || n.Q.Epoch() != l.Q.Epoch() || !slices.Equal(ids(n.Q.Voters()), ids(l.Q.Voters())) ||
			n.Q.LogEndOffset() != l.Q.LogEndOffset() || n.Q.HighWatermark() != l.Q.LogEndOffset() ||
			n.applied != l.applied || n.applied != l.Q.LogEndOffset() {
			return false
		}
		if n != l && (n.Q.Role() != raft.Follower || n.Q.Leader() != l.Key.ID) {
			return false
		}
	}
	return true
}

func ids(v raft.Voters) []core.BrokerID {
	var list []core.BrokerID
	for _, x := range v {
		list = append(list, x.ID)
	}
	return list
}

// Unanswered returns how many requests nodes that are up have had for longer than any may wait.
func (w *World) Unanswered(longest time.Duration) int {
	n := 0
	//core:unordered counted only
	for _, o := range w.tokens {
		if w.Nodes[o.at-1].Q != nil && o.since+longest < w.Now {
			n++
		}
	}
	return n
}

// Describe is the state of all nodes, one a line.
func (w *World) Describe() string {
	var b strings.Builder
	for _, n := range w.Nodes {
		b.WriteString(n.Describe() + "\n")
	}
	return b.String()
}

// Describe is the node's state in one line.
func (n *Node) Describe() string {
	if n.Q == nil {
		return fmt.Sprintf("%d down", n.ID)
	}
	q := n.Q
	role := q.Role().String()
	if q.Observer() {
		role = "observing " + role
	}
	return fmt.Sprintf("%d %s epoch=%d leader=%d log=%d..%d synced=%d hw=%d", n.ID, role, q.Epoch(), q.Leader(),
		q.Log().LogStartOffset(), q.LogEndOffset(), q.Log().SyncedOffset(), q.HighWatermark())
}

// probeAnswer counts what answers tell.
func (w *World) probeAnswer(n *Node, resp kmsg.Response) {
	switch r := resp.(type) {
	case *kmsg.FetchResponse:
		if len(r.Topics) > 0 && r.Topics[0].Partitions[0].DivergingEpoch.Epoch >= 0 {
			w.probe("a log diverges")
		}
	case *kmsg.VoteResponse:
		if len(r.Topics) > 0 && r.Topics[0].Partitions[0].VoteGranted && n.Q.Observer() {
			w.probe("an observer grants a vote")
		}
	}
}
