package partition

import "testing"

// A broker writes its checkpoints when all its logs are open, and the folder of a deleted partition waits for them.
// What waits for the folder must not keep the broker from getting there.
func TestWhoeverWaitsForAFolderIsNotLoading(t *testing.T) {
	w := newWorld()
	open := args{words: []string{"open", "t-0"}}
	again := func() {
		r := w.replica("t-0")
		w.incarnations["t-0"]++
		w.set.Remove(w.now, r, &w.out)
		w.open(open)
	}
	w.open(open)
	if !w.set.Loading() {
		t.Fatal("a log is being opened, and nothing is loading")
	}
	w.settle()
	again()
	if w.set.Loading() {
		t.Error("loading, before the folder has gone")
	}
	again() // who waits goes without ever having had a folder
	if w.set.Loading() || w.replica("t-0").log != nil {
		t.Error("loading, or open, before the folder has gone")
	}
	w.set.Checkpointed(w.now, w.set.TakeCheckpoint(), &w.out)
	w.after()
	w.job("delete")
	w.after()
	if !w.set.Loading() {
		t.Error("the folder has gone, and the log is not being opened")
	}
	w.settle()
	if w.set.Loading() || w.set.loading != 0 || !w.replica("t-0").Online() {
		t.Errorf("%d logs are being opened at the end", w.set.loading)
	}
}
