package check

import (
	"slices"
	"strconv"

	"ottla.dev/core"
	"ottla.dev/sim/fault"
)

// Ledger is what the clients of a simulation have been told, and the judge of what they are told next.
type Ledger struct {
	plan   *fault.Plan
	fail   Fail
	parts  map[core.TopicPartition]*Partition
	order  []*Partition
	extra  []*Partition // of topics that come and go
	groups map[commitKey]*commitState
	owners map[ownerKey]string
	gens   map[string]int32 // the newest generation of each group that somebody was told of
	told   map[toldAt]int32 // by one broker
	firmly map[string]bool  // groups in which something is committed
	member []*Membership
	topics map[string]bool // of those that come and go, whether they are there
	acked  int
	read   int
	commit int
	starts int // of the broker that have ended

	forgiven forgiveness
	// ByTime judges an answer to ListOffsets for a timestamp, asked when known was the end of what somebody knew.
	ByTime func(p *Partition, at core.Timestamp, known, offset core.Offset)
	// Answered judges that what a client is told for certain is committed up to end.
	Answered func(p *Partition, end core.Offset)
	// CommittedBy does for commits of offsets.
	CommittedBy func(group string, p core.TopicPartition, c Commit)
}

// Partition is what is known of one partition of a plan topic.
//
// Invariant: records[i] is at offset i; entries of offsets that nobody has been told of are zero.
type Partition struct {
	Name     core.TopicPartition
	topic    *fault.Topic
	records  []entry
	places   map[writer]core.Offset // of the records of idempotent producers
	refused  map[writer]bool        // records that were refused for good
	deleted  core.Offset            // DeleteRecords was told to be done up to here
	gone     core.Offset            // and answered
	logStart core.Offset            // the highest that the living process has told of
	lastAck  core.Offset            // the highest acknowledged offset, -1 if none
	cuts     int                    // how often records were lost that were allowed to be
	forgiven bool                   // it may have lost something, nobody knows what
	doomed   bool                   // its topic may be deleted yet
}

// writer names a record by who wrote it.
type writer struct {
	client int
	number uint64
}

// entry is what is known of one offset.
type entry struct {
	writer  writer
	known   bool
	durable bool // must survive a crash, not just a kill
}

// NewLedger returns an empty ledger.
func NewLedger(plan *fault.Plan, fail Fail) *Ledger {
	l := &Ledger{plan: plan, fail: fail, parts: map[core.TopicPartition]*Partition{},
		groups: map[commitKey]*commitState{}, owners: map[ownerKey]string{}, gens: map[string]int32{},
		topics: map[string]bool{}, firmly: map[string]bool{}, told: map[toldAt]int32{}}
	l.forgiven = forgiveness{map[string]bool{}, map[core.TopicPartition]bool{}}
	for i := range plan.Topics {
		t := &plan.Topics[i]
		for p := range t.Partitions {
			name := core.TopicPartition{Topic: t.Name, Partition: core.PartitionID(p)}
			part := &Partition{Name: name, topic: t, places: map[writer]core.Offset{}, refused: map[writer]bool{}, lastAck: -1}
			l.parts[name] = part
			l.order = append(l.order, part)
		}
	}
	return l
}

// RotsLive reports whether files are damaged under running brokers. What a broker has verified or written since its
// start it does not verify with each read: bad bytes may be sent until the scrub finds them. Consumers see that by the
// batch's checksum.
func (l *Ledger) RotsLive() bool {
	return slices.ContainsFunc(l.plan.Rots, func(r fault.Rot) bool { return r.Kind == 0 })
}

// Counts returns how many records were acknowledged and read, and how many commits acknowledged.
func (l *Ledger) Counts() (acked, read, commits int) { return l.acked, l.read, l.commit }

// Partition returns what is known of a partition, nil if it is not of a plan topic.
func (l *Ledger) Partition(name core.TopicPartition) *Partition { return l.parts[name] }

// Partitions returns the partitions of the plan's topics, in order.
func (l *Ledger) Partitions() []*Partition { return l.order }

// All returns the partitions of the plan's topics and those of topics that come and go which are certainly there.
func (l *Ledger) All() []*Partition { return slices.Concat(l.order, l.extra) }

// Made notes a new topic, whose partition 0 is to be watched. It is doomed if a deletion of its name got no answer,
// which may yet reach it.
func (l *Ledger) Made(topic string, doomed bool) *Partition {
	t := &fault.Topic{Name: topic, Partitions: 1, Retained: true, MaxMessage: 1 << 20, SegmentBytes: 1 << 20}
	p := &Partition{Name: core.TopicPartition{Topic: topic}, topic: t, places: map[writer]core.Offset{},
		refused: map[writer]bool{}, lastAck: -1, doomed: doomed}
	l.extra = append(l.extra, p)
	return p
}

// Unmade forgets a topic that is being deleted.
func (l *Ledger) Unmade(topic string) {
	l.extra = slices.DeleteFunc(l.extra, func(p *Partition) bool { return p.Name.Topic == topic })
}

// Doomed reports whether the topic may be deleted by a request whose client does not know what became of it.
func (p *Partition) Doomed() bool { return p.doomed }

// Deleted is the offset up to which records were deleted by request.
func (p *Partition) Deleted() core.Offset { return p.deleted }

// Retained reports that nothing but DeleteRecords removes records.
func (p *Partition) Retained() bool { return p.topic.Retained }

// Caching reports whether the topic has write.caching on.
func (p *Partition) Caching() bool { return p.topic.Caching }

// LargestBatch is the size in bytes of the largest batch that the partition takes.
func (p *Partition) LargestBatch() int { return p.topic.LargestBatch() }

// Known is the offset behind the last record that somebody was told of.
func (p *Partition) Known() core.Offset { return core.Offset(len(p.records)) }

// MayForget reports whether a crash may lose acknowledged records, and with them a producer's sequence.
func (p *Partition) MayForget() bool { return p.forgiven || p.topic.Caching && p.cuts > 0 }

// Wrong reports that an answer breaks the protocol.
func (l *Ledger) Wrong(check, text string) { l.fail(Correctness, check, text) }

func (l *Ledger) wrong(check string, p *Partition, text string) {
	l.fail(Correctness, check, p.Name.String()+": "+text)
}

// at returns the entry of an offset.
func (p *Partition) at(o core.Offset) *entry {
	for core.Offset(len(p.records)) <= o {
		p.records = append(p.records, entry{})
	}
	return &p.records[o]
}

// place notes that w is at offset o, and checks that nothing else is and that it is nowhere else (C2, C3).
func (l *Ledger) place(p *Partition, o core.Offset, w writer, durable bool) {
	if p.forgiven {
		return
	}
	e := p.at(o)
	if e.known && e.writer != w {
		l.wrong("inconsistent-offsets", p, "offset "+offsetText(o)+" is record "+w.text()+" and was record "+e.writer.text())
		return
	}
	if p.refused[w] {
		l.wrong("refused-visible", p, "record "+w.text()+" was refused and is at offset "+offsetText(o))
	}
	e.writer, e.known, e.durable = w, true, e.durable || durable
	if !l.idempotent(w.client) {
		return
	}
	if at, ok := p.places[w]; ok && at != o {
		l.wrong("duplicate", p, "record "+w.text()+" is at offset "+offsetText(o)+" and at "+offsetText(at))
	}
	p.places[w] = o
}

func (l *Ledger) idempotent(client int) bool {
	return client >= 0 && client < len(l.plan.Clients) && l.plan.Clients[client].Idempotent
}

func (w writer) text() string { return strconv.Itoa(w.client) + "/" + strconv.FormatUint(w.number, 10) }

// Sending is what was true of a partition when a producer first sent a batch.
type Sending struct {
	floor core.Offset
	cuts  int
}

// Sending notes the start of a batch.
func (p *Partition) Sending() Sending { return Sending{p.lastAck, p.cuts} }

// Acked notes that the broker has acknowledged a client's records first to first+count-1 at base. What was acknowledged
// before they were sent must lie before them (C16).
func (l *Ledger) Acked(p *Partition, s Sending, base core.Offset, client int, first uint64, count int, acks int16) {
	if base < 0 {
		l.wrong("ack", p, "acknowledged at offset "+offsetText(base))
		return
	}
	l.acked += count
	if acks >= 0 && l.plan.Clustered() {
		return // a leader alone has it, perhaps one that has been deposed and does not know it
	}
	if acks < 0 && l.Answered != nil {
		l.Answered(p, base+core.Offset(count))
	}
	if s.cuts == p.cuts && base <= s.floor {
		l.wrong("realtime-order", p, "record "+writer{client, first}.text()+" is at "+offsetText(base)+
			", and offset "+offsetText(s.floor)+" was acknowledged before it was sent")
	}
	for i := range count {
		l.place(p, base+core.Offset(i), writer{client, first + uint64(i)}, acks < 0 && !p.topic.Caching)
	}
	if !p.forgiven {
		p.lastAck = max(p.lastAck, base+core.Offset(count)-1)
	}
}

// Refused notes that records were refused in a way that says that they will never be there (C12).
func (l *Ledger) Refused(p *Partition, client int, first uint64, count int) {
	for i := range count {
		p.refused[writer{client, first + uint64(i)}] = true
	}
}

// Read notes that a record was fetched (S20, C3). The offset must be below the high watermark that came with it.
// Without write.caching what has been read is as durable as what was acknowledged. It returns what the value says.
func (l *Ledger) Read(p *Partition, o, highWatermark core.Offset, value []byte) Payload {
	l.read++
	if o >= highWatermark {
		l.wrong("above-high-watermark", p, "offset "+offsetText(o)+" was fetched with a high watermark of "+
			offsetText(highWatermark))
	}
	pay, ok := ReadPayload(value)
	if !ok {
		l.wrong("payload", p, "the value at offset "+offsetText(o)+" is not what any client has written")
		return Payload{Client: -1}
	}
	if pay.Topic != p.Name.Topic || pay.Partition != p.Name.Partition {
		l.wrong("payload", p, "offset "+offsetText(o)+" holds a record that was sent to "+pay.Topic+"-"+
			strconv.Itoa(int(pay.Partition)))
		return Payload{Client: -1}
	}
	l.place(p, o, writer{pay.Client, pay.Number}, !p.topic.Caching)
	return pay
}

// Asked is what was true when a request was sent.
type Asked struct {
	starts int
	gone   core.Offset
	known  core.Offset // nothing at or above it is known
	cuts   int
}

// Ask notes that a request about a partition is sent.
func (l *Ledger) Ask(p *Partition) Asked {
	return Asked{l.starts, p.gone, core.Offset(len(p.records)), p.cuts}
}

// Watermarks notes a high watermark and a log start offset that somebody was told. Within one process neither goes back
// (C14, S19), and nothing is removed that no setting and no request removes.
func (l *Ledger) Watermarks(p *Partition, v *View, a Asked, highWatermark, logStart core.Offset) {
	if p.forgiven {
		return
	}
	// With another leader both may go back.
	same := v.starts == a.starts && !l.plan.Clustered()
	if !same {
		*v = View{starts: a.starts} // also of what this answer does not tell
	}
	if highWatermark >= 0 {
		if same && highWatermark < v.hw {
			l.wrong("high-watermark", p, "the high watermark went back from "+offsetText(v.hw)+" to "+
				offsetText(highWatermark))
		}
		v.hw = highWatermark
	}
	if logStart >= 0 {
		switch {
		case same && logStart < v.start:
			l.wrong("log-start", p, "the log start offset went back from "+offsetText(v.start)+" to "+offsetText(logStart))
		case highWatermark >= 0 && logStart > highWatermark:
			l.wrong("log-start", p, "the log start offset "+offsetText(logStart)+" is above the high watermark "+
				offsetText(highWatermark))
		// Another leader may not have heard of the deletion: the broker answers before all replicas have.
		case logStart < a.gone && !l.plan.Clustered():
			l.wrong("log-start", p, "the log starts at "+offsetText(logStart)+", and a request has deleted up to "+
				offsetText(a.gone))
		case p.topic.Retained && logStart > p.deleted:
			l.wrong("log-start", p, "the log starts at "+offsetText(logStart)+", and records were deleted up to "+
				offsetText(p.deleted)+" only")
		}
		v.start = logStart
		p.logStart = max(p.logStart, logStart)
	}
}

// View is what one client has been told of a partition.
type View struct {
	hw, start core.Offset
	starts    int
}

// Deleting notes that somebody asks to delete records up to an offset, which may or may not come about.
func (l *Ledger) Deleting(p *Partition, o core.Offset) { p.deleted = max(p.deleted, o) }

// HasDeleted notes that they are gone, which no crash takes back.
func (l *Ledger) HasDeleted(p *Partition, o core.Offset) { p.gone = max(p.gone, o) }

// OutOfRange judges a refusal of an offset: it must lie below the log start offset or above everything that is there.
func (l *Ledger) OutOfRange(p *Partition, a Asked, o core.Offset) {
	if o < a.known && a.cuts == p.cuts && !p.forgiven && p.records[o].known && p.topic.Retained && o >= p.deleted {
		l.wrong("out-of-range", p, "offset "+offsetText(o)+" is out of range, and was there")
	}
}

// Remembers reports whether a leader certainly knows of every batch that was acknowledged.
func (p *Partition) Remembers() bool {
	return !p.forgiven && !p.topic.Caching && p.topic.Retained && p.deleted == 0
}
