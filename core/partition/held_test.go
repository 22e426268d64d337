package partition

import (
	"testing"
	"time"

	"ottla.dev/core"
)

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

// A deleted partition whose log could not be opened leaves its folder to the operator. The next one of its name waits
// all the same until the checkpoints have forgotten it.
func TestTheNameOfAPartitionThatCouldNotBeOpenedIsFreeWhenItIsForgotten(t *testing.T) {
	w := newWorld()
	name := core.TopicPartition{Topic: "t"}
	w.set.Open(w.now, Opening{ID: w.id("t-0"), Name: name, Dir: testDir, RecoveryPoint: 2, Emptied: true}, &w.out)
	old := w.replica("t-0")
	w.slots[old.slot] = "t-0"
	if old.log != nil || old.opening != nil {
		t.Fatal("it is open")
	}
	w.incarnations["t-0"]++
	w.set.Remove(w.now, old, &w.out)
	w.open(args{words: []string{"open", "t-0"}})
	w.pass(time.Minute)
	if w.set.Loading() || w.replica("t-0").Online() {
		t.Fatal("the checkpoints still vouch for the old log, and the new one is being opened")
	}
	w.set.Checkpointed(w.now, w.set.TakeCheckpoint(), &w.out)
	w.settle()
	if !w.replica("t-0").Online() || len(w.set.leaving) != 0 {
		t.Error("the old log is forgotten, and the new one is not open")
	}
}
