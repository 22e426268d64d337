package linearizability

import "testing"

func TestLag(t *testing.T) {
	p := Partition{Topic: "t"}
	poll := func(call int64, from int64, values ...string) Op {
		op := NewOp(Poll, 2, call)
		r := NewRead(p, nil, values)
		for i := range values {
			r.Offsets = append(r.Offsets, from+int64(i))
		}
		r.From = from
		op.Reads = []Read{r}
		return op.Done(call+1, OK, "")
	}
	send := sendOp(1, 0, p, "a")
	send.Offset = 0
	send = send.Done(10, OK, "")
	for _, c := range []struct {
		name string
		ops  []Op
		want int64 // 0: none
	}{
		{"an empty poll after the acknowledgement is stale", []Op{send, poll(50, 0)}, 40},
		{"the stalest counts", []Op{send, poll(50, 0), poll(70, 0), poll(80, 0, "a")}, 60},
		{"an empty poll after another one saw it is stale", []Op{sendOp(1, 0, p, "a"), poll(20, 0, "a"), poll(50, 0)}, 29},
		{"an empty poll before it is not", []Op{send, poll(9, 0)}, 0},
		{"a poll from beyond it is not", []Op{send, poll(50, 1)}, 0},
		{"a poll that returned something says nothing", []Op{send, poll(50, 0, "a")}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := int64(0)
			if lag := Check(&History{Ops: c.ops}).Lag; lag != nil {
				got = lag.Nanoseconds
			}
			if got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}
