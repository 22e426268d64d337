package run

import (
	"sync"
)

// pool runs jobs on a bounded number of goroutines, which end when there is nothing to do.
type pool struct {
	engine *Engine
	limit  int

	mu      sync.Mutex
	queue   []queuedJob
	running int
}

func (p *pool) init(e *Engine, limit int) { p.engine, p.limit = e, limit }

func (p *pool) add(q queuedJob) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, q)
	if p.running < p.limit {
		p.running++
		go p.work()
	}
}

func (p *pool) work() {
	for {
		q, ok := p.next()
		if !ok {
			return
		}
		w := p.engine.Worker()
		w.runJob(q)
		p.engine.Finish(w)
	}
}

func (p *pool) next() (queuedJob, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		p.running--
		p.queue = nil
		return queuedJob{}, false
	}
	q := p.queue[0]
	p.queue[0] = queuedJob{}
	p.queue = p.queue[1:]
	return q, true
}
