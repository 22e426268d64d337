package run

import "time"

// Quiesce waits until nobody runs a machine. It is for tests and for the end of the process: with inputs still coming
// it may never return.
func (e *Engine) Quiesce() {
	for !e.atRest() {
		time.Sleep(time.Millisecond)
	}
}

func (e *Engine) atRest() bool {
	if e.pool.busy() || !e.control.idle() {
		return false
	}
	for _, a := range e.shards {
		if !a.idle() {
			return false
		}
	}
	return true
}

func (a *Actor) idle() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.busy
}

func (p *pool) busy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running > 0
}
