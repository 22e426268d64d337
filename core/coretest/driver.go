package coretest

import (
	"testing"

	"ottla.dev/core"
)

// World is the machines of one check.
type World struct {
	Control core.Machine
	Shards  []core.Machine
}

// Driver runs one world. It makes an empty data folder, calls build with its path, gives control [core.InputStart],
// and runs the machines until control's [core.Outbox.Stopped]; then it returns, with no machine running any more. If
// that does not happen within a generous bound it fails the test.
type Driver func(t *testing.T, build func(dir string) World)

// RunDriver checks one duty of package core a subtest.
func RunDriver(t *testing.T, drive Driver) {
	for _, c := range []struct {
		name  string
		check func(t *testing.T, drive Driver)
	}{
		{"operations on a file take effect in order", fileOrder},
		{"writes and syncs complete exactly once", completions},
		{"a write without a ticket keeps its data only until the next step", borrowedData},
		{"a mapped file shows a write before the next step", mappedFile},
		{"a failed operation is reported with its file", failures},
		{"a file that was bound exists once its folder is synced", boundFile},
		{"a removed file is gone and a renamed one has moved", namesChange},
		{"messages between two machines arrive in order", messageOrder},
		{"a job comes back exactly once and sees earlier writes", jobs},
		{"a deadline is never kept early and never forgotten", deadlines},
		{"a deadline that moves is kept where it moved to", movedDeadlines},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, drive) })
	}
}
