package linearizability

import (
	"cmp"
	"fmt"
	"slices"
)

// powerCut is the name of the fault that loses what was not synced.
const powerCut = "power-cut"

// view is a history indexed by partition, which all checkers share. It points into the history.
type view struct {
	h                       *History
	order                   []int32 // positions in h.Ops by the time of the call
	partitions              []*log  // in the order of their first operation
	byID                    map[Partition]*log
	offsets                 []*register
	txns                    map[string]*txn
	txnOrder                []*txn
	lastFault, lastPowerCut int64 // when the last one was over, or None; lastFault is of those of AcksOneLoss
	deletions               []*Op // delete-topic and delete-records that may have been applied
	doubted                 int   // failures that were taken for unknown outcomes
}

// log is all that a history says of one partition.
type log struct {
	id      Partition
	records []record // sends in the order of their calls, then phantoms
	byValue map[string]int32
	sends   []send
	reads   []read     // of polls of any outcome, in the order of their calls
	slots   []slot     // by offset, each pair of offset and record once
	ends    []*Op      // list-offsets that were answered, in the order of their calls
	passed  []interval // what successful polls have read past, merged
	skips   [2][]int32 // see buildSkips
	final   finalRead
	deleted *Op // a deletion of the topic that may have been applied
	cut     *Op // the delete-records that may have deleted most
	lost    []*LostRange
}

// record is one value.
type record struct {
	value    string
	send     *Op // nil for a phantom
	acked    int64
	seen     []sighting // one for each distinct offset, in the order of the polls
	evidence int64      // the earliest return of a successful poll that saw it, or Never
	required bool       // everybody who reads past it must see it
}

// sighting is the first poll that saw a record at an offset.
type sighting struct {
	offset int64
	op     *Op
}

// send is a send with its records, which stand together in log.records.
type send struct {
	op           *Op
	first, count int32
}

// read is what a poll returned of the partition. Its session changes when the process may go on from anywhere.
type read struct {
	op      *Op
	data    *Read
	records []int32
	session uint64
}

type slot struct {
	offset int64
	record int32
}

type interval struct{ from, to int64 }

type txnState uint8

const (
	txnUnknown txnState = iota
	txnCommitted
	txnAborted
)

// txn is one transaction: it is committed if an end said so or a record of it was seen by a read-committed poll,
// aborted if nobody ever asked to commit it with an outcome that leaves that open.
type txn struct {
	id    string
	state txnState
	asked bool  // a commit was asked for and may have been applied
	ended *Op   // its first end
	since int64 // when it was certainly committed, if it is
	ops   []*Op
}

// where names a partition in a report.
func (p Partition) String() string {
	if p.TopicID == "" {
		return fmt.Sprintf("%s-%d", p.Topic, p.Index)
	}
	return fmt.Sprintf("%s-%d (%s)", p.Topic, p.Index, p.TopicID)
}

// newView indexes a history. The error is a *MalformedError.
func newView(h *History) (*view, error) {
	if err := h.Validate(); err != nil {
		return nil, err
	}
	v := &view{h: h, order: h.byCall(), byID: map[Partition]*log{}, txns: map[string]*txn{}}
	v.lastFault, v.lastPowerCut = None, None
	if err := v.addWrites(); err != nil {
		return nil, err
	}
	v.addReads()
	v.endTxns()
	for _, l := range v.partitions {
		l.findDeletions(v)
		l.build(v)
	}
	return v, nil
}

func (v *view) log(id Partition) *log {
	l := v.byID[id]
	if l == nil {
		l = &log{id: id, byValue: map[string]int32{}}
		v.byID[id] = l
		v.partitions = append(v.partitions, l)
	}
	return l
}

func (v *view) txn(id string) *txn {
	t := v.txns[id]
	if t == nil {
		t = &txn{id: id}
		v.txns[id] = t
		v.txnOrder = append(v.txnOrder, t)
	}
	return t
}

func (v *view) addWrites() error {
	size := map[Partition]int{}
	for i := range v.h.Ops {
		if op := &v.h.Ops[i]; op.Kind == Send {
			size[op.Partition] += len(op.Values)
		}
	}
	for _, i := range v.order {
		op := &v.h.Ops[i]
		if op.Outcome == Failed && op.settledOutcome() == Unknown {
			v.doubted++
		}
		if op.Txn != "" {
			t := v.txn(op.Txn)
			t.ops = append(t.ops, op)
		}
		switch op.Kind {
		case Send:
			l := v.log(op.Partition)
			if len(l.sends) == 0 {
				l.byValue = make(map[string]int32, size[l.id])
				l.records = make([]record, 0, size[l.id])
			}
			if err := l.addSend(op); err != nil {
				return err
			}
		case EndTxn:
			if err := v.txn(op.Txn).end(op); err != nil {
				return err
			}
		case Fault:
			if only := v.h.Allow.AcksOneFaults; len(only) == 0 || slices.Contains(only, op.Name) {
				v.lastFault = max(v.lastFault, op.Return)
			}
			if op.Name == powerCut {
				v.lastPowerCut = max(v.lastPowerCut, op.Return)
			}
		case DeleteTopic, DeleteRecords:
			if op.settledOutcome() != Failed {
				v.deletions = append(v.deletions, op)
			}
		}
	}
	return nil
}

func (l *log) addSend(op *Op) error {
	s := send{op: op, first: int32(len(l.records)), count: int32(len(op.Values))}
	for i, value := range op.Values {
		if other, ok := l.byValue[value]; ok {
			return malformed(op.Line, "value %q was sent to %s before, by line %d: values must be unique",
				value, l.id, l.records[other].send.Line)
		}
		r := record{value: value, send: op, acked: None, evidence: Never}
		if op.Outcome == OK && op.Offset != None {
			r.acked = op.Offset + int64(i)
		}
		l.byValue[value] = int32(len(l.records))
		l.records = append(l.records, r)
	}
	l.sends = append(l.sends, s)
	return nil
}

func (t *txn) end(op *Op) error {
	if t.ended == nil {
		t.ended = op
	}
	if t.ended.TxnCommit != op.TxnCommit {
		return malformed(op.Line, "transaction %q was to end otherwise by line %d: each needs a txn of its own", t.id,
			t.ended.Line)
	}
	outcome := op.settledOutcome()
	switch {
	case !op.TxnCommit || outcome == Failed:
	case outcome == OK:
		t.commit(op.Return)
		t.asked = true
	default:
		t.asked = true
	}
	return nil
}

func (t *txn) commit(at int64) {
	if t.state != txnCommitted {
		t.state, t.since = txnCommitted, at
	}
	t.since = min(t.since, at)
}

// endTxns decides what is left open: a transaction that nobody asked to commit never is.
func (v *view) endTxns() {
	for _, t := range v.txnOrder {
		if !t.asked && t.state == txnUnknown {
			t.state = txnAborted
		}
	}
}

// sessions counts, for each process, how often it may have moved to another position.
type sessions struct {
	all  map[int32]uint32
	some map[processPartition]uint32
}

type processPartition struct {
	process   int32
	partition Partition
}

func (s *sessions) reset(op *Op) {
	if len(op.Partitions) == 0 || op.Kind == Crash {
		s.all[op.Process]++
		return
	}
	for _, p := range op.Partitions {
		s.some[processPartition{op.Process, p}]++
	}
}

func (s *sessions) of(process int32, p Partition) uint64 {
	return uint64(s.all[process])<<32 | uint64(s.some[processPartition{process, p}])
}

type registerKey struct {
	group     string
	partition Partition
}

// register is the committed offset of a group's partition with what was asked of it, in the order of the calls.
type register struct {
	registerKey
	ops []*Op
}

func (k registerKey) String() string { return "group " + k.group + ", " + k.partition.String() }

func (v *view) addReads() {
	s := sessions{all: map[int32]uint32{}, some: map[processPartition]uint32{}}
	registers := map[registerKey]*register{}
	for _, i := range v.order {
		op := &v.h.Ops[i]
		switch op.Kind {
		case Poll:
			for j := range op.Reads {
				v.addRead(op, &op.Reads[j], s.of(op.Process, op.Reads[j].Partition))
			}
		case Assign, Rebalance, Crash:
			s.reset(op)
		case ListOffsets:
			if op.Outcome == OK {
				l := v.log(op.Partition)
				l.ends = append(l.ends, op)
			}
		case Commit, FetchCommitted:
			key := registerKey{op.Group, op.Partition}
			r := registers[key]
			if r == nil {
				r = &register{registerKey: key}
				registers[key] = r
				v.offsets = append(v.offsets, r)
			}
			r.ops = append(r.ops, op)
		}
	}
}

func (v *view) addRead(op *Op, data *Read, session uint64) {
	l := v.log(data.Partition)
	r := read{op: op, data: data, session: session, records: make([]int32, len(data.Values))}
	for i, value := range data.Values {
		n, ok := l.byValue[value]
		if !ok {
			n = int32(len(l.records))
			l.byValue[value] = n
			l.records = append(l.records, record{value: value, acked: None, evidence: Never})
		}
		r.records[i] = n
		rec := &l.records[n]
		rec.see(op, data.Offsets[i])
		if op.Outcome == OK && op.ReadCommitted && rec.send != nil && rec.send.Txn != "" {
			if t := v.txn(rec.send.Txn); t.asked {
				t.commit(op.Return)
			}
		}
	}
	l.reads = append(l.reads, r)
}

func (r *record) see(op *Op, offset int64) {
	if op.Outcome == OK {
		r.evidence = min(r.evidence, op.Return)
	}
	for _, s := range r.seen {
		if s.offset == offset {
			return
		}
	}
	r.seen = append(r.seen, sighting{offset, op})
}

// offset is where the record is, as far as anybody knows, or None.
func (r *record) offset() int64 {
	if r.acked == None && len(r.seen) > 0 {
		return r.seen[0].offset
	}
	return r.acked
}

func (l *log) build(v *view) {
	for i := range l.records {
		r := &l.records[i]
		r.required = r.send != nil && r.send.settledOutcome() == OK && r.send.Acks != 0 &&
			(r.send.Txn == "" || v.txn(r.send.Txn).state == txnCommitted)
		if r.acked != None {
			l.slots = append(l.slots, slot{r.acked, int32(i)})
		}
		for _, s := range r.seen {
			if s.offset != r.acked {
				l.slots = append(l.slots, slot{s.offset, int32(i)})
			}
		}
	}
	slices.SortFunc(l.slots, func(a, b slot) int {
		return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.record, b.record))
	})
	l.buildPassed()
	l.buildSkips(v)
}

// bounds are the positions before and after a read, where at is the process's position before if that is known.
func (r *read) bounds(at int64) interval {
	b := interval{r.data.From, r.data.Next}
	if b.from == None {
		b.from = max(at, 0)
	}
	if b.to == None {
		b.to = b.from
		for _, o := range r.data.Offsets {
			b.to = max(b.to, o+1)
		}
	}
	return b
}

type position struct {
	session uint64
	next    int64
}

// buildPassed collects what successful polls have read past: whatever is there, they should have returned. Those of the
// final read are collected by themselves too.
func (l *log) buildPassed() {
	at := map[int32]position{}
	var final []interval
	watermark := int64(None)
	for i := range l.reads {
		r := &l.reads[i]
		if r.op.Outcome != OK {
			continue
		}
		before := int64(None)
		if p, ok := at[r.op.Process]; ok && p.session == r.session {
			before = p.next
		}
		b := r.bounds(before)
		at[r.op.Process] = position{r.session, b.to}
		if b.from < b.to {
			l.passed = append(l.passed, b)
		}
		if r.op.Final {
			final = append(final, b)
			watermark = max(watermark, r.data.HighWatermark)
			l.final.last = r.op
		}
	}
	l.passed = merge(l.passed)
	l.final.covers(l, merge(final), watermark)
}

// finalRead is the reading-back of a partition at the end of a history.
type finalRead struct {
	last *Op // the last of its polls, nil if there was none
	end  int64
	gap  string // why it is not complete, or empty
}

// covers decides whether the final read is complete: without a gap from the first offset, or from where all below may
// have been removed, to the high watermark if anybody said where that is.
func (f *finalRead) covers(l *log, read []interval, watermark int64) {
	switch {
	case f.last == nil:
		f.gap = "there is none"
		return
	case len(read) > 1:
		f.gap = fmt.Sprintf("it leaves out the offsets from %d to %d", read[0].to, read[1].from)
	case read[0].from > 0 && l.gone(read[0].from-1) == "":
		f.gap = fmt.Sprintf("it begins at %d", read[0].from)
	case read[0].to < watermark:
		f.gap = fmt.Sprintf("it ends at %d, before the high watermark %d", read[0].to, watermark)
	}
	f.end = read[len(read)-1].to
}

func (f *finalRead) complete() bool { return f.gap == "" }

// merge sorts intervals and joins those that touch.
func merge(all []interval) []interval {
	slices.SortFunc(all, func(a, b interval) int { return cmp.Compare(a.from, b.from) })
	var out []interval
	for _, b := range all {
		if n := len(out); n > 0 && b.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, b.to)
			continue
		}
		out = append(out, b)
	}
	return out
}

// wasPassed says whether a successful poll read past an offset.
func (l *log) wasPassed(offset int64) bool {
	i, _ := slices.BinarySearchFunc(l.passed, offset, func(b interval, o int64) int {
		if b.to <= o {
			return -1
		}
		return 1
	})
	return i < len(l.passed) && l.passed[i].from <= offset
}

// findDeletions remembers what may have been deleted of the partition.
func (l *log) findDeletions(v *view) {
	for _, op := range v.deletions {
		switch {
		case op.Kind == DeleteTopic && op.Partition.Topic == l.id.Topic && op.Partition.TopicID == l.id.TopicID:
			l.deleted = op
		case op.Kind == DeleteRecords && op.Partition == l.id && (l.cut == nil || l.cut.Offset < op.Offset):
			l.cut = op
		}
	}
	for i := range v.h.Allow.Lost {
		if r := &v.h.Allow.Lost[i]; r.Topic == l.id.Topic && (r.Partition == None || r.Partition == l.id.Index) {
			l.lost = append(l.lost, r)
		}
	}
}

// gone is why a record may have been removed from this offset, or empty. The offset may be None.
func (l *log) gone(offset int64) string {
	if l.deleted != nil {
		return fmt.Sprintf("the topic was deleted by line %d", l.deleted.Line)
	}
	for _, r := range l.lost {
		if offset == None || r.From <= offset && (offset < r.To || r.To == 0) {
			return r.Reason
		}
	}
	if l.cut != nil && offset < l.cut.Offset {
		return fmt.Sprintf("records below %d were deleted by line %d", l.cut.Offset, l.cut.Line)
	}
	return ""
}

// truncated is why a record that was sent may have been taken back, so that its offset is used again, or empty.
func (v *view) truncated(s *Op) string {
	if s == nil {
		return ""
	}
	if s.Acks != -1 && v.h.Allow.AcksOneLoss && v.faultSince(s.Call, "") {
		return fmt.Sprintf("acks=%d and a fault since", s.Acks)
	}
	return v.powerCutSince(s.Partition.Topic, s.Call)
}

// mixed is why what is said of this partition may be of two topics of one name, or empty.
func (l *log) mixed() string {
	if l.deleted == nil || l.id.TopicID != "" {
		return ""
	}
	return fmt.Sprintf("line %d deleted the topic, and no id tells it from another one of its name",
		l.deleted.Line)
}

// cutBack is why a log may have become shorter since t, or empty.
func (v *view) cutBack(l *log, t int64) string {
	if why := l.mixed(); why != "" {
		return why
	}
	if v.h.Allow.AcksOneLoss && v.faultSince(t, "") {
		for i := range l.sends {
			if l.sends[i].op.Acks != -1 {
				return "acks below all and a fault since"
			}
		}
	}
	return v.powerCutSince(l.id.Topic, t)
}

func (v *view) powerCutSince(topic string, t int64) string {
	cached := v.h.Allow.CachedTopics
	if (slices.Contains(cached, topic) || slices.Contains(cached, "*")) && v.faultSince(t, powerCut) {
		return "write.caching and a power cut since"
	}
	return ""
}

func (v *view) faultSince(t int64, name string) bool {
	if name == powerCut {
		return v.lastPowerCut >= t
	}
	return v.lastFault >= t
}

// excuse is why a record may be missing, or empty.
func (l *log) excuse(v *view, r *record) string {
	if why := v.truncated(r.send); why != "" {
		return why
	}
	return l.gone(r.offset())
}
