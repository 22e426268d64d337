package workload

import (
	"bytes"
	"math"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/record"
	"ottla.dev/sim/check"
	"ottla.dev/sim/history"
)

// producer sends batches as Kafka's own producers do: several requests in flight, and after a failure all that have no
// answer again, in order and with the same sequence numbers.
type producer struct {
	client
	id      int64
	epoch   int16
	asking  bool // for a producer id
	seqs    map[core.TopicPartition]int32
	number  uint64
	sent    int                            // requests that were made
	acked   map[core.TopicPartition]uint64 // the first record that was, under this producer id
	window  []*sending                     // requests that are not done, oldest first
	flying  int                            // of them, those that were sent on this connection and have no answer
	again   bool                           // all of the window is to be sent again once nothing is flying
	resting bool                           // until the next batch
	backing bool                           // off, until what was refused is sent again
	before  map[core.TopicPartition]int32  // sequence numbers of the epoch before this one
	zombie  bool                           // a batch of that epoch is due
	builder record.Builder
	built   []byte // memory for a batch
	value   []byte // and for a value
}

// sending is one produce request.
type sending struct {
	batches []*batch
	number  int
}

type batch struct {
	part  *check.Partition
	first uint64
	count int
	began check.Sending
	bytes []byte
	bad   bool
	// zombie says that it is of an epoch of the producer that another has taken the place of.
	zombie bool
	done   bool
	op     int // in the history
}

func newProducer(c client) *producer {
	p := &producer{client: c, id: -1, epoch: -1, seqs: map[core.TopicPartition]int32{},
		acked: map[core.TopicPartition]uint64{}}
	p.opened, p.lost = p.pump, p.down
	return p
}

// Start implements [Actor].
func (p *producer) Start() { p.dial() }

// Idle implements [Actor].
func (p *producer) Idle() bool { return p.finish && len(p.window) == 0 }

// Doing implements [Actor].
func (p *producer) Doing() string {
	if len(p.window) == 0 {
		return "nothing"
	}
	return strconv.Itoa(len(p.window)) + " produce requests, the first for " + p.window[0].batches[0].part.Name.String()
}

func (p *producer) down() {
	p.flying, p.asking = 0, false
	p.again = len(p.window) > 0
}

// pump does what can be done next.
func (p *producer) pump() {
	switch {
	case !p.up || p.asking:
	case p.spec.Idempotent && p.id < 0:
		p.askID()
	case p.again && (p.flying > 0 || p.backing):
	case p.again:
		p.again = false
		for _, s := range p.window {
			p.send(s)
		}
	case p.finish || p.resting || len(p.window) >= p.spec.InFlight || p.ahead():
	case !p.refocus():
	case p.bump():
		p.askID()
	default:
		s := p.next()
		p.window = append(p.window, s)
		p.send(s)
		p.rest(p.wait(2 * p.spec.Pause))
		p.pump()
	}
}

func (p *producer) rest(d time.Duration) {
	p.resting = true
	p.net.After(d, func() {
		p.resting = false
		p.pump()
	})
}

// retryBackoff is half of retry.backoff.ms of Kafka's producers.
const retryBackoff = 50 * time.Millisecond

// backOff lets some time go by before anything is sent again. A partition may be away for as long as its log directory
// is: without a pause its refusals were most of what happened in such a world.
func (p *producer) backOff() {
	if p.backing {
		return
	}
	p.backing = true
	p.net.After(retryBackoff, func() {
		p.backing = false
		p.pump()
	})
}

func (p *producer) askID() {
	p.asking = true
	req := kmsg.NewPtrInitProducerIDRequest()
	p.request(req, p.version(0, 5), func(r kmsg.Response) {
		p.asking = false
		resp := r.(*kmsg.InitProducerIDResponse)
		switch {
		case resp.ErrorCode == 0:
			p.id, p.epoch = resp.ProducerID, max(resp.ProducerEpoch, p.spec.Epoch)
			p.pump()
		case p.retriable(resp.ErrorCode):
			p.net.After(100*time.Millisecond, p.pump)
		default:
			p.unexpected("InitProducerId", resp.ErrorCode)
		}
	})
}

// focusEvery is how many batches a producer of a cluster sends to a partition on average: it has one connection, so
// that it can talk to one leader at a time.
const focusEvery = 20

// ahead reports whether the oldest request is so far behind the next one that a leader may not remember it any more
// when it comes again: Kafka's producers do not go on while a batch is being repeated.
func (p *producer) ahead() bool {
	return p.plan.Clustered() && len(p.window) > 0 && p.sent-p.window[0].number >= p.spec.InFlight
}

// refocus chooses in a cluster which partition is written to. It reports false if that needs another connection.
func (p *producer) refocus() bool {
	if !p.plan.Clustered() || len(p.window) > 0 || p.route.aim.part.Topic != "" && !p.random.Chance(1, focusEvery) {
		return true
	}
	parts := p.ledger.Partitions()
	return p.aimAt(aim{part: parts[p.random.Below(uint64(len(parts)))].Name})
}

// next makes a request of one to three batches for different partitions.
func (p *producer) next() *sending {
	s := &sending{number: p.sent}
	p.sent++
	if p.plan.Clustered() {
		s.batches = append(s.batches, p.batch(p.ledger.Partition(p.route.aim.part)))
		return s
	}
	parts := p.ledger.Partitions()
	i := int(p.random.Below(uint64(len(parts))))
	for n := p.random.Between(1, 3); n > 0 && len(s.batches) < len(parts); n-- {
		s.batches = append(s.batches, p.batch(parts[i]))
		i = (i + 1) % len(parts)
	}
	return s
}

// roomLeft is what is kept free of a batch's largest size, for recompression that makes a batch larger.
const roomLeft = 100

func (p *producer) batch(part *check.Partition) *batch {
	b := &batch{part: part, first: p.number, began: part.Sending()}
	if b.bad = p.spec.Bad > 0 && p.random.Chance(1, uint64(p.spec.Bad)); b.bad {
		p.net.Fired(SentWrong)
	}
	b.zombie = !b.bad && p.haunts(part)
	rb := &p.builder
	rb.Start(p.built[:0], 0)
	switch {
	case b.zombie:
		rb.SetProducer(core.ProducerID(p.id), core.ProducerEpoch(p.epoch-1), core.Sequence(p.before[part.Name]))
	case p.spec.Idempotent && !b.bad:
		rb.SetProducer(core.ProducerID(p.id), core.ProducerEpoch(p.epoch), core.Sequence(p.sequence(part.Name)))
	}
	limit := part.LargestBatch() - roomLeft
	for range p.random.Between(1, int64(p.spec.MaxRecords)) {
		p.value = check.AppendPayload(p.value[:0], check.Payload{Client: p.index, Number: p.number, Topic: part.Name.Topic,
			Partition: part.Name.Partition}, int(p.random.Between(1, int64(p.spec.MaxValue))))
		value := p.value
		if b.count > 0 && rb.Size()+rb.Room(p.net.Wall(), nil, value) > limit {
			break
		}
		rb.Append(p.net.Wall(), nil, value)
		b.count++
		p.number++
	}
	p.built, _ = rb.Finish()
	buf := bytes.Clone(p.built)
	b.bytes = buf
	switch {
	case b.zombie:
		p.ledger.Refused(part, p.index, b.first, b.count)
	case b.bad:
		buf[len(buf)-1-int(p.random.Below(uint64(len(buf)-21)))] ^= 1 << p.random.Below(8)
		p.ledger.Refused(part, p.index, b.first, b.count)
	case p.spec.Idempotent:
		p.seqs[part.Name] = int32((int64(p.sequence(part.Name)) + int64(b.count)) % (math.MaxInt32 + 1))
	}
	b.op = p.history.Send(p.index, p.history.Log(part), history.Batch{First: b.first, Count: b.count, Acks: p.spec.Acks,
		Idempotent: p.spec.Idempotent && !b.bad && !b.zombie, Producer: p.id, Epoch: p.epoch})
	return b
}

// sequence is the next sequence number for a partition. Brokers take any as a producer's first, and go on with 0 behind
// the largest.
func (p *producer) sequence(part core.TopicPartition) int32 {
	if next, ok := p.seqs[part]; ok {
		return next
	}
	if p.before != nil {
		return 0 // a new epoch
	}
	return p.spec.Sequence
}

func (p *producer) send(s *sending) {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = p.spec.Acks, int32(p.random.Between(50, 20000))
	version := p.version(3, 13)
	if version >= 13 && len(p.ids) < len(p.plan.Topics) {
		version = 12
	}
	for _, b := range s.batches {
		if b.done {
			continue
		}
		p.history.Attempt(b.op)
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Partition, rp.Records = int32(b.part.Name.Partition), b.bytes
		if n := len(req.Topics); n > 0 && req.Topics[n-1].Topic == b.part.Name.Topic {
			req.Topics[n-1].Partitions = append(req.Topics[n-1].Partitions, rp)
			continue
		}
		rt := kmsg.NewProduceRequestTopic()
		rt.Topic, rt.TopicID = b.part.Name.Topic, p.ids[b.part.Name.Topic]
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
	}
	if p.spec.Acks == 0 {
		p.sendSilent(req, version)
		return
	}
	p.flying++
	p.request(req, version, func(r kmsg.Response) {
		p.flying--
		p.answered(s, r.(*kmsg.ProduceResponse))
		p.pump()
	})
}

// sendSilent sends a request that gets no answer.
func (p *producer) sendSilent(req *kmsg.ProduceRequest, version int16) {
	req.SetVersion(version)
	p.corr++
	p.net.Send(p.frame(req))
	for _, s := range p.window {
		for _, b := range s.batches {
			p.history.Silent(b.op)
		}
	}
	p.window = p.window[:0]
}

func (p *producer) answered(s *sending, resp *kmsg.ProduceResponse) {
	left := 0
	for _, b := range s.batches {
		if b.done {
			continue
		}
		rp := p.find(resp, b)
		if rp == nil {
			p.wrong("missing-answer", "a Produce answer lacks "+b.part.Name.String())
			return
		}
		p.outcome(s, b, rp)
		if !b.done {
			left++
		}
	}
	if left > 0 {
		p.again = true
		p.backOff()
		return
	}
	for i, o := range p.window {
		if o == s {
			p.window = append(p.window[:i:i], p.window[i+1:]...)
			return
		}
	}
}

func (p *producer) find(resp *kmsg.ProduceResponse, b *batch) *kmsg.ProduceResponseTopicPartition {
	for i := range resp.Topics {
		t := &resp.Topics[i]
		if t.Topic != b.part.Name.Topic && (resp.Version < 13 || t.TopicID != p.ids[b.part.Name.Topic]) {
			continue
		}
		for j := range t.Partitions {
			if t.Partitions[j].Partition == int32(b.part.Name.Partition) {
				return &t.Partitions[j]
			}
		}
	}
	return nil
}

func (p *producer) outcome(s *sending, b *batch, rp *kmsg.ProduceResponseTopicPartition) {
	code := core.ErrorCode(rp.ErrorCode)
	switch {
	case code == core.NoError && b.bad:
		p.wrong("bad-batch", "a batch with a flipped bit was taken at "+b.part.Name.String())
	case code == core.NoError && b.zombie && b.part.Remembers():
		p.wrong("zombie-producer", "a batch of epoch "+strconv.Itoa(int(p.epoch-1))+" of producer "+
			strconv.FormatInt(p.id, 10)+" was taken at "+b.part.Name.String()+", where one of epoch "+
			strconv.Itoa(int(p.epoch))+" was acknowledged before")
	case code == core.NoError:
		b.done = true
		if p.plan.Clustered() && p.spec.Acks == 1 {
			p.history.Silent(b.op) // a leader that was deposed and does not know it says so too
		} else {
			p.history.Sent(b.op, core.Offset(rp.BaseOffset))
		}
		if first, ok := p.acked[b.part.Name]; !ok || b.first < first {
			p.acked[b.part.Name] = b.first
		}
		p.ledger.Acked(b.part, b.began, core.Offset(rp.BaseOffset), p.index, b.first, b.count, p.spec.Acks)
	case p.retriable(rp.ErrorCode):
	case b.bad, b.zombie && code == core.InvalidProducerEpoch:
		b.done = true
		p.history.Done(b.op, rp.ErrorCode)
	case p.spec.Idempotent && (code == core.OutOfOrderSequenceNumber || code == core.UnknownProducerID ||
		code == core.InvalidProducerEpoch):
		p.hears("Produce", rp.ErrorCode)
		p.sequenceLost(s, b, code)
	default:
		p.unexpected("Produce to "+b.part.Name.String(), rp.ErrorCode)
		b.done = true
	}
}

// sequenceLost judges a refused sequence number. Behind a batch that has failed itself it is natural. Otherwise the
// broker has forgotten acknowledged records, which only write.caching allows it to, and the producer begins anew.
func (p *producer) sequenceLost(s *sending, b *batch, code core.ErrorCode) {
	for _, o := range p.window {
		for _, earlier := range o.batches {
			if earlier.part == b.part && !earlier.done && earlier != b {
				return
			}
			if earlier == b {
				if !b.part.MayForget() && !p.unknown(b) {
					p.wrong("sequence", code.String()+" at "+b.part.Name.String()+" for record "+
						strconv.FormatUint(b.first, 10)+", and everything before it was acknowledged")
				}
				p.renew()
				return
			}
		}
	}
}

// unknown reports whether a leader may know nothing of the producer, of whom it takes any sequence number as the first
// then (Kafka: ProducerAppendInfo.checkSequence). When the first of several batches in flight is refused for want of
// replicas, and the next one is not, the first one's number is never in order again.
func (p *producer) unknown(b *batch) bool {
	first, ok := p.acked[b.part.Name]
	return p.plan.Clustered() && (!ok || first > b.first)
}

// renew takes a new producer id and gives up what has no answer: whether it is in the log is not known.
func (p *producer) renew() {
	p.id = -1
	for _, o := range p.window {
		for _, b := range o.batches {
			b.done = true
		}
	}
	p.window = nil
	clear(p.seqs)
	clear(p.acked)
	p.before, p.zombie = nil, false
}
