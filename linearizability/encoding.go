package linearizability

// headerLine is the first line of a file.
type headerLine struct {
	Version *int   `json:"ottla_history"`
	Note    string `json:"note,omitempty"`
	Allow   *Allow `json:"allow,omitempty"`
}

// opLine is an operation as its line says it. Pointers tell what is left out.
type opLine struct {
	Process *int32 `json:"process"`
	Kind    string `json:"kind"`
	Call    *int64 `json:"call"`
	Return  *int64 `json:"return,omitempty"`
	Outcome string `json:"outcome"`
	Error   string `json:"error,omitempty"`

	partitionFields
	Offset     *int64   `json:"offset,omitempty"`
	Values     []string `json:"values,omitempty"`
	Acks       *int8    `json:"acks,omitempty"`
	Attempts   int32    `json:"attempts,omitempty"`
	Idempotent bool     `json:"idempotent,omitempty"`
	Producer   *int64   `json:"producer,omitempty"`
	Epoch      *int32   `json:"epoch,omitempty"`

	Reads         []readLine `json:"reads,omitempty"`
	ReadCommitted bool       `json:"read_committed,omitempty"`
	Final         bool       `json:"final,omitempty"`

	Group      string            `json:"group,omitempty"`
	Generation *int32            `json:"generation,omitempty"`
	Partitions []partitionFields `json:"partitions,omitempty"`

	Txn    string `json:"txn,omitempty"`
	Commit bool   `json:"commit,omitempty"`
	Name   string `json:"name,omitempty"`
}

// readLine is a read as it stands in the line of a poll.
type readLine struct {
	partitionFields
	Offsets       []int64  `json:"offsets,omitempty"`
	Values        []string `json:"values,omitempty"`
	From          *int64   `json:"from,omitempty"`
	Next          *int64   `json:"next,omitempty"`
	HighWatermark *int64   `json:"high_watermark,omitempty"`
}

type partitionFields struct {
	Topic     string `json:"topic,omitempty"`
	TopicID   string `json:"topic_id,omitempty"`
	Partition *int32 `json:"partition,omitempty"`
}

func (f partitionFields) partition() Partition {
	return Partition{Topic: f.Topic, TopicID: f.TopicID, Index: orNone(f.Partition)}
}

func partitionLine(p Partition) partitionFields {
	if p == (Partition{}) {
		return partitionFields{}
	}
	return partitionFields{Topic: p.Topic, TopicID: p.TopicID, Partition: unlessNone(p.Index)}
}

func orNone[T int8 | int32 | int64](p *T) T {
	if p == nil {
		return None
	}
	return *p
}

func unlessNone[T int8 | int32 | int64](v T) *T {
	if v == None {
		return nil
	}
	return &v
}

// op returns the operation, or what the line lacks.
func (l *opLine) op() (op Op, reason string) {
	kind, ok := kindNamed(l.Kind)
	switch {
	case l.Kind == "":
		return op, "no kind"
	case !ok:
		return op, `no kind of operation is called "` + l.Kind + `"`
	case l.Process == nil:
		return op, "no process"
	case l.Call == nil:
		return op, "no call"
	}
	outcome, ok := outcomeNamed(l.Outcome)
	if !ok {
		return op, `outcome "` + l.Outcome + `" is none of "ok", "fail" and "info"`
	}
	op = NewOp(kind, *l.Process, *l.Call)
	op.Outcome, op.Error = outcome, l.Error
	if l.Return != nil {
		op.Return = *l.Return
	}
	op.Partition = l.partition()
	if l.Partition == nil && l.Topic == "" {
		op.Partition = Partition{}
	}
	op.Offset, op.Values, op.Acks, op.Attempts = orNone(l.Offset), l.Values, orNone(l.Acks), l.Attempts
	op.Idempotent, op.Producer, op.Epoch = l.Idempotent, orNone(l.Producer), orNone(l.Epoch)
	for i := range l.Reads {
		r := &l.Reads[i]
		op.Reads = append(op.Reads, Read{
			Partition: r.partition(), Offsets: r.Offsets, Values: r.Values,
			From: orNone(r.From), Next: orNone(r.Next), HighWatermark: orNone(r.HighWatermark),
		})
	}
	op.ReadCommitted, op.Final = l.ReadCommitted, l.Final
	op.Group, op.Generation = l.Group, orNone(l.Generation)
	for _, p := range l.Partitions {
		op.Partitions = append(op.Partitions, p.partition())
	}
	op.Txn, op.TxnCommit, op.Name = l.Txn, l.Commit, l.Name
	return op, ""
}

func lineOf(op *Op) opLine {
	l := opLine{
		Process: &op.Process, Kind: op.Kind.String(), Call: &op.Call, Outcome: op.Outcome.String(), Error: op.Error,
		partitionFields: partitionLine(op.Partition), Offset: unlessNone(op.Offset),
		Values: op.Values, Acks: unlessNone(op.Acks), Attempts: op.Attempts, Idempotent: op.Idempotent,
		Producer: unlessNone(op.Producer), Epoch: unlessNone(op.Epoch),
		ReadCommitted: op.ReadCommitted, Final: op.Final, Group: op.Group, Generation: unlessNone(op.Generation),
		Txn: op.Txn, Commit: op.TxnCommit, Name: op.Name,
	}
	if op.Return != Never {
		l.Return = &op.Return
	}
	for i := range op.Reads {
		r := &op.Reads[i]
		l.Reads = append(l.Reads, readLine{
			partitionFields: partitionLine(r.Partition), Offsets: r.Offsets, Values: r.Values,
			From: unlessNone(r.From), Next: unlessNone(r.Next), HighWatermark: unlessNone(r.HighWatermark),
		})
	}
	for _, p := range op.Partitions {
		l.Partitions = append(l.Partitions, partitionLine(p))
	}
	return l
}
