package coordinator

import "ottla.dev/core"

// Broken finds something in the runtime's books that does not fit together, and says what, for who looks on from
// outside between two turns.
func (r *Runtime[O]) Broken() string {
	after, deadline := r.committed, core.Never
	for i, w := range r.parked.items[r.parked.head:] {
		if i == 0 {
			deadline = w.deadline
		}
		if w.after < after || i == 0 && w.after == after || w.deadline < deadline || w.after > r.appended {
			return "answers wait out of order, or for nothing"
		}
		after, deadline = w.after, w.deadline
	}
	if r.state == Active && (r.machine == nil || r.failed != core.NoError) || r.state != Active && !r.parked.empty() {
		return "it is " + r.state.String() + ", and its machine or its answers say otherwise"
	}
	return ""
}
