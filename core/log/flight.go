package log

import "ottla.dev/core"

type opKind uint8

const (
	opWrite opKind = iota + 1
	opSync         // of the active segment: with everything before it, makes what was appended durable
	opOther        // a sync of another file or the folder
)

// pending is an operation whose completion is awaited.
type pending struct {
	end  core.Offset // what a completed write or sync reaches
	kind opKind
	done bool
}

// flight keeps the operations under way, in the order in which they were asked for.
//
// Invariant: synced <= written; the head of the queue, if any, is not done; every write before wrote is done.
type flight struct {
	slot    uint32
	epoch   uint32
	seq     uint64 // of the next ticket
	queue   []pending
	head    int // first of queue that is not taken; its seq is seq-(len(queue)-head)
	wrote   int // first of queue that is a write not done: writes do not wait for the syncs between them
	written core.Offset
	synced  core.Offset
	asked   core.Offset // what has been asked to be synced
	out     int         // completions that are still to come, stale ones too
}

// ticket adds an operation to the queue.
func (f *flight) ticket(kind opKind, end core.Offset) core.Ticket {
	if f.head > 0 && len(f.queue) == cap(f.queue) {
		f.queue = f.queue[:copy(f.queue, f.queue[f.head:])]
		f.head, f.wrote = 0, f.wrote-f.head
	}
	f.queue = append(f.queue, pending{end: end, kind: kind})
	t := core.Ticket{Log: f.slot, Epoch: f.epoch, Seq: f.seq}
	f.seq++
	f.out++
	return t
}

func (f *flight) sync(file core.FileID, out *core.Outbox) { out.Sync(file, f.ticket(opOther, 0)) }

func (f *flight) syncDir(dir string, out *core.Outbox) {
	out.File(core.FileOp{Kind: core.OpSyncDir, Path: dir, Ticket: f.ticket(opOther, 0)})
}

// complete marks an operation done and moves the offsets over all that are done at the head of the queue.
func (f *flight) complete(seq uint64) {
	first := f.first()
	if seq < first || seq >= f.seq || f.queue[f.head+int(seq-first)].done {
		panic("log: completion of an operation that is not under way")
	}
	f.queue[f.head+int(seq-first)].done = true
	for ; f.wrote < len(f.queue) && (f.queue[f.wrote].done || f.queue[f.wrote].kind != opWrite); f.wrote++ {
		if p := f.queue[f.wrote]; p.kind == opWrite {
			f.written = max(f.written, p.end)
		}
	}
	for f.head < len(f.queue) && f.queue[f.head].done {
		p := f.queue[f.head]
		switch p.kind {
		case opSync: // after a truncation it covers writes that were forgotten
			f.written, f.synced = max(f.written, p.end), max(f.synced, p.end)
		case opWrite, opOther:
		}
		f.head++
	}
	if f.head == len(f.queue) {
		f.queue, f.head, f.wrote = f.queue[:0], 0, 0
	}
}

// first is the seq of the oldest operation under way, or of the next one.
func (f *flight) first() uint64 { return f.seq - uint64(len(f.queue)-f.head) }

// restart forgets what is under way: completions of it are stale from now on.
func (f *flight) restart() {
	f.epoch++
	f.queue, f.head, f.wrote = f.queue[:0], 0, 0
}

// idle reports whether nothing is under way.
func (f *flight) idle() bool { return f.head == len(f.queue) }
