package linearizability

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func describe(h *History, r *Report) string {
	var b strings.Builder
	r.WriteText(&b)
	WriteHistory(&b, h)
	return b.String()
}

func TestCorrectClustersShowNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawWorld(t)
		if r := Check(h); r.Verdict() != VerdictOK {
			t.Fatalf("a correct cluster showed\n%s", describe(h, r))
		}
	})
}

// mutation plants a mistake of a cluster in a history and says whether it could.
type mutation struct {
	name  string
	plant func(t *rapid.T, h *History) bool
	// want are the anomalies of which at least one must be found.
	want []Name
}

func pick[T any](t *rapid.T, all []T) T { return all[rapid.IntRange(0, len(all)-1).Draw(t, "pick")] }

var mutations = []mutation{
	{"a record is lost", func(t *rapid.T, h *History) bool {
		v := drawRequired(t, h)
		if v == nil {
			return false
		}
		for _, op := range polls(h, 1) {
			r := &op.Reads[0]
			for i := len(r.Values) - 1; i >= 0; i-- {
				if r.Values[i] == v.value {
					r.drop(i)
				}
			}
		}
		return true
	}, []Name{LostWrite, Unseen}},
	{"a poll leaves a record out", func(t *rapid.T, h *History) bool {
		all := polls(h, 3)
		if len(all) == 0 {
			return false
		}
		r := &pick(t, all).Reads[0]
		i := rapid.IntRange(1, len(r.Values)-2).Draw(t, "record")
		for j := range h.Ops { // nobody misses what may never have been written
			if op := &h.Ops[j]; slices.Contains(op.Values, r.Values[i]) && (op.Outcome != OK || op.Txn != "") {
				return false
			}
		}
		r.drop(i)
		return true
	}, []Name{IntPollSkip}},
	{"a poll returns its records in another order", func(t *rapid.T, h *History) bool {
		all := polls(h, 2)
		if len(all) == 0 {
			return false
		}
		r := &pick(t, all).Reads[0]
		r.Offsets[0], r.Offsets[1] = r.Offsets[1], r.Offsets[0]
		r.Values[0], r.Values[1] = r.Values[1], r.Values[0]
		return true
	}, []Name{IntNonmonotonicPoll}},
	{"a record is read where another one is", func(t *rapid.T, h *History) bool {
		all := polls(h, 2)
		if len(all) == 0 {
			return false
		}
		r := &pick(t, all).Reads[0]
		r.Values[1] = r.Values[0]
		return true
	}, []Name{Duplicate, InconsistentOffsets}},
	{"a value comes from nowhere", func(t *rapid.T, h *History) bool {
		all := polls(h, 1)
		if len(all) == 0 {
			return false
		}
		pick(t, all).Reads[0].Values[0] = "nobody's"
		return true
	}, []Name{Phantom}},
	{"a send that was refused is there", func(t *rapid.T, h *History) bool {
		v := drawRequired(t, h)
		if v == nil {
			return false
		}
		v.send.Outcome, v.send.Error, v.send.Offset = Failed, "MESSAGE_TOO_LARGE", None
		return true
	}, []Name{FailedVisible}},
	{"a send is acknowledged at a wrong offset", func(t *rapid.T, h *History) bool {
		v := drawRequired(t, h)
		if v == nil {
			return false
		}
		v.send.Offset++
		return true
	}, []Name{InconsistentOffsets}},
	{"a high watermark goes back", func(t *rapid.T, h *History) bool {
		seen := map[processPartition]*Op{}
		for _, op := range polls(h, 0) {
			key := processPartition{op.Process, op.Reads[0].Partition}
			if before := seen[key]; before != nil && before.Reads[0].HighWatermark > 0 {
				op.Reads[0].HighWatermark = before.Reads[0].HighWatermark - 1
				return true
			}
			seen[key] = op
		}
		return false
	}, []Name{HighWatermarkBack}},
	{"a committed offset comes from nowhere", func(t *rapid.T, h *History) bool {
		f := lastFetch(h)
		if f != nil {
			f.Offset = 1000
		}
		return f != nil
	}, []Name{CommittedPhantom}},
	{"a committed offset is forgotten", func(t *rapid.T, h *History) bool {
		f := lastFetch(h)
		if f == nil || f.Offset == None {
			return false
		}
		for i := range h.Ops {
			if op := &h.Ops[i]; op.Kind == Commit && op.Outcome == OK && op.Return < f.Call {
				f.Offset = None
				return true
			}
		}
		return false
	}, []Name{CommittedBack}},
	{"a transaction whose records were seen was aborted", func(t *rapid.T, h *History) bool {
		v, _ := newView(h)
		for _, l := range v.partitions {
			for i := range l.records {
				r := &l.records[i]
				if r.send.Txn == "" || !r.required || !seenCommitted(r) {
					continue
				}
				for _, op := range v.txn(r.send.Txn).ops {
					op.TxnCommit = false
				}
				return true
			}
		}
		return false
	}, []Name{G1a}},
	{"a process reads again what it has read", func(t *rapid.T, h *History) bool {
		for _, pair := range followers(h) {
			pair[1].Reads = copyHistory(&History{Ops: []Op{*pair[0]}}).Ops[0].Reads
			return true
		}
		return false
	}, []Name{NonmonotonicPoll}},
	{"a process's next poll leaves records out", func(t *rapid.T, h *History) bool {
		for _, pair := range followers(h) {
			r := &pair[1].Reads[0]
			for i := range h.Ops {
				if op := &h.Ops[i]; slices.Contains(op.Values, r.Values[0]) && op.Outcome == OK && op.Txn == "" &&
					len(r.Values) > 1 {
					r.From = None
					r.drop(0)
					return true
				}
			}
		}
		return false
	}, []Name{PollSkip}},
	{"an end offset goes back", func(t *rapid.T, h *History) bool {
		seen := map[processPartition]*Op{}
		for i := range h.Ops {
			op := &h.Ops[i]
			if op.Kind != ListOffsets || op.Outcome != OK {
				continue
			}
			key := processPartition{op.Process, op.Partition}
			if before := seen[key]; before != nil && before.Offset > 0 {
				op.Offset = before.Offset - 1
				return true
			}
			seen[key] = op
		}
		return false
	}, []Name{EndOffsetBack}},
	{"an older committed offset comes back", func(t *rapid.T, h *History) bool {
		f := lastFetch(h)
		if f == nil {
			return false
		}
		for i := range h.Ops {
			for j := range h.Ops {
				a, b := &h.Ops[i], &h.Ops[j]
				if a.Kind == Commit && b.Kind == Commit && b.Outcome == OK && a.Outcome == OK && a.Return < b.Call &&
					b.Return < f.Call && a.Offset != b.Offset && onlyCommit(h, a) {
					f.Offset = a.Offset
					return true
				}
			}
		}
		return false
	}, []Name{CommittedBack, CommittedStale}},
	{"a send that came later has the lower offset", func(t *rapid.T, h *History) bool {
		v, _ := newView(h)
		for _, l := range v.partitions {
			appends := l.appends(v)
			for i := range appends {
				for j := range appends {
					if a, b := &appends[i], &appends[j]; a.End < b.Call && a.Op.Txn == "" && b.Op.Txn == "" &&
						len(a.Op.Values) == len(b.Op.Values) {
						swapValues(h, l, a.Op.Values, b.Op.Values)
						a.Op.Offset, b.Op.Offset = swapOffsets(a, b)
						return len(polls(h, 1)) > 0
					}
				}
			}
		}
		return false
	}, []Name{NonmonotonicSend, RealtimeOrder, ProducerOrder, Phantom}},
}

// followers are pairs of polls of one process and partition, the second going on where the first ended.
func followers(h *History) [][2]*Op {
	var pairs [][2]*Op
	before := map[processPartition]*Op{}
	for i := range h.Ops {
		switch op := &h.Ops[i]; {
		case op.Kind == Rebalance:
			clear(before)
		case op.Kind == Poll && op.Outcome == OK && len(op.Reads[0].Offsets) > 0:
			key := processPartition{op.Process, op.Reads[0].Partition}
			if b := before[key]; b != nil {
				pairs = append(pairs, [2]*Op{b, op})
			}
			before[key] = op
		}
	}
	return pairs
}

// onlyCommit says that no other operation may have committed the same offset.
func onlyCommit(h *History, c *Op) bool {
	for i := range h.Ops {
		if op := &h.Ops[i]; op != c && op.Kind == Commit && op.Offset == c.Offset {
			return false
		}
	}
	return true
}

func swapOffsets(a, b *Append) (int64, int64) {
	x, y := int64(None), int64(None)
	if a.Op.Offset != None {
		x = b.First
	}
	if b.Op.Offset != None {
		y = a.First
	}
	return x, y
}

// swapValues exchanges two sends' values in all polls.
func swapValues(h *History, l *log, a, b []string) {
	to := map[string]string{}
	for i := range a {
		to[a[i]], to[b[i]] = b[i], a[i]
	}
	for _, op := range polls(h, 1) {
		if r := &op.Reads[0]; r.Partition == l.id {
			for i, v := range r.Values {
				if n, ok := to[v]; ok {
					r.Values[i] = n
				}
			}
		}
	}
}

func seenCommitted(r *record) bool {
	for _, s := range r.seen {
		if s.op.ReadCommitted && s.op.Outcome == OK {
			return true
		}
	}
	return false
}

// drop takes a record out, in place.
func (r *Read) drop(i int) {
	r.Offsets = append(r.Offsets[:i], r.Offsets[i+1:]...)
	r.Values = append(r.Values[:i], r.Values[i+1:]...)
}

// drawRequired draws a record that must be visible and was seen, and whose transaction, if any, was acknowledged.
func drawRequired(t *rapid.T, h *History) *record {
	v, err := newView(h)
	if err != nil {
		t.Fatal(err)
	}
	var all []*record
	for _, l := range v.partitions {
		for i := range l.records {
			r := &l.records[i]
			if r.required && r.send.Txn == "" && r.evidence != Never {
				all = append(all, r)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	return pick(t, all)
}

func lastFetch(h *History) *Op {
	var last *Op
	for i := range h.Ops {
		if op := &h.Ops[i]; op.Kind == FetchCommitted && op.Outcome == OK {
			last = op
		}
	}
	return last
}

// plantedIn is how many histories each mistake is planted in, plantedOf how many are drawn for that at most. They are
// the same in every run: those of the numbers from 0 on.
const (
	plantedIn = 12
	plantedOf = 3000
)

func TestPlantedMistakesAreFound(t *testing.T) {
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			draw := rapid.Custom(func(t *rapid.T) *History {
				if h := copyHistory(drawWorld(t)); m.plant(t, h) {
					return h
				}
				return nil
			})
			planted := 0
			for seed := 0; planted < plantedIn; seed++ {
				if seed == plantedOf {
					t.Fatalf("planted in %d of %d histories only", planted, plantedOf)
				}
				h := draw.Example(seed)
				if h == nil {
					continue
				}
				planted++
				r := Check(h)
				if !slices.ContainsFunc(m.want, func(n Name) bool { return r.Found(n) > 0 }) {
					t.Fatalf("history %d: none of %v was found\n%s", seed, m.want, describe(h, r))
				}
			}
		})
	}
}
