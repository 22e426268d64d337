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
func (n *node) startJob(p *process, a *actor, job core.Job) {
	j := &running{proc: p, actor: a, job: job}
	j.next, j.stop = iter.Pull(func(yield func(struct{}) bool) {
		gone := false
		job.Run(n.disk.FS(func() error {
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
	n.jobAt(j, max(a.tail-n.now, 0)+n.soon(n.plan.Delays.Message))
}

func (n *node) jobAt(j *running, delay time.Duration) {
	e := n.events.new()
	e.at, e.kind, e.proc, e.actor, e.job = n.now+delay, eventJob, j.proc, j.actor, j
	n.events.push(e)
}

// jobStep lets a job do one file operation, or all of them if jobs take no time in this seed.
func (n *node) jobStep(j *running) {
	for {
		if _, more := j.next(); !more {
			break
		}
		n.countCut()
		if n.stopDue {
			return
		}
		if d := n.plan.Delays.JobStep; d > 0 {
			n.jobAt(j, n.slowly(n.soon(d)))
			return
		}
	}
	j.proc.jobs = slices.DeleteFunc(j.proc.jobs, func(o *running) bool { return o == j })
	n.input(j.proc, j.actor, core.Input{Kind: core.InputJobDone, Job: j.job}, n.soon(n.plan.Delays.Message))
}

// Release lets go of the jobs that are under way, when nothing is to be simulated any more. Their coroutines would keep
// the world in memory for ever.
func (w *World) Release() {
	for _, n := range w.nodes {
		if n.proc != nil {
			n.proc.endJobs()
		}
	}
}

// endJobs ends the jobs of a process where they are.
func (p *process) endJobs() {
	for _, j := range p.jobs {
		j.stop()
	}
	p.jobs = nil
}
