package search

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"ottla.dev/linearizability"
)

var orders = linearizability.Partition{Topic: "orders"}

// randomAppends is a history of appends in an order that is often, not always, possible: each takes effect at a
// moment of its interval, and sometimes two offsets change places. Some have no answer, and are read or not.
func randomAppends(r *rand.Rand) *linearizability.History {
	n := 1 + r.IntN(8)
	h := new(linearizability.History)
	// A moment for each, in the order of the offsets.
	offsets := make([]int64, n)
	next := int64(0)
	sizes := make([]int, n)
	for i := range offsets {
		next += int64(r.IntN(2))
		offsets[i] = next
		sizes[i] = 1 + r.IntN(2)
		next += int64(sizes[i])
	}
	moments := make([]int64, n)
	for i := range moments {
		moments[i] = 50 + 10*int64(i)
	}
	if r.IntN(3) > 0 {
		i, j := r.IntN(n), r.IntN(n)
		moments[i], moments[j] = moments[j], moments[i]
	}
	for i := range n {
		op := linearizability.NewOp(linearizability.Send, int32(r.IntN(4)), moments[i]-int64(r.IntN(10)))
		op.Partition = orders
		for j := range sizes[i] {
			op.Values = append(op.Values, fmt.Sprintf("v%d-%d", i, j))
		}
		answer := moments[i] + int64(r.IntN(10))
		if r.IntN(6) > 0 {
			op.Offset = offsets[i]
			op = op.Done(answer, linearizability.OK, "")
		}
		if r.IntN(3) == 0 {
			poll := linearizability.NewOp(linearizability.Poll, int32(10+i), answer+int64(r.IntN(10)))
			read := linearizability.NewRead(orders, []int64{offsets[i]}, op.Values[:1])
			read.From = offsets[i]
			poll.Reads = []linearizability.Read{read}
			h.Ops = append(h.Ops, poll.Done(poll.Call+int64(r.IntN(20)), linearizability.OK, ""))
		}
		h.Ops = append(h.Ops, op)
	}
	return h
}

// TestAppendsAgree holds the exact decision on appends against Porcupine's.
func TestAppendsAgree(t *testing.T) {
	legal, illegal := 0, 0
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 4000 {
		h := randomAppends(r)
		logs, err := linearizability.Appends(h)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range logs {
			exact := linearizability.Linearizable(l.Appends)
			if porcupine.CheckOperations(logModel(), logOperations(l.Appends)) != exact {
				t.Fatalf("history %d: exact says %v, Porcupine not\n%s", i, exact, text(h))
			}
			report := linearizability.Check(h)
			orders := report.Found(linearizability.RealtimeOrder) + report.Found(linearizability.NonmonotonicSend)
			if exact && orders > 0 || !exact && orders == 0 {
				t.Fatalf("history %d: linearizable %v, %d anomalies\n%s", i, exact, orders, text(h))
			}
			if exact {
				legal++
			} else {
				illegal++
			}
		}
	}
	if legal < 1000 || illegal < 1000 {
		t.Errorf("%d histories are legal and %d are not: too few of one kind", legal, illegal)
	}
}

// randomCommits is a history of commits and fetches of few values, often wrong.
func randomCommits(r *rand.Rand, unique bool) *linearizability.History {
	h := new(linearizability.History)
	n := 2 + r.IntN(6)
	value := int64(0)
	for range n {
		call := int64(r.IntN(60))
		op := linearizability.NewOp(linearizability.Commit, int32(r.IntN(4)), call)
		op.Group, op.Partition = "g", orders
		if r.IntN(2) == 0 {
			op.Kind = linearizability.FetchCommitted
			op.Offset = int64(r.IntN(4)) - 1
		} else if value++; unique {
			op.Offset = value - 1
		} else {
			op.Offset = int64(r.IntN(3))
		}
		outcome := linearizability.OK
		if r.IntN(6) == 0 {
			outcome = linearizability.Unknown
		}
		h.Ops = append(h.Ops, op.Done(call+int64(r.IntN(30)), outcome, ""))
	}
	return h
}

// TestCommittedOffsetsAgree holds the exact decision on committed offsets against Porcupine's. With offsets that were
// committed twice the checker is not exact, but what it reports is wrong.
func TestCommittedOffsetsAgree(t *testing.T) {
	for _, unique := range []bool{true, false} {
		legal, illegal := 0, 0
		r := rand.New(rand.NewPCG(3, 4))
		for i := range 4000 {
			h := randomCommits(r, unique)
			report := linearizability.Check(h)
			all, err := linearizability.CommittedOffsets(h)
			if err != nil {
				t.Fatal(err)
			}
			found := report.Found(linearizability.CommittedBack) + report.Found(linearizability.CommittedStale) +
				report.Found(linearizability.CommittedPhantom)
			for _, o := range all {
				linearizable := porcupine.CheckOperations(offsetModel(), offsetOperations(o.Ops))
				if linearizable && found > 0 || unique && !linearizable && found == 0 {
					t.Fatalf("history %d: linearizable %v, %d anomalies\n%s", i, linearizable, found, text(h))
				}
				if linearizable {
					legal++
				} else if found > 0 {
					illegal++
				}
			}
		}
		t.Logf("unique %v: %d legal, %d not", unique, legal, illegal)
		if legal < 300 || illegal < 300 {
			t.Errorf("%d histories are legal and %d are not: too few of one kind", legal, illegal)
		}
	}
}

func text(h *linearizability.History) string {
	var b strings.Builder
	linearizability.WriteHistory(&b, h)
	linearizability.Check(h).WriteText(&b)
	return b.String()
}

func topicOp(kind linearizability.Kind, process int32, call, end int64, o linearizability.Outcome,
	e string) linearizability.Op {
	op := linearizability.NewOp(kind, process, call)
	op.Partition.Topic = "t"
	op.Return, op.Outcome, op.Error = end, o, e
	return op
}

func TestTopics(t *testing.T) {
	const (
		create, remove = linearizability.CreateTopic, linearizability.DeleteTopic
		ok, fail, info = linearizability.OK, linearizability.Failed, linearizability.Unknown
		exists, absent = "TOPIC_ALREADY_EXISTS", "UNKNOWN_TOPIC_OR_PARTITION"
	)
	for _, c := range []struct {
		name    string
		ops     []linearizability.Op
		illegal bool
	}{
		{"created once", []linearizability.Op{topicOp(create, 1, 0, 5, ok, "")}, false},
		{"created twice", []linearizability.Op{topicOp(create, 1, 0, 5, ok, ""), topicOp(create, 2, 3, 9, ok, "")}, true},
		{"created again after its deletion", []linearizability.Op{topicOp(create, 1, 0, 5, ok, ""),
			topicOp(remove, 1, 4, 8, ok, ""), topicOp(create, 2, 3, 9, ok, "")}, false},
		{"exists before anybody created it", []linearizability.Op{topicOp(create, 1, 0, 5, fail, exists),
			topicOp(create, 1, 6, 8, ok, "")}, true},
		{"a creation that was not answered", []linearizability.Op{topicOp(create, 1, 0, linearizability.Never, info, ""),
			topicOp(create, 1, 6, 8, fail, exists)}, false},
		{"gone without a deletion", []linearizability.Op{topicOp(create, 1, 0, 5, ok, ""),
			topicOp(remove, 1, 6, 8, fail, absent)}, true},
		{"a deletion that was not answered", []linearizability.Op{topicOp(create, 1, 0, 5, ok, ""),
			topicOp(remove, 1, 6, 8, info, "timeout"), topicOp(remove, 1, 9, 10, fail, absent)}, false},
		{"an unclear failure may have created it", []linearizability.Op{topicOp(create, 1, 0, 5, fail, "NOT_CONTROLLER"),
			topicOp(create, 1, 6, 8, fail, exists)}, false},
		{"a topic older than the history", []linearizability.Op{topicOp(create, 1, 0, 5, fail, exists),
			topicOp(remove, 1, 6, 8, ok, "")}, false},
		{"a clear failure has not", []linearizability.Op{topicOp(create, 1, 0, 1, ok, ""), topicOp(remove, 1, 2, 3, ok, ""),
			topicOp(create, 1, 4, 5, fail, "INVALID_PARTITIONS"), topicOp(create, 1, 6, 8, fail, exists)}, true},
		{"an exists after a retry says nothing", []linearizability.Op{retried(topicOp(create, 1, 6, 8, fail, exists)),
			topicOp(create, 1, 9, 10, fail, exists)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &linearizability.History{Ops: c.ops}
			r := linearizability.Check(h)
			found, err := Check(h, r, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if (len(found) > 0) != c.illegal || (r.Verdict() == linearizability.VerdictAnomalies) != c.illegal {
				t.Errorf("%d findings, %s", len(found), r.Verdict())
			}
		})
	}
}

func retried(op linearizability.Op) linearizability.Op {
	op.Attempts = 2
	return op
}

// manyAppends are n appends of processes that overlap, in order.
func manyAppends(n, processes int) *linearizability.History {
	h := new(linearizability.History)
	for i := range n {
		op := linearizability.NewOp(linearizability.Send, int32(i%processes), int64(10*i))
		op.Partition, op.Values, op.Offset = orders, []string{fmt.Sprint(i)}, int64(i)
		h.Ops = append(h.Ops, op.Done(int64(10*i+9*processes), linearizability.OK, ""))
	}
	return h
}

func TestWindowsCoverEverything(t *testing.T) {
	logs, err := linearizability.Appends(manyAppends(5000, 25))
	if err != nil {
		t.Fatal(err)
	}
	for _, most := range []struct{ ops, processes int }{{MaxWindowOps, MaxWindowProcesses}, {300, 6}, {7, 1}} {
		seen := map[any]bool{}
		for _, w := range windowsOf(logOperations(logs[0].Appends), most.ops, most.processes) {
			clients := map[int]bool{}
			for _, op := range w {
				clients[op.ClientId], seen[op.Input] = true, true
			}
			if len(w) > most.ops || len(clients) > most.processes {
				t.Errorf("a window has %d operations of %d processes, and not %v", len(w), len(clients), most)
			}
		}
		if len(seen) != 5000 {
			t.Errorf("%d of 5000 operations are in a window", len(seen))
		}
	}
}

// What lies behind the beginning of a register must not matter to it.
func TestTheBeginningOfARegisterStandsByItself(t *testing.T) {
	op := func(kind linearizability.Kind, call, end, offset int64) *linearizability.Op {
		op := linearizability.NewOp(kind, 1, call)
		op.Group, op.Partition, op.Offset = "g", orders, offset
		op = op.Done(end, linearizability.OK, "")
		return &op
	}
	ops := []*linearizability.Op{op(linearizability.Commit, 1, 2, 7), op(linearizability.FetchCommitted, 3, 9, 8),
		op(linearizability.FetchCommitted, 4, 5, 7), op(linearizability.Commit, 6, 8, 8)}
	if got := beginning(ops, 3); len(got) != 2 || got[1] != ops[2] {
		t.Errorf("%d operations are left, the second is %v", len(got), got[1])
	}
	if got := beginning(ops, 4); len(got) != 4 {
		t.Errorf("%d of 4 operations are left", len(got))
	}
}

// TestIllegalIsReportedAndDrawn plants a wrong order into the last window.
func TestIllegalIsReportedAndDrawn(t *testing.T) {
	h := manyAppends(3000, 5)
	h.Ops[2900].Offset, h.Ops[2990].Offset = h.Ops[2990].Offset, h.Ops[2900].Offset
	r := linearizability.Check(h)
	found, err := Check(h, r, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || !found[0].Illegal || r.Found(linearizability.NotLinearizable) != 1 {
		t.Fatalf("%d findings, %+v", len(found), r.Counts)
	}
	var page bytes.Buffer
	if err := found[0].WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.String(), "append -\\u003e 2900") {
		t.Error("the picture does not show the append at 2900")
	}
}

// TestNoTimeIsInconclusive holds that a search that did not end is never a pass.
func TestNoTimeIsInconclusive(t *testing.T) {
	h := manyAppends(2000, 10)
	r := linearizability.Check(h)
	found, err := Check(h, r, Options{Timeout: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict() != linearizability.VerdictInconclusive || len(r.Inconclusive) == 0 || len(found) == 0 ||
		found[0].Illegal {
		t.Errorf("%s, %v, %d findings", r.Verdict(), r.Inconclusive, len(found))
	}
}

// A search that is bounded by steps says that it did not end, even of what is wrong, and is the same everywhere.
func TestTooManyStepsAreInconclusive(t *testing.T) {
	for _, wrong := range []bool{false, true} {
		h := manyAppends(200, 5)
		if wrong {
			h.Ops[100].Offset, h.Ops[150].Offset = h.Ops[150].Offset, h.Ops[100].Offset
		}
		for _, steps := range []int{10, 1_000_000} {
			r := linearizability.Check(h)
			found, err := Check(h, r, Options{Steps: steps, NoPictures: true})
			if err != nil || len(found) > 0 {
				t.Fatalf("%d findings, %v", len(found), err)
			}
			illegal := r.Found(linearizability.NotLinearizable) > 0
			if tired := len(r.Inconclusive) > 0; tired != (steps == 10) || illegal != (wrong && !tired) {
				t.Errorf("%d steps, wrong %v: inconclusive %v, illegal %v", steps, wrong, tired, illegal)
			}
		}
	}
}

func TestPicturesHaveOneOperationAtATimeInARow(t *testing.T) {
	logs, err := linearizability.Appends(manyAppends(100, 1))
	if err != nil {
		t.Fatal(err)
	}
	ops := withoutGapsInClients(logOperations(logs[0].Appends))
	until := map[int]int64{}
	for _, op := range ops {
		if last, ok := until[op.ClientId]; ok && op.Call <= last {
			t.Fatalf("client %d has two operations at %d", op.ClientId, op.Call)
		}
		until[op.ClientId] = op.Return
	}
}

// TestHandMadeHistoriesAgree holds that a search finds nothing in a near miss, nor what a history allows.
func TestHandMadeHistoriesAgree(t *testing.T) {
	files, err := filepath.Glob("../testdata/anomalies/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no histories: %v", err)
	}
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		h, err := linearizability.ReadHistory(file)
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
		r := linearizability.Check(h)
		before := r.Verdict()
		if _, err := Check(h, r, Options{}); err != nil {
			t.Fatal(err)
		}
		if after := r.Verdict(); after != before {
			t.Errorf("%s: %s, and %s after the search", name, before, after)
		}
	}
}
