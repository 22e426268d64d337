package linearizability

import "fmt"

// MaxListed is how many anomalies of one name a report lists. The others are counted.
const MaxListed = 20

// checkers are all of them, in the order of their reports. Each looks at the whole history by itself.
var checkers = [...]struct {
	names []Name
	run   func(v *view, f *findings)
}{
	{[]Name{LostWrite}, checkLostWrites},
	{[]Name{Unseen}, checkUnseen},
	{[]Name{Vanished}, checkVanished},
	{[]Name{AboveHighWatermark}, checkAboveHighWatermark},
	{[]Name{Duplicate}, checkDuplicates},
	{[]Name{InconsistentOffsets}, checkInconsistentOffsets},
	{[]Name{Phantom}, checkPhantoms},
	{[]Name{FailedVisible}, checkFailedVisible},
	{[]Name{PollSkip, NonmonotonicPoll, IntPollSkip, IntNonmonotonicPoll}, checkPolls},
	{[]Name{NonmonotonicSend, IntNonmonotonicSend, IntSendSkip}, checkSendOrder},
	{[]Name{ProducerOrder}, checkProducerOrder},
	{[]Name{RealtimeOrder}, checkRealtimeOrder},
	{[]Name{CommittedBack, CommittedStale, CommittedPhantom, StaleGeneration}, checkCommitted},
	{[]Name{EndOffsetBack, HighWatermarkBack, OutOfRange}, checkEndOffsets},
	{[]Name{G1a}, checkAbortedReads},
	{[]Name{PrecommittedRead}, checkPrecommittedReads},
	{[]Name{G0, G0Process, G0Realtime, G1c, G1cProcess, G1cRealtime, G1cWrites, G1cWritesProcess, G1cWritesRealtime},
		checkCycles},
}

// alwaysAllowed are anomalies that Kafka's transactions show by design.
func alwaysAllowed(n Name) string {
	switch n {
	case IntSendSkip, G0, G0Process, G0Realtime, G1cWrites, G1cWritesProcess, G1cWritesRealtime:
		return "Kafka's transactions interleave"
	default:
		return ""
	}
}

// findings collects anomalies.
type findings struct {
	report *Report
	allow  Allow
}

func (f *findings) add(a Anomaly) {
	if a.Allowed == "" {
		a.Allowed = alwaysAllowed(a.Name)
	}
	for _, n := range f.allow.Anomalies {
		if n == a.Name && a.Allowed == "" {
			a.Allowed = "the history's header allows it"
		}
	}
	f.report.Add(a)
}

// Check checks a history. It takes time in O(n log n) and is the same for equal histories.
func Check(h *History) *Report {
	r := &Report{Ops: len(h.Ops), Note: h.Note}
	v, err := newView(h)
	if err != nil {
		r.Malformed = err
		return r
	}
	f := &findings{report: r, allow: h.Allow}
	for i := range checkers {
		checkers[i].run(v, f)
	}
	r.describe(v)
	return r
}

// describe says what the history holds, what could not be checked, and what is known besides.
func (r *Report) describe(v *view) {
	r.Partitions, r.Groups, r.Transactions = len(v.partitions), len(v.offsets), len(v.txnOrder)
	for _, i := range v.order {
		switch v.h.Ops[i].Outcome {
		case Failed:
			r.Failed++
		case Unknown:
			r.Unknown++
		}
	}
	if v.doubted > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d operations are called failed, but with errors or attempts that leave "+
			"it open; they are taken for unknown", v.doubted))
	}
	unread := 0
	for _, l := range v.partitions {
		r.Records += len(l.records)
		switch {
		case len(l.sends) == 0:
		case l.final.last == nil:
			unread++
		case l.mixed() != "":
			r.Notes = append(r.Notes, fmt.Sprintf("%s: %s; little of it is checked", l.id, l.mixed()))
		case !l.final.complete():
			r.Inconclusive = append(r.Inconclusive, fmt.Sprintf("the final read of %s: %s", l.id, l.final.gap))
		}
	}
	if unread > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d partitions have no final read: what is lost at their ends is not seen",
			unread))
	}
	for _, l := range v.partitions {
		for i := range l.sends {
			switch l.settle(v, &l.sends[i]) {
			case SettledSeen:
				r.SettledSeen++
			case SettledDropped:
				r.SettledDropped++
			case SettledOpen:
				r.SettledOpen++
			}
		}
	}
	r.Lag = worstLag(v)
}
