package broker_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// bench drives the machines of a running world without a disk: writes and syncs complete at once and go nowhere. It
// allocates nothing itself.
type bench struct {
	w       *world
	session *actor
	shards  []*actor
	outs    []core.Outbox // of the session, then of the shards
	answers int
}

func newBench(w *world, s *actor) *bench {
	b := &bench{w: w, session: s, outs: make([]core.Outbox, 1+w.broker.Shards())}
	for i := range w.broker.Shards() {
		b.shards = append(b.shards, w.actor(core.Shard(uint32(i))))
	}
	return b
}

// request gives the session a frame and runs everything that follows.
func (b *bench) request(frame []byte) {
	b.step(core.Input{Kind: core.InputFrame, Frame: frame})
}

func (b *bench) step(in core.Input) {
	out := &b.outs[0]
	b.session.machine.Step(b.w.now, in)
	b.session.machine.Drain(out)
	sends, answers := len(out.Sends), len(out.Answers)
	for i := range sends {
		b.shard(out.Sends[i])
	}
	tokens := [4]uint64{}
	for i := range answers {
		tokens[i] = out.Answers[i].Token
	}
	if sends > 0 || answers > 0 {
		out.Reset()
	}
	for i := range answers {
		b.answers++
		b.step(core.Input{Kind: core.InputAnswered, Token: tokens[i]})
	}
	for i := range b.shards {
		b.back(i)
	}
	b.outs[0].Reset()
}

// shard steps a shard with a message, and completes its file operations.
func (b *bench) shard(s core.Send) {
	i := s.To.Index
	b.shardStep(int(i), core.Input{Kind: core.InputMessage, From: b.session.address, Message: s.Message})
}

func (b *bench) shardStep(i int, in core.Input) {
	out := &b.outs[1+i]
	from := len(out.Files)
	b.shards[i].machine.Step(b.w.now, in)
	b.shards[i].machine.Drain(out)
	for k := from; k < len(out.Files); k++ {
		op := out.Files[k]
		if op.Ticket.Seq == 0 {
			continue
		}
		kind := core.InputWritten
		if op.Kind != core.OpWrite {
			kind = core.InputSynced
		}
		b.shardStep(i, core.Input{Kind: kind, File: op.File, Ticket: op.Ticket})
	}
}

// back gives the session what a shard has sent.
func (b *bench) back(i int) {
	out := &b.outs[1+i]
	messages := [8]core.Message{}
	n := copy2(&messages, out.Sends)
	out.Reset()
	for k := range n {
		b.step(core.Input{Kind: core.InputMessage, From: b.shards[i].address, Message: messages[k]})
	}
}

func copy2(to *[8]core.Message, from []core.Send) int {
	n := 0
	for _, s := range from {
		if s.To.Role == core.RoleSession {
			to[n] = s.Message
			n++
		}
	}
	return n
}

const allocRuns = 200

// idempotent makes frames of a producer's batches, one after the other.
func idempotent(n int, acks int16, pid int64) [][]byte { return produces(n, acks, pid, len("value")) }

func produces(n int, acks int16, pid int64, value int) [][]byte {
	var frames [][]byte
	for i := range n {
		var b record.Builder
		b.Start(nil, 0)
		if pid >= 0 {
			b.SetProducer(core.ProducerID(pid), 0, core.Sequence(i))
		}
		b.Append(1_700_000_000_000, []byte("key"), make([]byte, value))
		buf, _ := b.Finish()
		frames = append(frames, frameOf(produceTo("t", 0, acks, buf), int32(i)))
	}
	return frames
}

func TestHotPathsAllocateNothing(t *testing.T) {
	const warm = 1200 // the log's ring of positions grows to its bound
	for _, c := range []struct {
		name  string
		acks  int16
		pid   int64
		value int
	}{{"acks=all", -1, -1, 5}, {"acks=1", 1, -1, 5}, {"acks=0", 0, -1, 5}, {"acks=all, idempotent", -1, 4000, 5},
		{"acks=all, the frame goes back early", -1, -1, 500}} {
		t.Run("produce "+c.name, func(t *testing.T) {
			w := newWorld(2)
			s := w.connect()
			w.createTopic(s, "t")
			b := newBench(w, s)
			frames := produces(warm+allocRuns+1, c.acks, c.pid, c.value)
			next := 0
			run := func() {
				b.request(frames[next])
				next++
			}
			for range warm {
				run()
			}
			before := b.answers
			if n := testing.AllocsPerRun(allocRuns, run); n != 0 {
				t.Errorf("%v allocations", n)
			}
			if got := b.answers - before; c.acks != 0 && got != allocRuns+1 {
				t.Errorf("%d answers", got)
			}
		})
	}
	t.Run("fetch at the tail", func(t *testing.T) {
		for _, version := range []int16{12, 13} {
			w := newWorld(2)
			s := w.connect()
			id := w.createTopic(s, "t")
			w.produce(t, s, "t", 3)
			req := waiting("t", 2, 0, 1)
			req.Version = version
			req.Topics[0].TopicID = id
			checkAllocs(t, newBench(w, s), frameOf(req, 1), 1)
		}
	})
	t.Run("fetch in a session", func(t *testing.T) {
		w := newWorld(1)
		s := w.connect()
		w.createTopic(s, "t")
		b := newBench(w, s)
		full := sessionFetch(12, 0, 0, waiting("t", 2, 0, 0).Topics[0])
		session := w.ask(s, full).(*kmsg.FetchResponse).SessionID
		var frames [][]byte
		for epoch := range int32(2*allocRuns + 2) {
			frames = append(frames, frameOf(sessionFetch(12, session, epoch+1), 1))
		}
		next := 0
		run := func() { b.request(frames[next]); next++ }
		for range allocRuns {
			run()
		}
		if n := testing.AllocsPerRun(allocRuns, run); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
	t.Run("fetch that waits and is woken", func(t *testing.T) {
		w := newWorld(1)
		s, p := w.connect(), w.connect()
		w.createTopic(p, "t")
		consumer, producer := newBench(w, s), newBench(w, p)
		frames := idempotent(warm+allocRuns+1, -1, -1)
		fetches := make([][]byte, len(frames))
		for i := range fetches {
			fetches[i] = frameOf(waiting("t", 1, int64(i), 1), int32(i))
		}
		next := 0
		run := func() {
			consumer.request(fetches[next])
			producer.request2(frames[next], consumer)
			next++
		}
		for range warm {
			run()
		}
		before := consumer.answers
		if n := testing.AllocsPerRun(allocRuns, run); n != 0 {
			t.Errorf("%v allocations", n)
		}
		if got := consumer.answers - before; got != allocRuns+1 {
			t.Errorf("%d answers", got)
		}
	})
	t.Run("fetch that waits for its deadline", func(t *testing.T) {
		w := newWorld(1)
		s := w.connect()
		w.createTopic(s, "t")
		b := newBench(w, s)
		frame := frameOf(waiting("t", 2, 0, 1), 1)
		run := func() {
			b.request(frame)
			w.now.Mono += 10 * time.Second
			b.shardStep(0, core.Input{Kind: core.InputTick})
			b.back(0)
		}
		for range 20 {
			run()
		}
		before := b.answers
		if n := testing.AllocsPerRun(allocRuns, run); n != 0 {
			t.Errorf("%v allocations", n)
		}
		if got := b.answers - before; got != allocRuns+1 {
			t.Errorf("%d answers", got)
		}
	})
	t.Run("heartbeat", func(t *testing.T) {
		w := newWorld(1)
		s := w.connect()
		find := kmsg.NewPtrFindCoordinatorRequest()
		find.Version, find.CoordinatorKeys = 4, []string{"g"}
		w.ask(s, find)
		join := kmsg.NewPtrJoinGroupRequest()
		join.Version, join.Group, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = 3, "g", 30_000, 30_000
		join.ProtocolType = "consumer"
		join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range"}}
		w.send(s, frameOf(join, 1))
		w.pass(time.Second)
		member := decodeAnswer(join, s.answers[len(s.answers)-1]).(*kmsg.JoinGroupResponse)
		sync := kmsg.NewPtrSyncGroupRequest()
		sync.Version, sync.Group, sync.Generation, sync.MemberID = 3, "g", member.Generation, member.MemberID
		if code := w.ask(s, sync).(*kmsg.SyncGroupResponse).ErrorCode; code != 0 {
			t.Fatal(core.ErrorCode(code))
		}
		beat := kmsg.NewPtrHeartbeatRequest()
		beat.Version, beat.Group, beat.Generation, beat.MemberID = 4, "g", member.Generation, member.MemberID
		if code := w.ask(s, beat).(*kmsg.HeartbeatResponse).ErrorCode; code != 0 {
			t.Fatal(core.ErrorCode(code))
		}
		checkAllocs(t, newBench(w, s), frameOf(beat, 1), 1)
	})
}

// checkAllocs gives one frame again and again.
func checkAllocs(t *testing.T, b *bench, frame []byte, answers int) {
	t.Helper()
	run := func() { b.request(frame) }
	for range 20 {
		run()
	}
	before := b.answers
	if n := testing.AllocsPerRun(allocRuns, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if got := b.answers - before; got != answers*(allocRuns+1) {
		t.Errorf("%d answers", got)
	}
}

// request2 is a request whose shard has news for another session, too.
func (b *bench) request2(frame []byte, other *bench) {
	out := &b.outs[0]
	b.session.machine.Step(b.w.now, core.Input{Kind: core.InputFrame, Frame: frame})
	b.session.machine.Drain(out)
	for i := range out.Sends {
		b.shard(out.Sends[i])
	}
	out.Reset()
	sends := &b.outs[1].Sends
	messages := [8]core.Send{}
	n := copy(messages[:], *sends)
	b.outs[1].Reset()
	for _, s := range messages[:n] {
		to := b
		if s.To == other.session.address {
			to = other
		}
		if s.To.Role == core.RoleSession {
			to.step(core.Input{Kind: core.InputMessage, From: core.Shard(0), Message: s.Message})
		}
	}
}
