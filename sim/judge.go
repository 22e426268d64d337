package sim

import (
	"ottla.dev/linearizability"
	"ottla.dev/sim/check"
)

// judge has the checkers of package linearizability judge what the clients have seen. What they find is the
// simulation's failure, unless something has failed before; then it is a second opinion.
func (w *World) judge() {
	w.report = linearizability.Check(w.History())
	if r := w.report; r.Malformed != nil {
		w.fail(check.Assertion, "history", r.Malformed.Error())
	} else if a := r.First(); a != nil {
		w.fail(check.Correctness, string(a.Name), "history: "+a.Where+": "+a.Text)
	}
}

// History returns what the clients have seen so far.
func (w *World) History() *linearizability.History {
	return w.history.History(w.ended() && w.failure == nil)
}
