package workload

import (
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/record"
	"ottla.dev/sim/check"
	"ottla.dev/sim/history"
)

// admin makes and deletes topics, deletes records, and asks all kinds of things.
type admin struct {
	client
	flying bool
	topics map[string]topicState
	parts  map[string]*check.Partition // of topics that are certainly there
	number uint64
	made   int // topics
	doing  string
	// open are the topics by name for which a request has got no answer: it may reach a later topic of the name.
	open  map[string]bool
	about string // the name that the pending request is about
	// doomed are those among them that the request was to delete, deleting says that the pending one is of that kind.
	doomed   map[string]bool
	deleting bool
}

type topicState uint8

const (
	absent topicState = iota
	present
	unsure
)

func newAdmin(c client) *admin {
	a := &admin{client: c, topics: map[string]topicState{}, parts: map[string]*check.Partition{},
		open: map[string]bool{}, doomed: map[string]bool{}}
	a.opened, a.lost = a.act, a.down
	return a
}

func (a *admin) down() {
	a.flying = false
	a.unanswered()
	a.about, a.deleting = "", false
}

// unanswered notes that the pending request may still come about, whatever is at its name by then.
func (a *admin) unanswered() {
	if a.about == "" {
		return
	}
	a.open[a.about] = true
	a.doomed[a.about] = a.doomed[a.about] || a.deleting
}

// Start implements [Actor].
func (a *admin) Start() { a.dial() }

// Idle implements [Actor].
func (a *admin) Idle() bool { return a.finish && !a.flying }

// Doing implements [Actor].
func (a *admin) Doing() string { return "an answer to " + a.doing }

func (a *admin) act() {
	if !a.up || a.flying || a.finish {
		return
	}
	a.flying = true
	if a.spec.Odd > 0 && a.habits.Chance(1, uint64(a.spec.Odd)) {
		parts := a.ledger.Partitions()
		a.doing = "an odd question"
		a.odd(parts[a.habits.Below(uint64(len(parts)))], func() { a.done(0) })
		return
	}
	switch a.random.Below(8) {
	case 0:
		a.create()
	case 1:
		a.delete()
	case 2:
		a.deleteRecords()
	case 3:
		a.list()
	case 4:
		a.timestamp()
	case 5, 6:
		a.produce()
	default:
		a.ask()
	}
}

// done ends an operation with its error code; allowed are codes that the operation may meet with.
func (a *admin) done(code int16, allowed ...core.ErrorCode) {
	a.flying, a.about, a.deleting = false, "", false
	if code != 0 && !a.retriable(code) {
		ok := false
		for _, c := range allowed {
			ok = ok || core.ErrorCode(code) == c
		}
		if !ok {
			a.unexpected(a.doing, code)
		}
	}
	a.net.After(a.wait(a.spec.Pause), a.act)
}

// pickTopic draws one of the topics that come and go.
func (a *admin) pickTopic() string {
	return "e" + strconv.Itoa(a.index) + "-" + strconv.FormatUint(a.random.Below(4), 10)
}

func (a *admin) set(name string, s topicState) {
	if a.open[name] && a.plan.Clustered() {
		s = unsure // a broker may still be asking the controller for it
	}
	a.topics[name] = s
	if s == unsure {
		a.ledger.TopicUnsure(name)
	} else {
		a.ledger.Topic(name, s == present)
	}
}

func (a *admin) create() {
	a.doing = "CreateTopics"
	name := a.pickTopic()
	was := a.topics[name]
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 10000
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, int32(a.random.Between(1, 3)), 1
	if a.plan.Clustered() {
		rt.ReplicationFactor = int16(a.random.Between(int64(a.plan.LeastReplicas()), int64(min(a.plan.Brokers, 3))))
	}
	req.Topics = append(req.Topics, rt)
	a.set(name, unsure)
	a.about = name
	op := a.history.Topic(a.index, name, true, nil)
	a.request(req, a.version(0, 7), func(r kmsg.Response) {
		code := r.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode
		a.history.TopicDone(op, code)
		switch core.ErrorCode(code) {
		case core.NoError:
			if was == present && !a.plan.Clustered() {
				a.wrong("metadata", "topic "+name+" was made twice")
			}
			a.set(name, present)
			a.parts[name] = a.ledger.Made(name, a.doomed[name])
			if !a.open[name] {
				a.made++
				a.history.Made(a.parts[name], strconv.Itoa(a.made))
			}
		case core.RequestTimedOut, core.UnknownServerError:
			a.unanswered()
		case core.TopicAlreadyExists:
			// A broker may ask the controller twice.
			if was == absent && !a.plan.Clustered() {
				a.wrong("metadata", "topic "+name+" exists although it was deleted")
			}
			a.set(name, present)
		}
		a.done(code, a.early(core.TopicAlreadyExists)...)
	})
}

// early adds what a cluster may answer while not all of its brokers are there.
func (a *admin) early(codes ...core.ErrorCode) []core.ErrorCode {
	if a.plan.Clustered() {
		codes = append(codes, core.InvalidReplicationFactor)
	}
	return codes
}

func (a *admin) delete() {
	a.doing = "DeleteTopics"
	name := a.pickTopic()
	was := a.topics[name]
	version := a.version(0, 6)
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = 10000
	if version >= 6 {
		rt := kmsg.NewDeleteTopicsRequestTopic()
		rt.Topic = kmsg.StringPtr(name)
		req.Topics = append(req.Topics, rt)
	} else {
		req.TopicNames = []string{name}
	}
	a.set(name, unsure)
	a.about, a.deleting = name, true
	op := a.history.Topic(a.index, name, false, a.parts[name])
	a.ledger.Unmade(name)
	delete(a.parts, name)
	a.request(req, version, func(r kmsg.Response) {
		code := r.(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode
		a.history.TopicDone(op, code)
		switch core.ErrorCode(code) {
		case core.NoError:
			if was == absent && !a.plan.Clustered() {
				a.wrong("metadata", "topic "+name+" was deleted twice")
			}
			a.set(name, absent)
		case core.RequestTimedOut, core.UnknownServerError:
			a.unanswered()
		case core.UnknownTopicOrPartition:
			if was == present && !a.plan.Clustered() {
				a.wrong("metadata", "topic "+name+" is not there although it was made")
			}
			a.set(name, absent)
		}
		a.done(code)
	})
}

// list asks for all topics and judges those that this client has made.
func (a *admin) list() {
	a.doing = "Metadata"
	req := kmsg.NewPtrMetadataRequest()
	version := a.version(1, 13)
	a.request(req, version, func(r kmsg.Response) {
		resp := r.(*kmsg.MetadataResponse)
		there := map[string]bool{}
		for _, t := range resp.Topics {
			if t.Topic != nil {
				there[*t.Topic] = true
			}
		}
		for i := range a.plan.Topics {
			if name := a.plan.Topics[i].Name; !there[name] && !a.plan.Clustered() {
				a.wrong("metadata", "topic "+name+" is not there")
			}
		}
		a.done(0)
	})
}

func (a *admin) deleteRecords() {
	a.doing = "DeleteRecords"
	parts := a.ledger.All()
	part := parts[a.random.Below(uint64(len(parts)))]
	// Who is away while records are deleted has them still when it comes back.
	short := slices.IndexFunc(parts, func(p *check.Partition) bool { return a.net.Short(p.Name) })
	if short >= 0 {
		part = parts[short]
	}
	a.listOffsets(part, -1, func(code int16, end int64) {
		if code != 0 || end <= 0 || short < 0 && !a.random.Chance(1, 4) {
			a.done(code)
			return
		}
		to := a.random.Between(0, end)
		req := kmsg.NewPtrDeleteRecordsRequest()
		req.TimeoutMillis = 10000
		rt := kmsg.NewDeleteRecordsRequestTopic()
		rt.Topic = part.Name.Topic
		rp := kmsg.NewDeleteRecordsRequestTopicPartition()
		rp.Partition, rp.Offset = int32(part.Name.Partition), to
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		a.ledger.Deleting(part, core.Offset(to))
		op := a.history.DeleteRecords(a.index, a.history.Log(part), to)
		a.request(req, a.version(0, 2), func(r kmsg.Response) {
			rp := r.(*kmsg.DeleteRecordsResponse).Topics[0].Partitions[0]
			a.history.Done(op, rp.ErrorCode)
			if rp.ErrorCode == 0 {
				if rp.LowWatermark < to {
					a.wrong("log-start", "DeleteRecords up to "+strconv.FormatInt(to, 10)+" of "+part.Name.String()+
						" answers "+strconv.FormatInt(rp.LowWatermark, 10))
				}
				a.ledger.HasDeleted(part, core.Offset(to))
			}
			a.done(rp.ErrorCode, core.OffsetOutOfRange)
		})
	})
}

// produce sends a record to a topic that comes and goes.
func (a *admin) produce() {
	a.doing = "Produce"
	part := a.parts[a.pickTopic()]
	if part == nil {
		a.done(0)
		return
	}
	a.number++
	first, began := a.number, part.Sending()
	var rb record.Builder
	rb.Start(nil, 0)
	rb.Append(a.net.Wall(), nil, check.AppendPayload(nil, check.Payload{Client: a.index, Number: first,
		Topic: part.Name.Topic}, 30))
	buf, _ := rb.Finish()
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 10000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = part.Name.Topic
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Records = buf
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	a.about = part.Name.Topic
	op := a.history.Send(a.index, a.history.Log(part), history.Batch{First: first, Count: 1, Acks: -1})
	a.history.Attempt(op)
	a.request(req, a.version(3, 12), func(r kmsg.Response) {
		rp := r.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
		if rp.ErrorCode != 0 {
			a.history.Done(op, rp.ErrorCode)
		} else {
			a.history.Sent(op, core.Offset(rp.BaseOffset))
			a.ledger.Acked(part, began, core.Offset(rp.BaseOffset), a.index, first, 1, -1)
		}
		a.done(rp.ErrorCode)
	})
}

func (a *admin) timestamp() {
	a.doing = "ListOffsets"
	parts := a.ledger.Partitions()
	part := parts[a.random.Below(uint64(len(parts)))]
	at := int64(a.net.Wall()) - a.random.Between(-1000, 20000)
	a.listOffsets(part, at, func(code int16, offset int64) { a.done(code) })
}

// ask sends one of the questions whose answers are only decoded.
func (a *admin) ask() {
	topic := a.plan.Topics[a.random.Below(uint64(len(a.plan.Topics)))].Name
	var req kmsg.Request
	lo, hi := int16(0), int16(0)
	switch a.random.Below(9) {
	case 0:
		r := kmsg.NewPtrDescribeConfigsRequest()
		rr := kmsg.NewDescribeConfigsRequestResource()
		rr.ResourceType, rr.ResourceName = kmsg.ConfigResourceTypeTopic, topic
		r.Resources = append(r.Resources, rr)
		req, hi = r, 4
	case 1:
		r := kmsg.NewPtrDescribeGroupsRequest()
		r.Groups = []string{"g0", "g1"}
		req, hi = r, 5
	case 2:
		req, hi = kmsg.NewPtrListGroupsRequest(), 5
	case 3:
		req, hi = kmsg.NewPtrDescribeLogDirsRequest(), 4
	case 4:
		req, hi = kmsg.NewPtrDescribeClusterRequest(), 1
	case 5:
		r := kmsg.NewPtrFindCoordinatorRequest()
		r.CoordinatorKey = "g0"
		req, hi = r, 3
	case 6:
		r := kmsg.NewPtrDescribeProducersRequest()
		rt := kmsg.NewDescribeProducersRequestTopic()
		rt.Topic, rt.Partitions = topic, []int32{0}
		r.Topics = append(r.Topics, rt)
		req = r
	case 7:
		req, hi = kmsg.NewPtrApiVersionsRequest(), 4
	default:
		r := kmsg.NewPtrOffsetForLeaderEpochRequest()
		rt := kmsg.NewOffsetForLeaderEpochRequestTopic()
		rt.Topic = topic
		rp := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		rp.LeaderEpoch = int32(a.random.Between(0, 3))
		rt.Partitions = append(rt.Partitions, rp)
		r.Topics = append(r.Topics, rt)
		req, lo, hi = r, 2, 4
	}
	a.doing = kmsg.NameForKey(req.Key())
	a.request(req, a.version(lo, hi), func(kmsg.Response) { a.done(0) })
}
