package franz

import (
	"sync"
	"sync/atomic"
	"time"

	"ottla.dev/linearizability"
)

// Recorder records the clients of one history. Its methods may be called from any goroutine.
type Recorder struct {
	began    time.Time
	last     atomic.Int32 // the last process's number
	shared   *linearizability.SharedRecorder
	mu       sync.Mutex
	all      []*Process
	produced map[string]bool // the topics
}

// NewRecorder begins a history with a note that says where it comes from.
func NewRecorder(note string) *Recorder { return NewRecorderAllowing(note, linearizability.Allow{}) }

// NewRecorderAllowing is NewRecorder with allowances for what the cluster was set up to do.
func NewRecorderAllowing(note string, allow linearizability.Allow) *Recorder {
	return &Recorder{began: time.Now(), shared: linearizability.NewSharedRecorder(note, allow),
		produced: map[string]bool{}}
}

// now is the history's clock.
func (r *Recorder) now() int64 { return time.Since(r.began).Nanoseconds() }

// Fault records that something is done to the cluster, such as "kill", until the function that it returns is called.
func (r *Recorder) Fault(name string) (done func()) {
	op := linearizability.NewOp(linearizability.Fault, 0, r.now())
	op.Name = name
	return func() { r.shared.Add(op.Done(r.now(), linearizability.OK, "")) }
}

// Process returns a new process, for one client.
func (r *Recorder) Process() *Process {
	p := &Process{Acks: -1, Idempotent: true, recorder: r, id: r.last.Add(1), sent: map[string]int{},
		called: map[string]int64{}}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, p)
	return p
}

// History returns what was recorded so far. Records that clients have not come to an end with are of unknown outcome.
func (r *Recorder) History() *linearizability.History {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.all {
		p.mu.Lock()
		p.endPoll()
		p.mu.Unlock()
	}
	return r.shared.History()
}

func (r *Recorder) note(topic string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.produced[topic] = true
}
