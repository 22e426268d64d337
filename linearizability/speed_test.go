package linearizability

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// bigHistory has n operations of 100 processes: half are sends, half polls and commits, all as they should be.
func bigHistory(n int) *History {
	const processes, partitions = 100, 8
	r := NewRecorder("", Allow{})
	var logs [partitions][]string
	var at [processes][partitions]int64
	for i := range n {
		p, part := i%processes, i/7%partitions
		where := Partition{Topic: "orders", Index: int32(part)}
		now := int64(1000 * i)
		var op Op
		switch {
		case i%2 == 0:
			op = NewOp(Send, int32(p), now)
			op.Offset, op.Idempotent = int64(len(logs[part])), true
			for j := range 3 {
				op.Values = append(op.Values, fmt.Sprintf("value-%d-%d", i, j))
			}
			logs[part] = append(logs[part], op.Values...)
		case i%5 == 0:
			op = NewOp(Commit, int32(p), now)
			op.Group, op.Offset, op.Generation = "readers", int64(i), 1
		case i%7 == 0:
			op = NewOp(FetchCommitted, int32(p), now)
			op.Group = fmt.Sprintf("nobody-%d", p)
		default:
			op = NewOp(Poll, int32(p), now)
			from := at[p][part]
			to := min(from+20, int64(len(logs[part])))
			read := NewRead(where, nil, logs[part][from:to])
			for o := from; o < to; o++ {
				read.Offsets = append(read.Offsets, o)
			}
			read.HighWatermark = int64(len(logs[part]))
			op.Reads, at[p][part] = []Read{read}, to
		}
		op.Partition = where
		r.Return(r.Call(op), now+900, OK, "", nil)
	}
	return r.History()
}

// TestSpeed holds that a hundred thousand operations are checked within a second.
func TestSpeed(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures time")
	}
	h := bigHistory(100_000)
	best := time.Hour
	for i := 0; i < 5 && best > time.Second; i++ { // other work on the machine is not this code's fault
		began := time.Now()
		r := Check(h)
		best = min(best, time.Since(began))
		if r.Verdict() != VerdictOK {
			t.Fatal(describe(&History{}, r))
		}
	}
	t.Logf("100,000 operations in %s", best)
	if best > time.Second {
		t.Errorf("100,000 operations took %s", best)
	}
}

func BenchmarkCheck(b *testing.B) {
	h := bigHistory(100_000)
	b.ReportAllocs()
	for b.Loop() {
		Check(h)
	}
}

func BenchmarkRead(b *testing.B) {
	var text bytes.Buffer
	if err := WriteHistory(&text, bigHistory(100_000)); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		if _, err := ReadHistory(bytes.NewReader(text.Bytes())); err != nil {
			b.Fatal(err)
		}
	}
}
