package broker_test

import (
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/record"
	"ottla.dev/core/wire"
)

// FuzzSession gives a client's session arbitrary frames: a stream of frames, each behind two bytes of length. Nothing
// may panic; each frame is answered, or answered later, or ends the connection; every frame is released exactly once;
// and another client is served afterwards.
func FuzzSession(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) { hostile(t, data) })
}

// FuzzConversation gives a session requests that are well formed, in long conversations that use what exists: each is
// drawn by the generator from a seed, and some have a byte changed. More of them come to a handler than of
// FuzzSession's. The answers must be readable.
func FuzzConversation(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed)
	}
	id := seedTopicID()
	f.Fuzz(func(t *testing.T, seed uint64) {
		conversation := randomConversation(seed, id)
		readable(t, conversation, hostile(t, conversation))
	})
}

func randomConversation(seed uint64, id core.UUID) []byte {
	g := &generator{rng: rand.New(rand.NewPCG(seed, 1)), topic: seedTopic, id: id}
	var apis []*wire.API
	for api := range wire.APIs(wire.ClassClient) {
		apis = append(apis, api)
	}
	var stream []byte
	for i := range maxFuzzFrames {
		api := apis[g.rng.IntN(len(apis))]
		version := api.Min + int16(g.rng.IntN(int(api.Max-api.Min)+1))
		frame := frameOf(g.request(api, version), int32(i))
		if g.rng.IntN(8) == 0 {
			frame[8+g.rng.IntN(len(frame)-8)] ^= byte(1 + g.rng.IntN(255))
		}
		if len(frame) < 1<<16 {
			stream = appendFrame(stream, frame)
		}
	}
	return stream
}

func seedTopicID() core.UUID {
	w := newWorld(2)
	return w.createTopic(w.connect(), seedTopic)
}

// maxFuzzFrames keeps one execution short.
const maxFuzzFrames = 12

// hostile plays a stream of frames and returns the session's answers.
func hostile(t *testing.T, data []byte) [][]byte {
	w := newWorld(2)
	friend := w.connect()
	w.createTopic(friend, seedTopic)
	s := w.connect()
	for range maxFuzzFrames {
		var frame []byte
		if frame, data = nextFrame(data); len(frame) == 0 {
			break
		}
		before := len(s.answers)
		for tries := 0; !s.wants && !s.closed && tries < 3; tries++ {
			w.pass(time.Minute) // a request that may wait: a fetch, a join
		}
		if !w.send(s, frame) {
			break
		}
		if len(s.answers) == before && !s.closed && len(s.lent) == 0 && !silent(frame) {
			t.Fatalf("a frame has vanished: %x", frame)
		}
	}
	w.hangUp(s)
	for i := 0; i < 40 && len(s.lent) > 0; i++ {
		w.pass(25 * 24 * time.Hour) // no timeout of a request is longer than 2^31 ms
	}
	if len(s.lent) > 0 {
		t.Fatalf("%d frames were never released", len(s.lent))
	}
	if !s.closed || w.halted != "" {
		t.Fatalf("session ended %v, broker halted %q", s.closed, w.halted)
	}
	w.pass(time.Minute)
	serves(t, w, friend)
	serves(t, w, w.connect())
	return s.answers
}

// readable decodes answers as the clients do that sent the frames of a stream, which differ in their correlation ids.
func readable(t *testing.T, stream []byte, answers [][]byte) {
	t.Helper()
	asked := map[uint32][]byte{}
	for frame, rest := nextFrame(stream); len(frame) > 0; frame, rest = nextFrame(rest) {
		asked[binary.BigEndian.Uint32(frame[4:])] = frame
	}
	for _, answer := range answers {
		frame := asked[binary.BigEndian.Uint32(answer[4:])]
		if frame == nil {
			t.Fatalf("an answer to nothing: %x", answer)
		}
		req := kmsg.RequestForKey(int16(binary.BigEndian.Uint16(frame)))
		req.SetVersion(int16(binary.BigEndian.Uint16(frame[2:])))
		decodeAnswer(req, answer)
	}
}

// silent reports whether a frame asks for no answer: Produce with acks=0.
func silent(frame []byte) bool {
	return len(frame) > 1 && wire.Key(binary.BigEndian.Uint16(frame)) == wire.Produce
}

func serves(t *testing.T, w *world, a *actor) {
	t.Helper()
	for tries := 0; !a.wants && tries < 3; tries++ {
		w.pass(time.Minute)
	}
	req := kmsg.NewPtrMetadataRequest()
	req.Version, req.Topics = 12, nil
	if resp := w.ask(a, req).(*kmsg.MetadataResponse); len(resp.Brokers) != 1 {
		t.Fatalf("another client is told of %d brokers", len(resp.Brokers))
	}
}

func nextFrame(data []byte) (frame, rest []byte) {
	if len(data) < 2 {
		return nil, nil
	}
	n := min(int(binary.BigEndian.Uint16(data)), len(data)-2)
	return data[2 : 2+n], data[2+n:]
}

func appendFrame(seed, frame []byte) []byte {
	seed = binary.BigEndian.AppendUint16(seed, uint16(len(frame)))
	return append(seed, frame...)
}

const seedTopic = "t"

// seeds are random requests of every API and version, and a few conversations that reach further.
func seeds() [][]byte {
	id := seedTopicID()
	var seeds [][]byte
	for api := range wire.APIs(wire.ClassClient) {
		for version := api.Min; version <= api.Max; version++ {
			g := &generator{rng: rand.New(rand.NewPCG(uint64(api.Key), uint64(version))), topic: seedTopic, id: id}
			seed := []byte(nil)
			for range 3 {
				if frame := frameOf(g.request(api, version), 7); len(frame) < 1<<16 {
					seed = appendFrame(seed, frame)
				}
			}
			seeds = append(seeds, seed)
		}
	}
	return append(seeds, conversations(id)...)
}

// conversations are requests that build on each other.
func conversations(id core.UUID) [][]byte {
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version, find.CoordinatorKeys = 4, []string{"g"}
	join := kmsg.NewPtrJoinGroupRequest()
	join.Version, join.Group, join.ProtocolType = 2, "g", "consumer"
	join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = 10000, 10000
	join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte("m")}}
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Version, commit.Group, commit.Generation = 6, "h", -1
	commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: seedTopic,
		Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 5, LeaderEpoch: -1}}}}
	fetchOffsets := kmsg.NewPtrOffsetFetchRequest()
	fetchOffsets.Version, fetchOffsets.Group = 5, "h"
	list := kmsg.NewPtrListGroupsRequest()
	list.Version = 4
	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Version, describe.Groups = 5, []string{"g", "h"}
	group := conversation(find, join, commit, fetchOffsets, list, describe)

	produce := kmsg.NewPtrProduceRequest()
	produce.Version, produce.Acks, produce.TimeoutMillis = 9, -1, 1000
	produce.Topics = []kmsg.ProduceRequestTopic{{Topic: seedTopic, Partitions: []kmsg.ProduceRequestTopicPartition{
		{Partition: 0, Records: seedBatch(0)}, {Partition: 1, Records: seedBatch(7)}}}}
	fetch := kmsg.NewPtrFetchRequest()
	fetch.Version, fetch.MaxBytes, fetch.MaxWaitMillis, fetch.MinBytes = 13, 1<<20, 500, 1
	fetch.Topics = []kmsg.FetchRequestTopic{{TopicID: id, Partitions: []kmsg.FetchRequestTopicPartition{
		{Partition: 0, CurrentLeaderEpoch: -1, LastFetchedEpoch: -1, PartitionMaxBytes: 1 << 20},
		{Partition: 1, CurrentLeaderEpoch: -1, LastFetchedEpoch: -1, PartitionMaxBytes: 1 << 20, FetchOffset: 1}}}}
	offsets := kmsg.NewPtrListOffsetsRequest()
	offsets.Version, offsets.ReplicaID = 7, -1
	offsets.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: seedTopic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{
		{Timestamp: 1000, CurrentLeaderEpoch: -1}, {Partition: 1, Timestamp: -3, CurrentLeaderEpoch: -1}}}}
	cut := kmsg.NewPtrDeleteRecordsRequest()
	cut.Version = 2
	cut.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: seedTopic,
		Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: 1}}}}
	remove := kmsg.NewPtrDeleteTopicsRequest()
	remove.Version = 6
	remove.Topics = []kmsg.DeleteTopicsRequestTopic{{TopicID: id}}
	wait := *fetch
	wait.MinBytes, wait.SessionEpoch = 1<<20, 0
	wait.Topics = []kmsg.FetchRequestTopic{{TopicID: id, Partitions: fetch.Topics[0].Partitions[:1]}}
	return [][]byte{group, conversation(produce, produce, fetch, offsets, cut, fetch, remove, fetch, produce),
		conversation(&wait)}
}

func conversation(requests ...kmsg.Request) []byte {
	var seed []byte
	for i, r := range requests {
		seed = appendFrame(seed, frameOf(r, int32(i)))
	}
	return seed
}

func seedBatch(id core.ProducerID) []byte {
	var b record.Builder
	b.Start(nil, 0)
	if id > 0 {
		b.SetProducer(id, 0, 0)
	}
	b.Append(1_700_000_000_000, []byte("k"), []byte("v"))
	buf, _ := b.Finish()
	return buf
}

// generator fills requests with random values, and names with such as exist.
type generator struct {
	rng   *rand.Rand
	topic string
	id    core.UUID
}

func (g *generator) request(api *wire.API, version int16) kmsg.Request {
	req := kmsg.RequestForKey(int16(api.Key))
	req.SetVersion(version)
	g.fill(reflect.ValueOf(req).Elem())
	switch r := req.(type) {
	case *kmsg.FetchRequest:
		if version < 15 {
			r.ReplicaState = kmsg.NewFetchRequestReplicaState()
		}
		r.MaxWaitMillis = 10
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				r.Topics[i].Partitions[j].ReplicaDirectoryID = [16]byte{}
				r.Topics[i].Partitions[j].HighWatermark = 1<<63 - 1
			}
		}
	case *kmsg.MetadataRequest:
		for i := range r.Topics {
			if r.Topics[i].Topic == nil && version < 10 {
				r.Topics[i].Topic = &g.topic
			}
		}
	case *kmsg.CreateTopicsRequest:
		for i := range r.Topics {
			r.Topics[i].NumPartitions = r.Topics[i].NumPartitions % 4
		}
	case *kmsg.CreatePartitionsRequest:
		for i := range r.Topics {
			r.Topics[i].Count = r.Topics[i].Count % 4
		}
	}
	return req
}

func (g *generator) fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "Version" && name != "UnknownTags" {
				g.fill(v.Field(i))
			}
		}
	case reflect.Pointer:
		if g.rng.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			g.fill(v.Elem())
		}
	case reflect.Slice:
		g.slice(v)
	case reflect.Array:
		if g.rng.IntN(2) == 0 {
			v.Set(reflect.ValueOf(g.id).Convert(v.Type()))
		}
	case reflect.String:
		v.SetString([]string{g.topic, "g", "cleanup.policy", "compact", "__consumer_offsets", "1", "\xff"}[g.rng.IntN(7)])
	case reflect.Bool:
		v.SetBool(g.rng.IntN(2) == 0)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt([]int64{-1, 0, 1, 2, 10000 >> max(0, 16-v.Type().Bits()), -2}[g.rng.IntN(6)])
	}
}

func (g *generator) slice(v reflect.Value) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		v.SetBytes(seedBatch(core.ProducerID(g.rng.IntN(2))))
		return
	}
	n := g.rng.IntN(3)
	v.Set(reflect.MakeSlice(v.Type(), n, n))
	for i := range n {
		g.fill(v.Index(i))
	}
}
