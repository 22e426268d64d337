package linearizability

import (
	"slices"
	"sync"
)

// Recorder collects a history in memory. It is for one goroutine, such as a simulator's; see [SharedRecorder].
type Recorder struct {
	history History
}

// NewRecorder is a recorder of a history with this note and these allowances.
func NewRecorder(note string, allow Allow) *Recorder {
	return &Recorder{history: History{Note: note, Allow: allow}}
}

// Call records that an operation has begun and returns its number, to be given to Return. If Return is never called,
// the operation stays what op says: from [NewOp], without an answer and of unknown outcome.
func (r *Recorder) Call(op Op) int {
	op.Line = len(r.history.Ops) + 2 // as in a file, below the header
	if n := len(r.history.Ops); n == cap(r.history.Ops) {
		// Operations are large, and append would make room for a quarter more only.
		r.history.Ops = slices.Grow(r.history.Ops, max(n, 256))
	}
	r.history.Ops = append(r.history.Ops, op)
	return len(r.history.Ops) - 1
}

// Return records the end of operation id. The outcome Failed becomes Unknown where [Op.Done] says so. The function
// fill, if not nil, sets what the answer said: the offset, the reads.
func (r *Recorder) Return(id int, at int64, outcome Outcome, errorName string, fill func(op *Op)) {
	op := &r.history.Ops[id]
	if fill != nil {
		fill(op)
	}
	*op = op.Done(at, outcome, errorName)
}

// Add records an operation that is over already, or a moment such as a crash.
func (r *Recorder) Add(op Op) { r.Call(op) }

// Len is the number of operations.
func (r *Recorder) Len() int { return len(r.history.Ops) }

// History is what was recorded so far. It shares its memory with the recorder.
func (r *Recorder) History() *History { return &r.history }

// SharedRecorder is a Recorder for many goroutines. The clock is the caller's: times must come from one monotonic
// clock, read before the request is made and after the answer is there.
type SharedRecorder struct {
	mu struct {
		sync.Mutex
		r Recorder
	}
}

// NewSharedRecorder is a recorder of a history with this note and these allowances.
func NewSharedRecorder(note string, allow Allow) *SharedRecorder {
	s := new(SharedRecorder)
	s.mu.r = *NewRecorder(note, allow)
	return s
}

// Call is as of Recorder.
func (s *SharedRecorder) Call(op Op) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.r.Call(op)
}

// Return is as of Recorder. fill is called under the recorder's lock.
func (s *SharedRecorder) Return(id int, at int64, outcome Outcome, errorName string, fill func(op *Op)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.r.Return(id, at, outcome, errorName, fill)
}

// Add is as of Recorder.
func (s *SharedRecorder) Add(op Op) { s.Call(op) }

// History is a copy of the list of operations as it is now. What the operations point to is shared.
func (s *SharedRecorder) History() *History {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.mu.r.history
	h.Ops = append([]Op(nil), h.Ops...)
	return &h
}
