package broker_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/wire"
)

// FuzzInterleaving runs conversations with the machines stepped in any order, one input at a time: frames come while
// those before them are under way, and the client may go at any moment. Nothing may panic, answers keep the order of
// their requests, and every frame is released exactly once.
func FuzzInterleaving(f *testing.F) {
	for seed := range uint64(150) {
		f.Add(seed)
	}
	id := seedTopicID()
	f.Fuzz(func(t *testing.T, seed uint64) { interleave(t, seed, id) })
}

func interleave(t *testing.T, seed uint64, id core.UUID) {
	w := newWorld(1 + int(seed%3))
	friend := w.connect()
	w.createTopic(friend, seedTopic)
	s := w.connect()
	rng := rand.New(rand.NewPCG(seed, 2))
	c := &chaos{world: w, rng: rng, peer: s, frames: busyConversation(rng, id), leaves: rng.IntN(3) == 0}
	var stream []byte
	for _, frame := range c.frames {
		stream = appendFrame(stream, frame)
	}
	for i := 0; i < 5000 && c.step(); i++ {
	}
	w.settle()
	answersInOrder(t, s)
	readable(t, stream, s.answers)
	w.hangUp(s)
	for i := 0; i < 40 && len(s.lent) > 0; i++ {
		w.pass(25 * 24 * time.Hour)
	}
	if len(s.lent) > 0 || !s.closed || w.halted != "" {
		t.Fatalf("%d frames were never released, session closed %v, broker halted %q", len(s.lent), s.closed, w.halted)
	}
	serves(t, w, friend)
	serves(t, w, w.connect())
}

// chaos decides what happens next.
type chaos struct {
	world  *world
	rng    *rand.Rand
	peer   *actor
	frames [][]byte
	leaves bool
}

// step does one thing, and reports whether there may be another.
func (c *chaos) step() bool {
	var busy []*actor
	for _, a := range c.world.actors {
		if len(a.inbox) > 0 {
			busy = append(busy, a)
		}
	}
	sends := c.peer.wants && !c.peer.closed && len(c.frames) > 0
	switch {
	case c.leaves && len(busy) > 0 && c.rng.IntN(60) == 0:
		c.leaves, c.frames = false, nil
		c.peer.gone, c.peer.wants = true, false
		c.world.give(c.peer, core.Input{Kind: core.InputDisconnected})
	case sends && (len(busy) == 0 || c.rng.IntN(3) > 0):
		frame := c.frames[0]
		c.frames = c.frames[1:]
		c.peer.wants = false
		c.peer.lent = append(c.peer.lent, frame)
		c.world.give(c.peer, core.Input{Kind: core.InputFrame, Frame: frame})
	case len(busy) > 0:
		a := busy[c.rng.IntN(len(busy))]
		in := a.inbox[0]
		a.inbox = a.inbox[1:]
		a.machine.Step(c.world.now, in)
		a.machine.Drain(&a.out)
		c.world.execute(a)
	case len(c.frames) > 0 && !c.peer.closed:
		c.world.pass(time.Second) // everybody waits
	default:
		return false
	}
	return true
}

// busyConversation is mostly produce and fetch requests, on partitions of several shards, and some others between them.
func busyConversation(rng *rand.Rand, id core.UUID) [][]byte {
	g := &generator{rng: rng, topic: seedTopic, id: id}
	session := int32(0)
	var frames [][]byte
	for i := range 24 {
		var req kmsg.Request
		switch rng.IntN(8) {
		case 0, 1, 2, 3:
			req = busyProduce(rng)
		case 4, 5:
			req = busyFetch(rng, id, session)
			session++
		default:
			keys := []wire.Key{wire.Metadata, wire.ListOffsets, wire.Heartbeat, wire.ApiVersions, wire.DeleteRecords,
				wire.JoinGroup, wire.OffsetCommit, wire.DescribeConfigs}
			api := wire.Lookup(keys[rng.IntN(len(keys))])
			req = g.request(api, api.Min+int16(rng.IntN(int(api.Max-api.Min)+1)))
		}
		frame := frameOf(req, int32(i))
		if rng.IntN(60) == 0 {
			frame = frame[:8+rng.IntN(len(frame)-8)]
		}
		frames = append(frames, frame)
	}
	return frames
}

func busyProduce(rng *rand.Rand) kmsg.Request {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = 9, int16(rng.IntN(3)-1), 1000
	if req.Acks == 0 && rng.IntN(4) > 0 {
		req.Acks = 1
	}
	t := kmsg.ProduceRequestTopic{Topic: seedTopic}
	for range 1 + rng.IntN(3) {
		t.Partitions = append(t.Partitions, kmsg.ProduceRequestTopicPartition{Partition: int32(rng.IntN(2)),
			Records: seedBatch(core.ProducerID(rng.IntN(2)))})
	}
	req.Topics = append(req.Topics, t)
	return req
}

// busyFetch opens a session first and goes on with epochs that may be right, with waits that may be long.
func busyFetch(rng *rand.Rand, id core.UUID, epoch int32) kmsg.Request {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxBytes, req.ReplicaID = 13, 1<<20, -1
	req.MinBytes, req.MaxWaitMillis = []int32{0, 1, 150, 1 << 20}[rng.IntN(4)], int32(rng.IntN(3)*2000)
	if rng.IntN(4) == 0 {
		req.SessionEpoch = epoch%3 - 1
	}
	t := kmsg.FetchRequestTopic{TopicID: id}
	for p := range int32(2) {
		fp := kmsg.NewFetchRequestTopicPartition()
		fp.Partition, fp.PartitionMaxBytes = p, int32(rng.IntN(2)<<20)
		if rng.IntN(8) == 0 {
			fp.FetchOffset = int64(rng.IntN(4))
		}
		fp.CurrentLeaderEpoch, fp.LastFetchedEpoch = -1, -1
		t.Partitions = append(t.Partitions, fp)
	}
	req.Topics = append(req.Topics, t)
	return req
}

// answersInOrder checks that the correlation ids of the answers grow.
func answersInOrder(t *testing.T, a *actor) {
	last := -1
	for _, frame := range a.answers {
		id := int(frame[4])<<24 | int(frame[5])<<16 | int(frame[6])<<8 | int(frame[7])
		if id <= last {
			t.Fatalf("answer %d came after %d", id, last)
		}
		last = id
	}
}
