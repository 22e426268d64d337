package workload

import (
	"math"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// stranger does what other clients do not, on a topic and in groups of its own, of whatever broker it meets: sequence
// numbers and producer epochs at their largest, records that are days old, batches that are too large, sessions out of
// turn, static members, commits that nobody may make, offsets that expire. It is told many things that are no use to
// it, and believes any of them: what it does must not hurt the others, nor the machines.
type stranger struct {
	client
	flying bool
	left   int // what it does on this connection before it goes to another broker
	doing  string
	topic  string
	group  string

	producers int64 // ids that it has made up
	id        core.ProducerID
	epoch     int16
	sequence  int64
	batch     []byte // the last one
	// sure says that the log knows the producer: a batch of its epoch was taken, and nobody has deleted anything since.
	sure bool
	// unsure says that a deletion may come at any time, whose answer is lost.
	unsure bool

	session, turn int32 // of its fetches
	member        string
	former        string // what the process before was called
	generation    int32
	leads         bool
}

func newStranger(c client) *stranger {
	s := &stranger{client: c, topic: "e" + strconv.Itoa(c.index) + "x", group: "s" + strconv.Itoa(c.index)}
	s.renew()
	s.opened = func() {
		s.session, s.left = 0, int(s.random.Between(5, 40))
		s.act()
	}
	s.lost = func() {
		s.unsure = s.unsure || s.flying && (s.doing == deletesTopic || s.doing == deletesRecords)
		s.flying, s.sure = false, false
	}
	return s
}

// What it does that makes a log forget producers.
const (
	deletesTopic   = "DeleteTopics"
	deletesRecords = "DeleteRecords"
)

// Start implements [Actor].
func (s *stranger) Start() { s.dial() }

// Idle implements [Actor].
func (s *stranger) Idle() bool { return s.finish && !s.flying }

// Doing implements [Actor].
func (s *stranger) Doing() string { return "an answer to " + s.doing }

func (s *stranger) act() {
	if !s.up || s.flying || s.finish {
		return
	}
	if s.left--; s.left < 0 {
		s.hang()
		return
	}
	s.flying = true
	switch s.random.Below(20) {
	case 0:
		s.create()
	case 1:
		if s.random.Chance(1, 6) {
			s.delete()
			return
		}
		s.create()
	case 2, 3, 4, 5, 6, 7:
		s.produce()
	case 8:
		s.deleteRecords()
	case 9:
		s.listOffsets()
	case 10, 11:
		s.fetch()
	case 12, 13, 14:
		s.join()
	case 15:
		s.beat()
	case 16, 17, 18:
		s.commit()
	default:
		s.forget()
	}
}

// ask sends a request. What comes back is read and not judged.
func (s *stranger) ask(what string, req kmsg.Request, version int16, then func(kmsg.Response)) {
	s.doing = what
	s.request(req, version, func(r kmsg.Response) {
		s.flying = false
		if then != nil {
			then(r)
		}
		s.net.After(s.wait(s.spec.Pause), s.act)
	})
}

func (s *stranger) create() {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 5000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = s.topic, 1, 1
	if s.plan.Clustered() {
		t.ReplicationFactor = int16(max(s.plan.LeastReplicas(), min(s.plan.Brokers, 3)))
	}
	for _, c := range [][2]string{{"internal.segment.bytes", "1024"}, {"max.message.bytes", "100000"},
		{"retention.bytes", [...]string{"-1", "5000"}[s.index%2]}} {
		x := kmsg.NewCreateTopicsRequestTopicConfig()
		x.Name, x.Value = c[0], kmsg.StringPtr(c[1])
		t.Configs = append(t.Configs, x)
	}
	req.Topics = append(req.Topics, t)
	s.ask("CreateTopics", req, s.version(2, 7), nil)
}

func (s *stranger) delete() {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis, req.TopicNames = 5000, []string{s.topic}
	s.sure = false
	s.ask(deletesTopic, req, 5, nil)
}

func (s *stranger) deleteRecords() {
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = int32(s.random.Between(1, 300))
	t := kmsg.NewDeleteRecordsRequestTopic()
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	t.Topic, p.Offset = s.topic, -1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	s.sure = false
	s.ask(deletesRecords, req, s.version(0, 2), func(kmsg.Response) { s.sure = false })
}

func (s *stranger) listOffsets() {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	for _, name := range append([]string{s.topic}, s.plan.Topics[0].Name) {
		t := kmsg.NewListOffsetsRequestTopic()
		p := kmsg.NewListOffsetsRequestTopicPartition()
		t.Topic, p.Timestamp = name, -1
		t.Partitions = append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
	}
	s.ask("ListOffsets", req, s.version(1, 8), nil)
}

// renew takes a producer id that no broker gives out, and begins near the end of all numbers.
func (s *stranger) renew() {
	s.producers++
	s.sure = false
	s.id = core.ProducerID(1<<40 + int64(s.index)<<20 + s.producers)
	s.epoch, s.sequence, s.batch = math.MaxInt16-2, math.MaxInt32-s.random.Between(0, 3), nil
}

// inTheWindow is how many records a producer's last batches have at most, those that are known when they come again.
const inTheWindow = 15

// old is how far back the times of old records lie: brokers have forgotten producers for so long (see
// [check.Forgotten]).
const old = 48 * time.Hour

func (s *stranger) produce() {
	count, at, epoch, sequence := s.random.Between(1, 3), s.net.Wall(), s.epoch, s.sequence
	if s.batch == nil {
		count = 3 // so that the numbers wrap within a batch, or between two
	}
	var b strangeBatch
	switch s.random.Below(10) {
	case 0:
		if s.batch != nil {
			b.bytes, b.again = append([]byte(nil), s.batch...), true
		}
	case 1:
		sequence += 10
	case 2:
		epoch--
	case 3:
		if s.epoch == math.MaxInt16 {
			s.renew()
			epoch, sequence = s.epoch, s.sequence
			break
		}
		s.epoch, s.sequence, s.sure = s.epoch+1, 0, false
		epoch, sequence = s.epoch, 0
	case 4:
		s.renew()
		at -= core.Timestamp(old / time.Millisecond)
		epoch, sequence = s.epoch, s.sequence
	case 5:
		b.size = 2000
	case 6:
		if sequence > inTheWindow {
			sequence = 0 // as a process that begins anew without a new epoch
		}
	}
	outOfOrder := s.sure && !s.unsure && !b.again && b.size == 0 && epoch == s.epoch && sequence != s.sequence
	if b.bytes == nil {
		b.build(s, at, epoch, sequence%(math.MaxInt32+1), count)
	}
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, int32(s.random.Between(10, 1000))
	t := kmsg.NewProduceRequestTopic()
	p := kmsg.NewProduceRequestTopicPartition()
	t.Topic, p.Records = s.topic, b.bytes
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	s.ask("Produce", req, s.version(3, 12), func(r kmsg.Response) {
		topics := r.(*kmsg.ProduceResponse).Topics
		if len(topics) != 1 || len(topics[0].Partitions) != 1 {
			s.wrong("missing-answer", "Produce to one partition is not answered with one")
			return
		}
		code := core.ErrorCode(topics[0].Partitions[0].ErrorCode)
		// With some codes it may have been taken all the same.
		s.sure = s.sure && (code == core.NoError || code == core.OutOfOrderSequenceNumber ||
			code == core.InvalidProducerEpoch || code == core.MessageTooLarge || code == core.RecordListTooLarge)
		switch {
		case code == core.NoError && outOfOrder:
			s.wrong("sequence", "a batch of producer "+strconv.FormatInt(int64(s.id), 10)+" is taken with sequence number "+
				strconv.FormatInt(sequence, 10)+", and the next one is "+strconv.FormatInt(s.sequence, 10))
		case code == core.NoError && !b.again && b.size == 0:
			s.sure = epoch == s.epoch && at > s.net.Wall()-core.Timestamp(time.Hour/time.Millisecond)
			s.batch, s.sequence = b.bytes, (sequence+count)%(math.MaxInt32+1)
		case code == core.OutOfOrderSequenceNumber && s.random.Chance(1, 3):
			s.renew()
		}
	})
}

// commit commits what nobody may: for generations that are over, for members that are none, before the member knows
// what it owns; or, without a group, what expires at once.
func (s *stranger) commit() {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.MemberID, req.Generation = s.group, s.member, s.generation
	version := s.version(5, 9)
	switch s.random.Below(5) {
	case 0:
		req.Generation--
	case 1:
		req.MemberID = "nobody"
	case 2, 3:
		req.Group, req.MemberID, req.Generation, version = s.group+"x", "", -1, int16(s.random.Between(2, 4))
		req.RetentionTimeMillis = s.random.Between(0, 500)
	}
	t := kmsg.NewOffsetCommitRequestTopic()
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	t.Topic, p.Offset = s.topic, s.random.Between(0, 100)
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	s.ask("OffsetCommit", req, version, nil)
}

// forget has offsets and groups deleted.
func (s *stranger) forget() {
	if s.random.Chance(1, 2) {
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Groups = []string{s.group, s.group + "x"}
		s.ask("DeleteGroups", req, s.version(0, 2), nil)
		return
	}
	req := kmsg.NewPtrOffsetDeleteRequest()
	req.Group = s.group + "x"
	t := kmsg.NewOffsetDeleteRequestTopic()
	t.Topic = s.topic
	t.Partitions = append(t.Partitions, kmsg.NewOffsetDeleteRequestTopicPartition())
	req.Topics = append(req.Topics, t)
	s.ask("OffsetDelete", req, 0, nil)
}
