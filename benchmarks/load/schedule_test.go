package load

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// fakeClock moves when somebody sleeps or works.
type fakeClock struct{ t time.Duration }

func (c *fakeClock) now() time.Duration         { return c.t }
func (c *fakeClock) sleepUntil(t time.Duration) { c.t = t }

func TestRecordsAreDueAtTheRateWithoutDrift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Schedule{Rate: rapid.IntRange(1, 2_000_000).Draw(t, "rate")}
		i := rapid.Int64Range(0, 1<<40).Draw(t, "i")
		if s.Due(i+1) < s.Due(i) {
			t.Fatalf("record %d is due before record %d", i+1, i)
		}
		if got, want := s.Due(i+int64(s.Rate)), s.Due(i)+time.Second; got != want {
			t.Fatalf("a second's worth after record %d: %v, want %v", i, got, want)
		}
	})
}

func TestAStandstillMakesAllLateThatWereDueMeanwhile(t *testing.T) {
	c := new(fakeClock)
	h := new(Histogram)
	Schedule{Rate: 1000, Records: 10_000}.run(c, func(i int64, due time.Duration) bool {
		if i == 5000 {
			c.t += time.Second
		}
		h.Add(c.now() - due)
		return true
	})
	// Of 10 s a tenth stood still: a tenth of the records waited, evenly between nothing and a second. A closed loop
	// would have one slow record and a p99 of nothing.
	for _, w := range []struct {
		q    float64
		want time.Duration
	}{{0.5, 0}, {0.89, 0}, {0.95, 500 * time.Millisecond}, {0.99, 900 * time.Millisecond}, {1, time.Second}} {
		got := h.Percentile(w.q)
		if diff := got - w.want; diff < -10*time.Millisecond || diff > 10*time.Millisecond {
			t.Errorf("p%v = %v, want %v", 100*w.q, got, w.want)
		}
	}
	if h.Count() != 10_000 {
		t.Errorf("%d records were sent, want all", h.Count())
	}
}

func TestNoRecordIsEarlyAndTheMachineClockIsNotLateByMuch(t *testing.T) {
	c := newMachineClock()
	defer c.release()
	late := new(Histogram)
	Schedule{Rate: 2000, Records: 200}.run(c, func(_ int64, due time.Duration) bool {
		if c.now() < due {
			t.Errorf("a record due at %v was sent at %v", due, c.now())
		}
		late.Add(c.now() - due)
		return true
	})
	t.Logf("median lateness %v, most %v", late.Percentile(0.5), late.Max())
}
