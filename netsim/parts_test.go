package netsim

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDelaysHaveTheirMeanAndTheTailOfAnExponential(t *testing.T) {
	r := stream{3}
	const n, mean = 200_000, 1_000_000
	sum, above := int64(0), [4]int{}
	for range n {
		d := int64(r.exponential(mean))
		sum += d
		for k := range above {
			if d > int64(k+1)*mean {
				above[k]++
			}
		}
	}
	if got := sum / n; got < mean*98/100 || got > mean*102/100 {
		t.Errorf("mean %d", got)
	}
	for k, want := range []int{73_576, 27_067, 9_957, 3_663} { // n / e^(k+1)
		if got := above[k]; got < want*94/100 || got > want*106/100 {
			t.Errorf("%d draws above %d times the mean, want %d", got, k+1, want)
		}
	}
	for range 1000 {
		if d := r.exponential(time.Hour); d < 0 || d > 45*time.Hour {
			t.Fatalf("%v", d)
		}
	}
}

func TestTimersFireInTheOrderOfASortedList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q timers[int]
		all := make([]timer[int], 20)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			x := &all[rapid.IntRange(0, 19).Draw(t, "timer")]
			if rapid.IntRange(0, 2).Draw(t, "op") > 0 {
				q.arm(x, time.Duration(rapid.IntRange(0, 9).Draw(t, "at")))
			} else {
				q.disarm(x, idle)
			}
			var want *timer[int]
			for i := range all {
				if y := &all[i]; y.place > 0 && (want == nil || y.before(want)) {
					want = y
				}
				if y := &all[i]; y.place > 0 && q.heap[y.place] != y {
					t.Fatal("a timer is not where it thinks")
				}
			}
			if q.first() != want {
				t.Fatal("not the first")
			}
		}
	})
}

func TestAQueueIsAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue[int]
		var list []int
		for i := range rapid.IntRange(1, 100).Draw(t, "steps") {
			switch op := rapid.IntRange(0, 3).Draw(t, "op"); {
			case op < 2:
				q.push().payload = i
				list = append(list, i)
			case len(list) == 0:
			case op == 2:
				q.pop()
				list = list[1:]
			default:
				q.drop()
				list = list[:len(list)-1]
			}
			got := []int{}
			for i := range q.n {
				got = append(got, q.at(i).payload)
			}
			if !slices.Equal(got, list) {
				t.Fatalf("%v, want %v", got, list)
			}
		}
	})
}

// BenchmarkDeliver counts deliveries: 50 connections of 5 hosts with up to 8 payloads under way each.
func BenchmarkDeliver(b *testing.B) {
	link := Link{DelayMin: 100 * time.Microsecond, DelayMean: time.Millisecond, Bandwidth: 1e9}
	n := New[[]byte](5, 1, &Schedule{Settings: Settings{Link: link}})
	frame := make([]byte, 100)
	for h := range Host(5) {
		n.Listen(Address{h, 1})
	}
	for i := range Host(50) {
		n.Dial(0, i%5, Address{(i + 1 + i/5%4) % 5, 1})
	}
	b.ReportAllocs()
	delivered := 0
	for delivered < b.N {
		now, _ := n.Next()
		e, ok := n.Step(now)
		if !ok {
			continue
		}
		switch e.Kind {
		case Connected:
			for range 8 {
				n.Send(now, e.End, frame, len(frame))
			}
		case Arrived:
			delivered++
			n.Send(now, e.End, e.Payload, len(e.Payload))
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}

func TestSteadyTrafficDoesNotAllocate(t *testing.T) {
	n := New[[]byte](2, 1, &Schedule{})
	n.Listen(Address{1, 1})
	e := n.Dial(0, 0, Address{1, 1})
	for {
		if _, ok := n.Step(0); !ok {
			break
		}
	}
	frame := make([]byte, 8)
	if got := testing.AllocsPerRun(100, func() {
		n.Send(0, e, frame, 8)
		if e, ok := n.Step(0); !ok || e.Kind != Arrived {
			t.Fatal("did not arrive")
		}
	}); got > 0 {
		t.Errorf("%v allocations", got)
	}
}
