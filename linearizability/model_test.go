package linearizability

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"
)

// world is a correct cluster: what it records never shows an anomaly. Its processes begin operations, which take
// effect later, at once, and are answered later still; answers get lost, and some effects come after their process gave
// up, or never.
type world struct {
	t       *rapid.T
	now     int64
	rec     *Recorder
	logs    [2][]entry
	offset  int64 // committed
	values  int
	procs   []*proc
	late    []func() // effects whose process has given up
	commits int64
	txns    int
}

// entry is at each offset of a log. Markers of transactions have no value.
type entry struct {
	value string
	txn   *worldTxn
}

type worldTxn struct {
	name             string
	ended, committed bool
}

type proc struct {
	id        int32
	committed bool // reads so
	at        [2]int64
	txn       *worldTxn
	sent      int    // sends begun
	applied   [2]int // the latest of them that is in each log
	effect    func()
	answer    func()
}

func worldPartition(i int) Partition { return Partition{Topic: "t", Index: int32(i)} }

// drawWorld lets a correct cluster run and returns what its clients saw, ending with a final read.
func drawWorld(t *rapid.T) *History {
	w := &world{t: t, rec: NewRecorder("", Allow{}), offset: None}
	for i := range rapid.IntRange(1, 5).Draw(t, "processes") {
		w.procs = append(w.procs, &proc{id: int32(i), committed: i%2 == 1})
	}
	for range rapid.IntRange(20, 250).Draw(t, "steps") {
		w.step()
	}
	for _, late := range w.late {
		if rapid.Bool().Draw(t, "late") {
			late()
		}
	}
	for _, p := range w.procs {
		for p.answer != nil {
			w.advance(p)
		}
		if p.txn != nil {
			p.txn.ended = true
		}
	}
	w.finalRead()
	return w.rec.History()
}

func (w *world) tick() int64 {
	w.now += int64(rapid.IntRange(0, 2).Draw(w.t, "tick"))
	return w.now
}

func (w *world) step() {
	if len(w.late) > 0 && rapid.IntRange(0, 5).Draw(w.t, "late") == 0 {
		w.late[0]()
		w.late = w.late[1:]
		return
	}
	p := w.procs[rapid.IntRange(0, len(w.procs)-1).Draw(w.t, "process")]
	if p.answer != nil {
		w.advance(p)
		return
	}
	w.begin(p)
}

// advance lets the operation of a process take effect, or answers it.
func (w *world) advance(p *proc) {
	if p.effect != nil {
		p.effect()
		p.effect = nil
		return
	}
	answer := p.answer
	p.answer = nil
	answer()
}

// act begins an operation. Its fate is drawn: an answer, a lost one, a definite refusal.
func (w *world) act(p *proc, op Op, effect func(), fill func(op *Op)) {
	op.Call = w.tick()
	id := w.rec.Call(op)
	switch fate := rapid.IntRange(0, 11).Draw(w.t, "fate"); {
	case fate == 0 && !op.readsOnly(): // given up, and applied later or never
		w.late = append(w.late, effect)
		w.rec.Return(id, w.tick(), Unknown, "timeout", nil)
	case fate == 1: // applied, the answer is lost
		p.effect = effect
		p.answer = func() { w.tick() }
	case fate == 2 && !op.readsOnly():
		w.rec.Return(id, w.tick(), Failed, "NOT_ENOUGH_REPLICAS", nil)
	default:
		p.effect = effect
		p.answer = func() { w.rec.Return(id, w.tick(), OK, "", fill) }
	}
}

func (w *world) begin(p *proc) {
	part := rapid.IntRange(0, 1).Draw(w.t, "partition")
	switch rapid.IntRange(0, 13).Draw(w.t, "kind") {
	case 0, 1, 2:
		w.send(p, part)
	case 3, 4, 5:
		w.poll(p, part, false, rapid.IntRange(1, 4).Draw(w.t, "limit"))
	case 6:
		w.commits++
		w.commit(p, w.commits)
	case 7:
		w.commit(p, int64(rapid.IntRange(0, 3).Draw(w.t, "commit")))
	case 8:
		w.fetchCommitted(p)
	case 9:
		op := NewOp(Rebalance, p.id, w.tick())
		op.Partitions = []Partition{worldPartition(part)}
		w.rec.Add(op.Done(w.now, OK, ""))
		p.at[part] = int64(rapid.IntRange(0, len(w.logs[part])).Draw(w.t, "position"))
	case 10, 12, 13:
		w.transact(p)
	case 11:
		op := NewOp(ListOffsets, p.id, 0)
		op.Partition = worldPartition(part)
		var end int64
		w.act(p, op, func() { end = int64(len(w.logs[part])) }, func(op *Op) { op.Offset = end })
	}
}

func (w *world) send(p *proc, part int) {
	op := NewOp(Send, p.id, 0)
	op.Partition, op.Idempotent = worldPartition(part), p.id%3 != 0 || p.txn != nil
	op.Attempts = 1
	for range rapid.IntRange(1, 2).Draw(w.t, "records") {
		w.values++
		op.Values = append(op.Values, fmt.Sprintf("v%d", w.values))
	}
	txn := p.txn
	p.sent++
	sequence := p.sent
	if txn != nil {
		op.Txn = txn.name
	}
	base := int64(None)
	w.act(p, op, func() {
		if txn != nil && txn.ended || op.Idempotent && sequence < p.applied[part] {
			return // fenced
		}
		if op.Idempotent {
			p.applied[part] = sequence
		}
		base = int64(len(w.logs[part]))
		for _, v := range op.Values {
			w.logs[part] = append(w.logs[part], entry{v, txn})
		}
	}, func(op *Op) { op.Offset = base })
}

// transact begins a transaction, or ends the one that is open.
func (w *world) transact(p *proc) {
	if p.txn == nil {
		w.txns++
		p.txn = &worldTxn{name: fmt.Sprintf("T%d", w.txns)}
		return
	}
	op := NewOp(EndTxn, p.id, 0)
	op.Txn, op.TxnCommit = p.txn.name, rapid.Bool().Draw(w.t, "commit")
	txn := p.txn
	p.txn = nil
	w.act(p, op, func() { w.end(txn, op.TxnCommit) }, nil)
}

// end writes the markers, and nothing of the transaction after them.
func (w *world) end(txn *worldTxn, commit bool) {
	txn.ended, txn.committed = true, commit
	for i := range w.logs {
		w.logs[i] = append(w.logs[i], entry{})
	}
}

// poll reads from the position of the process, up to the last stable offset if it reads what is committed.
func (w *world) poll(p *proc, part int, final bool, limit int) {
	op := NewOp(Poll, p.id, 0)
	op.ReadCommitted, op.Final = p.committed, final
	r := NewRead(worldPartition(part), nil, nil)
	r.From = p.at[part]
	op.Reads = []Read{r}
	read := r
	effect := func() {
		log := w.logs[part]
		read.HighWatermark = int64(len(log))
		next := r.From
		for ; next < int64(len(log)) && len(read.Offsets) < limit; next++ {
			e := log[next]
			if p.committed && e.txn != nil && !e.txn.ended {
				break
			}
			if e.value != "" && (!p.committed || e.txn == nil || e.txn.committed) {
				read.Offsets = append(read.Offsets, next)
				read.Values = append(read.Values, e.value)
			}
		}
		read.Next = next
	}
	w.act(p, op, effect, func(op *Op) {
		op.Reads = []Read{read}
		p.at[part] = read.Next
	})
}

func (w *world) commit(p *proc, offset int64) {
	op := NewOp(Commit, p.id, 0)
	op.Group, op.Partition, op.Offset = "g", worldPartition(0), offset
	w.act(p, op, func() { w.offset = offset }, nil)
}

func (w *world) fetchCommitted(p *proc) {
	op := NewOp(FetchCommitted, p.id, 0)
	op.Group, op.Partition = "g", worldPartition(0)
	offset := int64(None)
	w.act(p, op, func() { offset = w.offset }, func(op *Op) { op.Offset = offset })
}

// finalRead lets everything that is open come to its end, and reads all of it.
func (w *world) finalRead() {
	for part := range w.logs {
		// What was given up but not applied is dropped now; open transactions are aborted.
		p := &proc{id: int32(10 + part), committed: true}
		for i := range w.logs[part] {
			if txn := w.logs[part][i].txn; txn != nil {
				txn.ended = true
			}
		}
		w.now++
		for p.at[part] < int64(len(w.logs[part])) || w.rec.Len() == 0 {
			w.poll(p, part, true, 5)
			for p.answer != nil {
				w.advance(p)
			}
		}
	}
	w.finalOffsets()
}

func (w *world) finalOffsets() {
	p := &proc{id: 20}
	w.now++
	w.fetchCommitted(p)
	for p.answer != nil {
		w.advance(p)
	}
}

// polls returns the places of the successful reads with at least n records.
func polls(h *History, n int) []*Op {
	var all []*Op
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.Kind == Poll && op.Outcome == OK && len(op.Reads[0].Offsets) >= n {
			all = append(all, op)
		}
	}
	return all
}

// copyHistory is a deep copy as far as mutations reach.
func copyHistory(h *History) *History {
	c := *h
	c.Ops = slices.Clone(h.Ops)
	for i := range c.Ops {
		op := &c.Ops[i]
		op.Reads = slices.Clone(op.Reads)
		for j := range op.Reads {
			op.Reads[j].Offsets = slices.Clone(op.Reads[j].Offsets)
			op.Reads[j].Values = slices.Clone(op.Reads[j].Values)
		}
	}
	return &c
}
