package linearizability

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	pictureColumns = 36
	longReport     = 5   // anomalies
	maxShown       = 3   // records or reads of one operation
	maxTextRunes   = 160 // of one operation
)

// WriteText writes the report for people: what was checked, the verdict, and each anomaly with its operations and a
// picture of how they lie in time.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	if r.Note != "" {
		fmt.Fprintf(&b, "%s\n", r.Note)
	}
	if r.Malformed != nil {
		fmt.Fprintf(&b, "malformed: %v\n", r.Malformed)
		_, err := io.WriteString(w, b.String())
		return err
	}
	r.writeSummary(&b)
	for i := range r.Anomalies {
		b.WriteByte('\n')
		r.Anomalies[i].writeText(&b)
	}
	if len(r.Anomalies) > longReport {
		b.WriteByte('\n')
		r.writeVerdict(&b) // again, where the reader is
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) writeSummary(b *strings.Builder) {
	fmt.Fprintf(b, "%d operations: %d failed, %d of unknown outcome\n", r.Ops, r.Failed, r.Unknown)
	fmt.Fprintf(b, "%d records in %d partitions, %d committed offsets, %d transactions\n", r.Records, r.Partitions,
		r.Groups, r.Transactions)
	if n := r.SettledSeen + r.SettledDropped + r.SettledOpen; n > 0 {
		fmt.Fprintf(b, "%d sends of unknown outcome: %d were seen, %d never happened, %d are open\n", n, r.SettledSeen,
			r.SettledDropped, r.SettledOpen)
	}
	if r.Lag != nil {
		const text = "the stalest poll of %s returned nothing %s after a record was there (line %d)\n"
		fmt.Fprintf(b, text, r.Lag.Partition, duration(r.Lag.Nanoseconds), r.Lag.Poll.Line)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(b, "note: %s\n", n)
	}
	for _, n := range r.Inconclusive {
		fmt.Fprintf(b, "inconclusive: %s\n", n)
	}
	r.writeVerdict(b)
}

func (r *Report) writeVerdict(b *strings.Builder) {
	fmt.Fprintf(b, "verdict: %s\n", r.Verdict())
	for _, c := range r.Counts {
		fmt.Fprintf(b, "  %-24s %6d", c.Name, c.Total)
		if c.Allowed > 0 {
			fmt.Fprintf(b, ", %d of them allowed", c.Allowed)
		}
		b.WriteByte('\n')
	}
}

func (a *Anomaly) writeText(b *strings.Builder) {
	fmt.Fprintf(b, "%s in %s: %s\n", a.Name, a.Where, a.Text)
	if a.Allowed != "" {
		fmt.Fprintf(b, "  allowed: %s\n", a.Allowed)
	}
	if len(a.Ops) == 0 {
		return
	}
	first, last := span(a.Ops)
	for _, op := range a.Ops {
		fmt.Fprintf(b, "  %7s |%s| p%-4d %s\n", fmt.Sprintf("line %d", op.Line), bar(op, first, last), op.Process, op)
	}
	length := "+" + duration(last-first)
	fmt.Fprintf(b, "          %-*s%s\n", pictureColumns+3-len(length), duration(first), length)
}

// span is the time from the first call to the last return, or call if there was no return.
func span(ops []*Op) (first, last int64) {
	first = Never
	for _, op := range ops {
		first, last = min(first, op.Call), max(last, op.Call)
		if op.Return != Never {
			last = max(last, op.Return)
		}
	}
	return first, last
}

// bar draws when an operation was under way: from [ to ], or to > if it never returned.
func bar(op *Op, first, last int64) string {
	column := func(t int64) int {
		if last == first {
			return 0
		}
		// In two steps, for times of any size.
		scale := max((last-first)/(1<<32), 1)
		return int((t - first) / scale * (pictureColumns - 1) / max((last-first)/scale, 1))
	}
	from, to, end := column(op.Call), pictureColumns-1, byte('>')
	if op.Return != Never {
		to, end = min(column(op.Return), pictureColumns-1), ']'
	}
	picture := []byte(strings.Repeat(" ", pictureColumns))
	for i := from; i <= to; i++ {
		picture[i] = '-'
	}
	picture[from] = '['
	if to > from || end == '>' {
		picture[to] = end
	}
	return string(picture)
}

// duration writes nanoseconds with a unit that suits them, to three places.
func duration(ns int64) string {
	switch {
	case ns < 10_000:
		return fmt.Sprintf("%dns", ns)
	case ns < 10_000_000:
		return fmt.Sprintf("%d.%03dus", ns/1000, ns%1000)
	case ns < 10_000_000_000:
		return fmt.Sprintf("%d.%03dms", ns/1_000_000, ns/1000%1000)
	}
	return fmt.Sprintf("%d.%03ds", ns/1_000_000_000, ns/1_000_000%1000)
}

// String says what an operation was, without its process and its times.
func (op *Op) String() string {
	var b strings.Builder
	b.WriteString(op.Kind.String())
	switch op.Kind {
	case Send:
		fmt.Fprintf(&b, " %s %s", op.Partition, shown(op.Values))
		if op.Offset != None {
			fmt.Fprintf(&b, " at %d", op.Offset)
		}
	case Poll:
		for i := range op.Reads {
			if i == maxShown {
				fmt.Fprintf(&b, " and %d more partitions", len(op.Reads)-i)
				break
			}
			b.WriteString(op.Reads[i].text())
		}
	case CreateTopic, DeleteTopic:
		fmt.Fprintf(&b, " %s", op.Partition.Topic)
	case Commit, FetchCommitted, ListOffsets, DeleteRecords:
		if op.Group != "" {
			fmt.Fprintf(&b, " %s", op.Group)
		}
		fmt.Fprintf(&b, " %s", op.Partition)
		if op.Offset != None {
			fmt.Fprintf(&b, " %d", op.Offset)
		} else if op.Outcome == OK {
			b.WriteString(" none")
		}
		if op.Generation != None {
			fmt.Fprintf(&b, " generation %d", op.Generation)
		}
	case EndTxn:
		word := " abort "
		if op.TxnCommit {
			word = " commit "
		}
		b.WriteString(word)
	case Fault:
		fmt.Fprintf(&b, " %s", op.Name)
	}
	if op.Txn != "" {
		fmt.Fprintf(&b, " txn %s", op.Txn)
	}
	fmt.Fprintf(&b, " %s", op.Outcome)
	if op.Error != "" {
		fmt.Fprintf(&b, " %s", op.Error)
	}
	return shorten(b.String(), maxTextRunes)
}

func (r *Read) text() string {
	switch n := len(r.Offsets); n {
	case 0:
		return fmt.Sprintf(" %s nothing", r.Partition)
	case 1:
		return fmt.Sprintf(" %s %d:%q", r.Partition, r.Offsets[0], r.Values[0])
	default:
		return fmt.Sprintf(" %s %d:%q..%d:%q", r.Partition, r.Offsets[0], r.Values[0], r.Offsets[n-1], r.Values[n-1])
	}
}

func shown(values []string) string {
	if n := len(values); n > maxShown {
		return fmt.Sprintf("%q and %d more", values[:maxShown], n-maxShown)
	}
	return fmt.Sprintf("%q", values)
}

func shorten(s string, runes int) string {
	if utf8.RuneCountInString(s) <= runes {
		return s
	}
	return string([]rune(s)[:runes]) + "..."
}
