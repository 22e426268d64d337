package main

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"ottla.dev/sim"
	"ottla.dev/sim/check"
)

const (
	// stallAfter is how much processor time a world may take without any simulated time passing: a step of a machine
	// takes microseconds.
	stallAfter = 20 * time.Second
	// overtime is how much more than its limit a hunt may take for its last world and what is asked of its history.
	overtime  = 20 * time.Second
	stallLook = time.Second
)

// pace is how far a world has come, for who looks on while it runs.
type pace struct {
	stepping atomic.Bool
	at       atomic.Int64 // simulated, plus one for each world before
	// most is how many events a world may have before it is given up; 0 for any number. Nothing is judged then.
	most    int
	givenUp bool
}

// run simulates a world to its end, and notes how far it is. With no pace it only does the first.
func (p *pace) run(w *sim.World) sim.Result {
	if p == nil {
		return w.Run()
	}
	p.at.Add(1)
	p.stepping.Store(true)
	defer p.stepping.Store(false)
	last := w.Now()
	for events := 0; !w.Over(); events++ {
		if p.givenUp = p.most > 0 && events >= p.most; p.givenUp {
			w.Release()
			return w.Result()
		}
		w.Next()
		if now := w.Now(); now != last {
			last = now
			p.at.Add(1)
		}
	}
	p.stepping.Store(false)
	return w.Run() // which only judges what there is
}

// watch ends the hunt, with its result, when its one world stands still: a machine then goes round in a step that never
// ends, or in steps that need no time, and that is a failure. It ends it as well when the processor time is long up and
// the last world, or the search in its history, is not done, which is none.
func (h *hunt) watch() {
	at, since := int64(-1), time.Duration(0)
	for {
		time.Sleep(stallLook)
		cpu := cpuTime()
		if now := h.pace.at.Load(); now != at || !h.pace.stepping.Load() {
			at, since = now, cpu
		}
		stalled := cpu-since > stallAfter
		if !stalled && (h.options.cpu == 0 || cpu < h.options.cpu+overtime) {
			continue
		}
		if stalled {
			n := h.next.Load() - 1
			h.report(n, h.options.at(n), simResult{Result: sim.Result{Failure: &check.Failure{Class: check.Liveness,
				Check: "hang", Text: fmt.Sprintf("no simulated time passes in %v of processor time", stallAfter)}}})
		}
		h.mu.Lock() // nothing is reported any more
		code := 0
		if err, ok := h.finish().(exitError); ok {
			code = err.code
		}
		os.Exit(code)
	}
}
