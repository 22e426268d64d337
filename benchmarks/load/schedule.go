package load

import "time"

// Schedule says when each record of an open loop is due, counted from the beginning of the loop.
type Schedule struct {
	// Rate is how many records are due in a second.
	Rate int
	// Records is how many there are.
	Records int64
}

// Due is when record i, counted from 0, is due.
func (s Schedule) Due(i int64) time.Duration {
	whole, part := i/int64(s.Rate), i%int64(s.Rate)
	return time.Duration(whole)*time.Second + time.Duration(part*int64(time.Second)/int64(s.Rate))
}

// clock is the time since the beginning of a loop.
type clock interface {
	now() time.Duration
	sleepUntil(time.Duration)
}

// run calls send for each record in order, no earlier than it is due and otherwise as soon as it can. A send that takes
// long delays those behind it, and they keep the moments at which they were due. It ends early when send says so.
func (s Schedule) run(c clock, send func(i int64, due time.Duration) bool) {
	for i := range s.Records {
		due := s.Due(i)
		if due > c.now() {
			c.sleepUntil(due)
		}
		if !send(i, due) {
			return
		}
	}
}
