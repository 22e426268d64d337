package workload

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/record"
	"ottla.dev/sim/check"
	"ottla.dev/sim/fault"
	"ottla.dev/sim/history"
)

// Auditor makes the plan's topics and starts the other clients, and when these are done it reads everything back.
type Auditor struct {
	client
	codecs   *record.Codecs
	start    func()
	idle     func() bool
	audited  func()
	begun    bool // the topics are there
	over     bool
	flying   bool
	doing    string
	parts    int // partitions that are read back
	at       core.Offset
	from     core.Offset
	end      core.Offset
	read     map[core.Offset]bool
	polls    []int // in the history, of the partition
	groups   []groupOffsets
	asked    int // of groups
	settled  int // groups that are at rest
	settling string

	description description
}

type groupOffsets struct {
	group string
	part  core.TopicPartition
}

// NewAuditor returns the auditor. It calls start when the topics are there, and audited at the end.
func NewAuditor(net Net, index int, plan *fault.Plan, random core.PRNG, l *check.Ledger, h *history.Recorder,
	start func(), idle func() bool, audited func()) *Auditor {
	a := &Auditor{client: newClient(net, index, plan, fault.Client{}, random, l, h), codecs: record.NewCodecs(0),
		start: start, idle: idle, audited: audited, doing: "the first connection"}
	a.opened, a.lost, a.gone = a.act, func() { a.flying = false }, a.deleted
	return a
}

// deleted leaves a partition out whose topic is not there any more, if a deletion was under way that nobody has heard
// the end of.
func (a *Auditor) deleted() bool {
	all := a.ledger.All()
	if !a.begun || a.parts >= len(all) || all[a.parts].Name != a.route.aim.part || !all[a.parts].Doomed() {
		return false
	}
	a.net.Fired("topic deleted late")
	a.parts++
	a.read, a.route.aim = nil, aim{}
	a.act()
	return true
}

// Start implements [Actor].
func (a *Auditor) Start() { a.dial() }

// Idle implements [Actor].
func (a *Auditor) Idle() bool { return a.over }

// Doing implements [Actor].
func (a *Auditor) Doing() string { return a.doing }

func (a *Auditor) later() {
	a.flying = false
	a.net.After(pauseBeforeRetry, a.act)
}

func (a *Auditor) act() {
	switch {
	case !a.up || a.flying || a.over:
		return
	case !a.begun:
		a.makeTopics()
	case !a.finish || !a.idle():
		a.net.After(pauseBeforeRetry, a.act)
	case a.settled < len(a.ledger.MemberGroups()):
		a.settle(a.ledger.MemberGroups()[a.settled])
	case a.parts < len(a.ledger.All()):
		a.readBack(a.ledger.All()[a.parts])
	case a.groups == nil:
		a.groups = []groupOffsets{}
		a.ledger.Groups(func(group string, p core.TopicPartition) { a.groups = append(a.groups, groupOffsets{group, p}) })
		a.act()
	case a.asked < len(a.groups):
		a.offsets(a.groups[a.asked])
	case !a.description.over:
		a.describe()
	default:
		a.metadata()
	}
}

func (a *Auditor) makeTopics() {
	a.flying, a.doing = true, "the making of the topics"
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 10000
	for i := range a.plan.Topics {
		t := &a.plan.Topics[i]
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = t.Name, t.Partitions, t.ReplicationFactor()
		for _, s := range t.Settings {
			rc := kmsg.NewCreateTopicsRequestTopicConfig()
			rc.Name, rc.Value = s.Name, kmsg.StringPtr(s.Value)
			rt.Configs = append(rt.Configs, rc)
		}
		req.Topics = append(req.Topics, rt)
	}
	a.request(req, 7, func(r kmsg.Response) {
		there := 0
		for _, t := range r.(*kmsg.CreateTopicsResponse).Topics {
			switch core.ErrorCode(t.ErrorCode) {
			case core.NoError, core.TopicAlreadyExists:
				there++
			default:
				// The brokers may not have registered yet.
				early := a.plan.Clustered() && core.ErrorCode(t.ErrorCode) == core.InvalidReplicationFactor
				if !early && !a.retriable(t.ErrorCode) {
					text := ""
					if t.ErrorMessage != nil {
						text = *t.ErrorMessage
					}
					a.unexpected("CreateTopics ("+text+")", t.ErrorCode)
				}
			}
		}
		if there == len(a.plan.Topics) {
			a.begun = true
			a.start()
		}
		a.later()
	})
}

// readBack reads a partition from its log start offset to its end.
func (a *Auditor) readBack(part *check.Partition) {
	a.doing = "reading back " + part.Name.String()
	if !a.aimAt(aim{part: part.Name}) {
		return
	}
	a.flying = true
	if a.read == nil {
		a.listOffsets(part, -2, func(code int16, start int64) {
			if code != 0 {
				a.retriable(code)
				a.later()
				return
			}
			a.listOffsets(part, -1, func(code int16, end int64) {
				a.flying = false
				// What acks=1 was answered for may not be committed yet, but will be.
				if code != 0 || core.Offset(end) < part.Known() {
					a.retriable(code)
					a.later()
					return
				}
				a.from, a.at, a.end = core.Offset(start), core.Offset(start), core.Offset(end)
				a.read, a.polls = map[core.Offset]bool{}, a.polls[:0]
				a.history.Assign(a.index, a.history.Log(part))
				a.act()
			})
		})
		return
	}
	if a.at >= a.end {
		read := a.read
		a.history.Final(a.polls)
		a.ledger.ReadBack(part, a.from, a.end, func(o core.Offset) bool { return read[o] })
		a.read = nil
		a.parts++
		a.flying = false
		a.act()
		return
	}
	a.fetch(part)
}

func (a *Auditor) fetch(part *check.Partition) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = 100, 1, 1<<20, -1
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = part.Name.Topic
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = int32(part.Name.Partition), int64(a.at), 1<<20
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	call := a.net.Now()
	a.request(req, 12, func(r kmsg.Response) {
		a.flying = false
		resp := r.(*kmsg.FetchResponse)
		if resp.ErrorCode != 0 || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			a.unexpected("Fetch", resp.ErrorCode)
			return
		}
		rp := &resp.Topics[0].Partitions[0]
		switch {
		case core.ErrorCode(rp.ErrorCode) == core.OffsetOutOfRange:
			a.read = nil // retention was faster
			a.later()
			return
		case rp.ErrorCode != 0:
			a.retriable(rp.ErrorCode)
			a.later()
			return
		}
		poll := a.history.Poll(a.index, call)
		from := a.at
		if from == a.from {
			from = 0 // the start was the broker's choice: it answers for what is not there
		}
		poll.Read(a.history.Log(part), from, core.Offset(rp.HighWatermark))
		next, _ := readBatches(&a.client, &poll, a.codecs, part, a.at, core.Offset(rp.HighWatermark), rp.RecordBatches)
		poll.Next(next)
		if op := poll.Done(); op != history.None {
			a.polls = append(a.polls, op)
		}
		for o := a.at; o < next; o++ {
			a.read[o] = true
		}
		if next == a.at {
			a.later()
			return
		}
		a.at = next
		a.act()
	})
}

func (a *Auditor) offsets(g groupOffsets) {
	a.doing = "the offsets of group " + g.group
	if !a.aimAt(aim{group: g.group}) {
		return
	}
	a.flying = true
	a.committedOffsets(g.group, []core.TopicPartition{g.part}, func(code int16, _ core.Offset) {
		if code != 0 {
			if !a.retriable(code) {
				a.unexpected("OffsetFetch", code)
			}
			a.later()
			return
		}
		a.asked++
		a.flying = false
		a.act()
	})
}

// metadata reads the list of topics, the last thing.
func (a *Auditor) metadata() {
	a.doing = "the list of topics"
	if !a.aimAt(aim{}) {
		return
	}
	a.flying = true
	a.request(kmsg.NewPtrMetadataRequest(), 1, func(r kmsg.Response) {
		names := map[string]bool{}
		for _, t := range r.(*kmsg.MetadataResponse).Topics {
			if t.Topic != nil {
				names[*t.Topic] = true
			}
		}
		a.ledger.Topics(names)
		a.over, a.flying = true, false
		a.net.After(time.Millisecond, a.audited)
	})
}
