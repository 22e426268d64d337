package sim

import (
	"iter"
	"slices"
	"time"

	"ottla.dev/core"
	"ottla.dev/sim/disk"
)

// running is a job under way. It is a coroutine that gives the processor away before each of its file operations, so
// that machines run between any two of them and a stop of the process can come there.
type running struct {
	proc  *process
	actor *actor
	job   core.Job
	next  func() (struct{}, bool)
	stop  func()
}

// startJob starts a job after the file operations that its machine has asked for before.
func (w *node) startJob(p *process, a *actor, job core.Job) {
	j := &running{proc: p, actor: a, job: job}
	j.next, j.stop = iter.Pull(func(yield func(struct{}) bool) {
		gone := false
		job.Run(w.disk.FS(func() error {
			if !gone {
				gone = !yield(struct{}{})
			}
			if gone {
				return disk.ErrCrashed
			}
			return nil
		}))
	})
	p.jobs = append(p.jobs, j)
	w.jobAt(j, max(a.tail-w.now, 0)+w.soon(w.plan.Delays.Message))
}

func (w *node) jobAt(j *running, delay time.Duration) {
	e := w.events.new()
	e.at, e.kind, e.proc, e.actor, e.job = w.now+delay, eventJob, j.proc, j.actor, j
	w.events.push(e)
}

// jobStep lets a job do one file operation, or all of them if jobs take no time in this seed.
func (w *node) jobStep(j *running) {
	for {
		if _, more := j.next(); !more {
			break
		}
		w.countCut()
		if w.stopDue {
			return
		}
		if d := w.plan.Delays.JobStep; d > 0 {
			w.jobAt(j, w.slowly(w.soon(d)))
			return
		}
	}
	j.proc.jobs = slices.DeleteFunc(j.proc.jobs, func(o *running) bool { return o == j })
	w.input(j.proc, j.actor, core.Input{Kind: core.InputJobDone, Job: j.job}, w.soon(w.plan.Delays.Message))
}
