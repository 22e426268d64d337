package broker_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// numbered is a batch of one record of an idempotent producer.
func numbered(sequence core.Sequence) []byte {
	var b record.Builder
	b.Start(nil, 0)
	b.SetProducer(7, 0, sequence)
	b.Append(1_700_000_000_000, nil, []byte("v"))
	buf, _ := b.Finish()
	return buf
}

// later is a request that is asked now and answered some time.
type later struct {
	session *actor
	req     kmsg.Request
}

func (c *cluster) askLater(t *testing.T, id int, req kmsg.Request) later {
	t.Helper()
	w := c.worlds[id-1]
	s := w.connect()
	c.settle()
	if !w.offer(s, frameOf(req, 1)) {
		t.Fatal("the session takes no request")
	}
	c.settle()
	return later{s, req}
}

func (l later) answer() kmsg.Response {
	if len(l.session.answers) == 0 {
		return nil
	}
	return decodeAnswer(l.req, l.session.answers[0])
}

// A leader that is cut off cannot say that a sequence number does not follow, which is fatal to a producer, or that an
// offset is out of range: its successor may have what comes before.
func TestALeaderThatIsCutOffRefusesNothingByWhatItKnew(t *testing.T) {
	for _, controls := range []bool{false, true} {
		t.Run(map[bool]string{true: "it takes itself for the controller", false: "another is the controller"}[controls],
			func(t *testing.T) { cutOffLeader(t, controls) })
	}
}

// cutOffLeader cuts a leader off that is the active controller, or is not. The partition is given to the two others at
// once, so that the old controller has nothing under way yet that would keep its answers waiting.
func cutOffLeader(t *testing.T, controls bool) {
	c := newCluster(3, 3, map[string]string{"min.insync.replicas": "2"}).startAll(t)
	topic, old := "", 0
	for i := 0; topic == "" || (old == c.controller(t, old)) != controls; i++ {
		topic = "t" + strconv.Itoa(i)
		if code := c.createTopic(t, 1, topic, 3); code != core.NoError {
			t.Fatal(code)
		}
		old = c.leaderOf(t, 1, topic, 0)
	}
	code := func(r kmsg.Response) core.ErrorCode {
		return core.ErrorCode(r.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode)
	}
	fetched := func(r kmsg.Response) core.ErrorCode {
		return core.ErrorCode(r.(*kmsg.FetchResponse).Topics[0].Partitions[0].ErrorCode)
	}
	produce := func(at int, sequence core.Sequence) core.ErrorCode {
		return code(c.ask(t, at, produceTo(topic, 0, -1, numbered(sequence))))
	}
	if got := produce(old, 0); got != core.NoError {
		t.Fatal(got)
	}
	if got := produce(old, 5); got != core.OutOfOrderSequenceNumber {
		t.Fatalf("a leader that is in touch, of a gap: %v", got)
	}
	c.cut[old] = true
	asked, successor := c.other(old), 0
	c.until(t, 30*time.Second, "a controller", func() bool {
		leader := c.controller(t, asked)
		return leader > 0 && leader != old
	})
	move := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	move.TimeoutMillis = 5000
	move.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: topic,
		Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{
			Replicas: []int32{int32(asked), int32(c.other(old, asked))}}}}}
	if r := c.ask(t, asked, move).(*kmsg.AlterPartitionAssignmentsResponse); r.ErrorCode != 0 {
		t.Fatal(core.ErrorCode(r.ErrorCode))
	}
	c.until(t, 30*time.Second, "a new leader", func() bool {
		successor = c.leaderOf(t, asked, topic, 0)
		return successor > 0 && successor != old
	})
	c.until(t, 30*time.Second, "the next batch", func() bool { return produce(successor, 1) == core.NoError })
	w := c.askLater(t, old, produceTo(topic, 0, -1, numbered(2)))
	reader := c.askLater(t, old, fetchFrom(topic, 0, 2))
	if r := w.answer(); r != nil {
		t.Fatalf("at once: %v", code(r))
	}
	c.until(t, 10*time.Second, "answered", func() bool { return w.answer() != nil })
	if got := code(w.answer()); got != core.NotLeaderOrFollower {
		t.Errorf("who cannot know whether it leads: %v", got)
	}
	c.until(t, 10*time.Second, "the reader, too", func() bool { return reader.answer() != nil })
	if got := fetched(reader.answer()); got != core.NotLeaderOrFollower {
		t.Errorf("who cannot know whether it leads, of an offset that its successor has: %v", got)
	}
	if got := fetched(c.ask(t, successor, fetchFrom(topic, 0, 3))); got != core.OffsetOutOfRange {
		t.Errorf("who leads, of an offset that there is not: %v", got)
	}
	c.cut[old] = false
	c.until(t, 30*time.Second, "back", func() bool { return c.leaderOf(t, old, topic, 0) == successor })
	if got := produce(successor, 2); got != core.NoError {
		t.Errorf("the successor: %v", got)
	}
}

// A coordinator that is cut off cannot say which offset was committed last.
func TestACoordinatorThatIsCutOffTellsNoOffsets(t *testing.T) {
	c := newCluster(3, 3, nil).startAll(t)
	c.createTopic(t, 1, "t", 3)
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version, find.CoordinatorKey = 3, "g"
	where := func(asked, not int) (id int) {
		c.until(t, 30*time.Second, "a coordinator", func() bool {
			r := c.ask(t, asked, find).(*kmsg.FindCoordinatorResponse)
			id = int(r.NodeID)
			return r.ErrorCode == 0 && id > 0 && id != not
		})
		return id
	}
	commit := func(at int, offset int64) {
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Offset = offset
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Version, req.Group, req.Generation = 8, "g", -1
		req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t",
			Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
		c.until(t, 30*time.Second, "committed", func() bool {
			return c.ask(t, at, req).(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode == 0
		})
	}
	fetch := kmsg.NewPtrOffsetFetchRequest()
	fetch.Version, fetch.Group = 7, "g"
	fetch.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "t", Partitions: []int32{0}}}
	old := where(1, 0)
	commit(old, 1)
	r := c.ask(t, old, fetch).(*kmsg.OffsetFetchResponse)
	if r.ErrorCode != 0 || r.Topics[0].Partitions[0].Offset != 1 {
		t.Fatalf("a coordinator that is in touch: %+v", r)
	}
	c.cut[old] = true
	commit(where(c.other(old), old), 2)
	w := c.askLater(t, old, fetch)
	c.until(t, 10*time.Second, "answered", func() bool { return w.answer() != nil })
	if r := w.answer().(*kmsg.OffsetFetchResponse); core.ErrorCode(r.ErrorCode) != core.NotCoordinator {
		t.Errorf("who cannot know whether it is the coordinator: %+v", r)
	}
}
