package broker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// hold steps one session alone and gives what it sends to nobody yet.
func (w *world) hold(a *actor, req kmsg.Request, correlation int32) []core.Send {
	return w.stepAlone(a, frameOf(req, correlation))
}

// pass on what a session sent.
func (w *world) deliver(from *actor, sends []core.Send) {
	for _, s := range sends {
		w.give(w.actor(s.To), core.Input{Kind: core.InputMessage, From: from.address, Message: s.Message})
	}
	w.settle()
}

func correlationOf(frame []byte) int32 {
	return int32(frame[4])<<24 | int32(frame[5])<<16 | int32(frame[6])<<8 | int32(frame[7])
}

func correlations(frames [][]byte) (list []int32) {
	for _, f := range frames {
		list = append(list, correlationOf(f))
	}
	return list
}

// Produce requests of one connection run ahead and are answered in their order; whatever else comes waits behind them.
func TestPipelinedProduceIsAnsweredInOrder(t *testing.T) {
	w := newWorld(2)
	s := w.connect()
	w.createTopic(s, "t")
	s.answers = nil
	first := w.hold(s, produceTo("t", 0, -1, records(1)), 1)
	second := w.hold(s, produceTo("t", 1, -1, records(1)), 2) // on the other shard
	third := w.hold(s, fetchFrom("t", 0, 0), 3)
	if len(first) != 1 || len(second) != 1 || len(third) != 0 || s.wants {
		t.Fatalf("%d, %d, %d messages; next frame wanted: %v", len(first), len(second), len(third), s.wants)
	}
	w.deliver(s, second)
	if len(s.answers) != 0 {
		t.Fatal("the second request is answered before the first")
	}
	w.deliver(s, first)
	if got := correlations(s.answers); fmt.Sprint(got) != "[1 2 3]" || !s.wants || len(s.lent) != 0 {
		t.Fatalf("answers %v, next frame wanted: %v, %d frames kept", got, s.wants, len(s.lent))
	}
	resp := decodeAnswer(fetchFrom("t", 0, 0), s.answers[2]).(*kmsg.FetchResponse)
	if len(resp.Topics[0].Partitions[0].RecordBatches) == 0 {
		t.Error("the fetch does not see what was produced before it")
	}
}

// No more than a fixed number of produce requests are under way at once; then reading stops until one is answered.
func TestPipelineHasABound(t *testing.T) {
	const maxPipelined = 16
	w := newWorld(1)
	s := w.connect()
	w.createTopic(s, "t")
	s.answers = nil
	var sends []core.Send
	n := int32(0)
	for s.wants && n < 100 {
		n++
		sends = append(sends, w.hold(s, produceTo("t", 0, -1, records(1)), n)...)
	}
	if n != maxPipelined {
		t.Fatalf("%d requests under way", n)
	}
	w.deliver(s, sends[:1])
	if len(s.answers) != 1 || !s.wants {
		t.Fatalf("%d answers, next frame wanted: %v", len(s.answers), s.wants)
	}
	w.deliver(s, sends[1:])
	if len(s.answers) != maxPipelined || len(s.lent) != 0 {
		t.Fatalf("%d answers, %d frames kept", len(s.answers), len(s.lent))
	}
}

// acks=0 is never answered; an error closes the connection, which is all that a client can be told.
func TestSilentProduce(t *testing.T) {
	w := newWorld(1)
	s := w.connect()
	w.createTopic(s, "t")
	s.answers = nil
	w.send(s, frameOf(produceTo("t", 0, 0, records(1)), 1))
	if len(s.answers) != 0 || s.closed || !s.wants {
		t.Fatalf("%d answers, closed %v", len(s.answers), s.closed)
	}
	w.send(s, frameOf(produceTo("nowhere", 0, 0, records(1)), 2))
	if len(s.answers) != 0 || !s.closed || len(s.lent) != 0 {
		t.Fatalf("%d answers, closed %v, %d frames kept", len(s.answers), s.closed, len(s.lent))
	}
}

func waiting(topic string, partitions int32, offset int64, minBytes int32) *kmsg.FetchRequest {
	req := fetchFrom(topic, 0, offset)
	req.MinBytes, req.MaxWaitMillis = minBytes, 10_000
	for p := int32(1); p < partitions; p++ {
		one := req.Topics[0].Partitions[0]
		one.Partition = p
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, one)
	}
	return req
}

// A peer that goes away while its fetch waits leaves nothing behind: the fetch is called back, on one shard and on
// many.
func TestDisconnectEndsAWaitingFetch(t *testing.T) {
	for _, partitions := range []int32{1, 2} {
		w := newWorld(2)
		admin := w.connect()
		w.createTopic(admin, "t")
		s := w.connect()
		w.send(s, frameOf(waiting("t", partitions, 0, 1), 1))
		if len(s.answers) != 0 || len(s.lent) != 1 {
			t.Fatalf("%d answers", len(s.answers))
		}
		w.hangUp(s)
		if !s.closed || len(s.lent) != 0 || len(s.answers) != 0 {
			t.Errorf("%d partitions: closed %v, %d frames kept", partitions, s.closed, len(s.lent))
		}
		w.produce(t, admin, "t", 1)
	}
}

// Peers go away at any moment of a produce request, and of a fetch: every frame is released once, and the session ends.
func TestDisconnectAtAnyMoment(t *testing.T) {
	for _, req := range []kmsg.Request{produceTo("t", 0, -1, records(1)), produceTo("t", 0, 0, records(1)),
		waiting("t", 2, 0, 1), fetchFrom("t", 0, 0), initProducer(), deletion("t")} {
		for steps := range 25 {
			w := newWorld(2)
			w.createTopic(w.connect(), "t")
			s := w.connect()
			frame := frameOf(req, 1)
			s.wants, s.lent = false, append(s.lent, frame)
			w.give(s, core.Input{Kind: core.InputFrame, Frame: frame})
			for range steps {
				w.stepOnce()
			}
			w.hangUp(s)
			w.pass(11 * time.Second)
			if !s.closed || len(s.lent) != 0 {
				t.Fatalf("%T after %d steps: closed %v, %d frames kept", req, steps, s.closed, len(s.lent))
			}
		}
	}
}

// Partitions of several shards: the bytes of all count together, news of one shard wakes the request, and the deadline
// ends it.
func TestFetchOverSeveralShards(t *testing.T) {
	w := newWorld(2)
	s, producer := w.connect(), w.connect()
	w.createTopic(producer, "t")
	size := int32(len(records(1)))
	w.send(s, frameOf(waiting("t", 2, 0, 2*size), 1))
	w.ask(producer, produceTo("t", 0, -1, records(1)))
	if len(s.answers) != 0 {
		t.Fatal("answered with half of min bytes")
	}
	w.ask(producer, produceTo("t", 1, -1, records(1)))
	if len(s.answers) != 1 {
		t.Fatal("both partitions together have min bytes")
	}
	resp := decodeAnswer(fetchFrom("t", 0, 0), s.answers[0]).(*kmsg.FetchResponse)
	for _, p := range resp.Topics[0].Partitions {
		if len(p.RecordBatches) != int(size) {
			t.Errorf("partition %d: %d bytes", p.Partition, len(p.RecordBatches))
		}
	}
	w.send(s, frameOf(waiting("t", 2, 1, 1), 2))
	w.pass(9 * time.Second)
	if len(s.answers) != 1 {
		t.Fatal("answered before the deadline")
	}
	w.pass(time.Second)
	if len(s.answers) != 2 {
		t.Fatal("not answered at the deadline")
	}
	// More than max bytes can never come: min bytes gives way.
	limited := waiting("t", 2, 0, 1<<30)
	limited.MaxBytes = size
	w.send(s, frameOf(limited, 3))
	if len(s.answers) != 3 {
		t.Error("waits for more than max bytes")
	}
}

// A topic is deleted while fetches of it wait.
func TestTopicDeletedUnderAWaitingFetch(t *testing.T) {
	for _, partitions := range []int32{1, 2} {
		w := newWorld(2)
		s, admin := w.connect(), w.connect()
		w.createTopic(admin, "t")
		w.send(s, frameOf(waiting("t", partitions, 0, 1), 1))
		w.deleteTopic(t, admin, "t")
		if len(s.answers) != 1 {
			t.Fatalf("%d partitions: %d answers", partitions, len(s.answers))
		}
		resp := decodeAnswer(fetchFrom("t", 0, 0), s.answers[0]).(*kmsg.FetchResponse)
		if code := core.ErrorCode(resp.Topics[0].Partitions[0].ErrorCode); code != core.UnknownTopicOrPartition {
			t.Errorf("%v", code)
		}
	}
}

// sessionFetch asks in a fetch session (KIP-227).
func sessionFetch(version int16, id, epoch int32, topics ...kmsg.FetchRequestTopic) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxBytes, req.SessionID, req.SessionEpoch, req.Topics = version, 1<<20, id, epoch, topics
	return req
}

func TestFetchSessions(t *testing.T) {
	w := newWorld(2)
	s := w.connect()
	id := w.createTopic(s, "t")
	both := waiting("t", 2, 0, 0).Topics[0]
	one := fetchFrom("t", 0, 0).Topics[0]
	ask := func(req *kmsg.FetchRequest) *kmsg.FetchResponse { return w.ask(s, req).(*kmsg.FetchResponse) }
	partitions := func(r *kmsg.FetchResponse) (list []int32) {
		for _, topic := range r.Topics {
			for _, p := range topic.Partitions {
				list = append(list, p.Partition)
			}
		}
		return list
	}
	full := ask(sessionFetch(12, 0, 0, both))
	if full.SessionID == 0 || len(partitions(full)) != 2 {
		t.Fatalf("full: %+v", full)
	}
	session := full.SessionID
	if r := ask(sessionFetch(12, session, 1)); len(r.Topics) != 0 || r.SessionID != session {
		t.Errorf("nothing is new: %+v", r)
	}
	w.produce(t, s, "t", 1)
	if r := ask(sessionFetch(12, session, 2)); fmt.Sprint(partitions(r)) != "[0]" {
		t.Errorf("one has news: %v", partitions(r))
	}
	moved := one
	moved.Partitions = []kmsg.FetchRequestTopicPartition{one.Partitions[0]}
	moved.Partitions[0].FetchOffset = 1
	if r := ask(sessionFetch(12, session, 3, moved)); len(partitions(r)) != 0 {
		t.Errorf("one has moved on, and nothing is new: %v", partitions(r))
	}
	if r := ask(sessionFetch(12, session, 4, moved)); fmt.Sprint(partitions(r)) != "[0]" {
		t.Errorf("one was named again where it was: %v", partitions(r))
	}
	forget := sessionFetch(12, session, 5)
	forget.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{{Topic: "t", Partitions: []int32{0}}}
	if r := ask(forget); len(partitions(r)) != 0 {
		t.Errorf("forgotten: %v", partitions(r))
	}
	if r := ask(sessionFetch(12, session, 6, one)); fmt.Sprint(partitions(r)) != "[0]" {
		t.Errorf("added again: %v", partitions(r))
	}
	for _, wrong := range []struct {
		name string
		req  *kmsg.FetchRequest
		code core.ErrorCode
	}{
		{"another session", sessionFetch(12, session+1, 7), core.FetchSessionIDNotFound},
		{"an epoch that was", sessionFetch(12, session, 6), core.InvalidFetchSessionEpoch},
		{"an epoch to come", sessionFetch(12, session, 8), core.InvalidFetchSessionEpoch},
		{"ids in a session by name", sessionFetch(13, session, 7), core.FetchSessionTopicIDError},
	} {
		if r := ask(wrong.req); core.ErrorCode(r.ErrorCode) != wrong.code || len(r.Topics) != 0 {
			t.Errorf("%s: %v", wrong.name, core.ErrorCode(r.ErrorCode))
		}
	}
	// An error is told each time, and what comes after it is told anew.
	far := one
	far.Partitions = []kmsg.FetchRequestTopicPartition{one.Partitions[0]}
	far.Partitions[0].FetchOffset = 99
	for epoch := int32(7); epoch < 9; epoch++ {
		r := ask(sessionFetch(12, session, epoch, far))
		if code := core.ErrorCode(r.Topics[0].Partitions[0].ErrorCode); code != core.OffsetOutOfRange {
			t.Errorf("out of range: %v", code)
		}
	}
	at := far
	at.Partitions = []kmsg.FetchRequestTopicPartition{one.Partitions[0]}
	at.Partitions[0].FetchOffset = 1
	if r := ask(sessionFetch(12, session, 9, at)); fmt.Sprint(partitions(r)) != "[0]" {
		t.Errorf("after an error: %v", partitions(r))
	}
	// The last request of a session, after which it is not known any more.
	if r := ask(sessionFetch(12, session, -1, one)); r.SessionID != 0 || len(partitions(r)) != 1 {
		t.Errorf("final: %+v", r)
	}
	if r := ask(sessionFetch(12, session, 10)); core.ErrorCode(r.ErrorCode) != core.FetchSessionIDNotFound {
		t.Errorf("after the end: %v", core.ErrorCode(r.ErrorCode))
	}
	// By id: a deleted topic is an error, for as long as the client names it.
	byID := kmsg.FetchRequestTopic{TopicID: id, Partitions: one.Partitions}
	session = ask(sessionFetch(13, 0, 0, byID)).SessionID
	w.deleteTopic(t, s, "t")
	for epoch := int32(1); epoch < 3; epoch++ {
		r := ask(sessionFetch(13, session, epoch))
		if code := core.ErrorCode(r.Topics[0].Partitions[0].ErrorCode); code != core.UnknownTopicID {
			t.Errorf("deleted: %v", code)
		}
	}
}

// The settings and the existence of topics are those of now, whatever the session has looked up before.
func TestSessionsFollowTheMetadata(t *testing.T) {
	w := newWorld(2)
	s := w.connect()
	w.createTopic(s, "t")
	w.produce(t, s, "t", 1)
	alter := kmsg.NewPtrIncrementalAlterConfigsRequest()
	alter.Version = 1
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, "t"
	c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	c.Name, c.Value = "max.message.bytes", kmsg.StringPtr("80")
	r.Configs = append(r.Configs, c)
	alter.Resources = append(alter.Resources, r)
	if code := w.ask(s, alter).(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode; code != 0 {
		t.Fatal(core.ErrorCode(code))
	}
	produced := func() core.ErrorCode {
		resp := w.ask(s, produceTo("t", 0, -1, records(20))).(*kmsg.ProduceResponse)
		return core.ErrorCode(resp.Topics[0].Partitions[0].ErrorCode)
	}
	if code := produced(); code != core.MessageTooLarge {
		t.Errorf("after max.message.bytes went down: %v", code)
	}
	w.deleteTopic(t, s, "t")
	if code := produced(); code != core.UnknownTopicOrPartition {
		t.Errorf("after the topic was deleted: %v", code)
	}
	w.createTopic(s, "t")
	if code := produced(); code != core.NoError {
		t.Errorf("after it was created again: %v", code)
	}
}

// The first one to look for a coordinator makes __consumer_offsets; commits survive restarts of both kinds.
func TestCommittedOffsetsSurviveRestarts(t *testing.T) {
	w := newWorld(2)
	for round := range 4 {
		s := w.connect()
		find := kmsg.NewPtrFindCoordinatorRequest()
		find.Version, find.CoordinatorKeys = 4, []string{"g"}
		if c := w.ask(s, find).(*kmsg.FindCoordinatorResponse).Coordinators[0]; c.ErrorCode != 0 || c.NodeID != 1 {
			t.Fatalf("coordinator: %+v", c)
		}
		fetch := kmsg.NewPtrOffsetFetchRequest()
		fetch.Version, fetch.Group = 7, "g"
		fetch.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "t", Partitions: []int32{0}}}
		if round == 0 {
			w.createTopic(s, "t")
		} else if p := w.ask(s, fetch).(*kmsg.OffsetFetchResponse).Topics[0].Partitions[0]; p.Offset != int64(round) {
			t.Fatalf("after %d restarts: %+v", round, p)
		}
		commit := kmsg.NewPtrOffsetCommitRequest()
		commit.Version, commit.Group, commit.Generation = 8, "g", -1
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Offset = int64(round) + 1
		commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t",
			Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
		resp := w.ask(s, commit).(*kmsg.OffsetCommitResponse)
		if code := core.ErrorCode(resp.Topics[0].Partitions[0].ErrorCode); code != core.NoError {
			t.Fatalf("commit: %v", code)
		}
		disk := w.disk
		if round%2 == 0 {
			w.shutDown(t)
		} else {
			w.crash(uint64(round))
		}
		w = worldOn(disk, 2, nil).mustListen(t)
	}
}

// run gives a machine everything that is in its inbox now.
func (w *world) run(a *actor) {
	for n := len(a.inbox); n > 0; n-- {
		in := a.inbox[0]
		a.inbox = a.inbox[1:]
		a.machine.Step(w.now, in)
		a.machine.Drain(&a.out)
		w.execute(a)
	}
}

// A fetch that a shard gives back while its cancellation is on the way is not touched before that has come back: until
// then the shard may be looking at it.
func TestACancellationIsWaitedFor(t *testing.T) {
	w := newWorld(2)
	s, producer := w.connect(), w.connect()
	w.createTopic(producer, "t")
	w.send(s, frameOf(waiting("t", 2, 0, 1), 1))
	shards := []*actor{w.actor(core.Shard(0)), w.actor(core.Shard(1))}
	for p := range int32(2) { // both shards have news before the session hears of either
		for _, send := range w.hold(producer, produceTo("t", p, -1, records(1)), p) {
			w.give(w.actor(send.To), core.Input{Kind: core.InputMessage, From: producer.address, Message: send.Message})
		}
	}
	for range 4 {
		w.run(shards[0])
		w.run(shards[1])
	}
	w.run(s)
	if len(s.answers) != 0 {
		t.Fatal("answered while a cancellation is under way")
	}
	w.settle()
	if len(s.answers) != 1 || len(s.lent) != 0 {
		t.Fatalf("%d answers, %d frames kept", len(s.answers), len(s.lent))
	}
}
