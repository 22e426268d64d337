package linearizability

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
)

// TestReportText holds the whole report of one history, so that whoever changes it looks at it.
func TestReportText(t *testing.T) {
	const want = `5 operations: 0 failed, 1 of unknown outcome
3 records in 1 partitions, 0 committed offsets, 0 transactions
1 sends of unknown outcome: 1 were seen, 0 never happened, 0 are open
verdict: anomalies
  unseen                        1

unseen in t-0: "c" was acknowledged at offset 2 and is not in the final read, which ends at 2
   line 4 |[---------]                         | p1    send t-0 ["c"] at 2 ok
   line 6 |                 [-----------------]| p2    poll t-0 0:"a"..1:"b" ok
          25ns                              +10ns
`
	r := NewRecorder("", Allow{})
	p := Partition{Topic: "t"}
	a := r.Call(sendOp(1, 0, p, "a"))
	b := r.Call(sendOp(2, 1, p, "b"))
	c := r.Call(sendOp(1, 25, p, "c"))
	r.Return(a, 5, OK, "", func(op *Op) { op.Offset = 0 })
	r.Return(b, 5, Failed, "NOT_LEADER_OR_FOLLOWER", nil)
	r.Return(c, 28, OK, "", func(op *Op) { op.Offset = 2 })
	fault := NewOp(Fault, 9, 7)
	fault.Name = "kill"
	r.Add(fault.Done(9, OK, ""))
	poll := NewOp(Poll, 2, 30)
	poll.Final = true
	id := r.Call(poll)
	r.Return(id, 35, OK, "", func(op *Op) {
		op.Reads = []Read{NewRead(p, []int64{0, 1}, []string{"a", "b"})}
		op.Reads[0].HighWatermark = 2
	})
	var text strings.Builder
	if err := Check(r.History()).WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if text.String() != want {
		t.Errorf("got\n%s\nwant\n%s", text.String(), want)
	}
}

func sendOp(process int32, call int64, p Partition, values ...string) Op {
	op := NewOp(Send, process, call)
	op.Partition, op.Values = p, values
	return op
}

// TestReportsAreWhole holds that the reports of all histories made by hand can be written, and that JSON tells the
// verdict, every anomaly, and operations that can be read as lines of a history.
func TestReportsAreWhole(t *testing.T) {
	for _, file := range anomalyFiles(t) {
		h, _ := readCase(t, file)
		r := Check(h)
		var text bytes.Buffer
		if err := r.WriteJSON(&text); err != nil {
			t.Fatal(err)
		}
		var j struct {
			Verdict   Verdict
			Anomalies []struct {
				Name       Name
				Operations []map[string]any
			}
		}
		if err := json.Unmarshal(text.Bytes(), &j); err != nil {
			t.Fatal(err)
		}
		if j.Verdict != r.Verdict() || len(j.Anomalies) != len(r.Anomalies) {
			t.Errorf("%s: %s with %d anomalies", file, j.Verdict, len(j.Anomalies))
		}
		for i, a := range j.Anomalies {
			if a.Name != r.Anomalies[i].Name || len(a.Operations) != len(r.Anomalies[i].Ops) {
				t.Errorf("%s: %s", file, a.Name)
			}
			for _, op := range a.Operations {
				delete(op, "line")
				line, _ := json.Marshal(op)
				if _, err := ReadHistory(strings.NewReader(header + string(line))); err != nil {
					t.Errorf("%s: %v", line, err)
				}
			}
		}
	}
}

func TestIncompleteFinalReadsAreInconclusive(t *testing.T) {
	for _, name := range []string{"unseen.incomplete", "unseen.incomplete-start"} {
		h, _ := readCase(t, "testdata/anomalies/"+name+".jsonl")
		if v := Check(h).Verdict(); v != VerdictInconclusive || v.ExitCode() != ExitInconclusive {
			t.Errorf("%s: %s", name, v)
		}
	}
}

// TestReportsAreBounded holds that many anomalies are counted and few are listed.
func TestReportsAreBounded(t *testing.T) {
	r := NewRecorder("", Allow{})
	for i := range 1000 {
		op := NewOp(FetchCommitted, 1, int64(i))
		op.Group, op.Partition, op.Offset = "g", Partition{Topic: "t"}, int64(i)
		r.Add(op.Done(int64(i), OK, ""))
	}
	report := Check(r.History())
	if report.Found(CommittedPhantom) != 1000 || len(report.Anomalies) != MaxListed {
		t.Errorf("%d counted, %d listed", report.Found(CommittedPhantom), len(report.Anomalies))
	}
}

// TestChecksAreTheSameEveryTime holds that a report does not depend on the order of maps.
func TestChecksAreTheSameEveryTime(t *testing.T) {
	var all History
	for i, file := range anomalyFiles(t) {
		h, _ := readCase(t, file)
		for _, op := range h.Ops {
			op.Process += int32(100 * i)
			op.Partition.TopicID = file
			for j := range op.Reads {
				op.Reads[j].Partition.TopicID = file
			}
			op.Group += file
			if op.Txn != "" {
				op.Txn += file
			}
			all.Ops = append(all.Ops, op)
		}
	}
	var first string
	for range 5 {
		var text strings.Builder
		Check(&all).WriteText(&text)
		if first == "" {
			first = text.String()
		}
		if text.String() != first {
			t.Fatal("two reports of one history differ")
		}
	}
	if len(Check(&all).Anomalies) < 30 {
		t.Errorf("%d anomalies only", len(Check(&all).Anomalies))
	}
}

func TestSharedRecorder(t *testing.T) {
	r := NewSharedRecorder("many", Allow{OffsetExpiry: true})
	var all sync.WaitGroup
	for p := range int32(8) {
		all.Go(func() {
			for i := range 100 {
				at := int64(p)*1000 + int64(i)
				id := r.Call(sendOp(p, at, Partition{Topic: "t", Index: p}, string(rune('a'+i))))
				r.Return(id, at, OK, "", func(op *Op) { op.Offset = int64(i) })
			}
		})
	}
	all.Wait()
	h := r.History()
	report := Check(h)
	if report.Verdict() != VerdictOK || report.Records != 800 || report.Note != "many" || !h.Allow.OffsetExpiry {
		t.Errorf("%s, %d records", report.Verdict(), report.Records)
	}
}

// TestDocumentedExample holds that the example of the package's documentation is a history.
func TestDocumentedExample(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var example strings.Builder
	for line := range strings.Lines(string(doc)) {
		if rest, ok := strings.CutPrefix(line, "//\t{"); ok {
			example.WriteString("{" + rest)
		}
	}
	h, err := ReadHistory(strings.NewReader(example.String()))
	if err != nil || len(h.Ops) != 2 || Check(h).Verdict() != VerdictOK {
		t.Errorf("%v, %+v", err, h)
	}
}
