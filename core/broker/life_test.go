package broker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/record"
	"ottla.dev/core/wire"
)

// shutDown asks for a clean end and waits for it.
func (w *world) shutDown(t *testing.T) *logtest.Disk {
	t.Helper()
	w.give(w.actor(core.Control()), core.Input{Kind: core.InputShutdown})
	w.settle()
	if !w.stopped {
		t.Fatalf("the broker does not stop: %q", w.halted)
	}
	return w.disk
}

// crash ends the machine: what was not synced may be lost.
func (w *world) crash(seed uint64) *logtest.Disk {
	random := core.NewPRNG(seed)
	w.disk.Crash(&random)
	return w.disk
}

func (w *world) mustListen(t *testing.T) *world {
	t.Helper()
	if !w.listens || w.halted != "" {
		t.Fatalf("the broker does not start: %q", w.halted)
	}
	return w
}

func produceTo(topic string, partition int32, acks int16, batch []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = 9, acks, 1000
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: topic,
		Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: partition, Records: batch}}}}
	return req
}

// records is a batch of as many records of one byte.
func records(n int) []byte {
	var b record.Builder
	b.Start(nil, 0)
	for range n {
		b.Append(1_700_000_000_000, nil, []byte("v"))
	}
	buf, _ := b.Finish()
	return buf
}

func (w *world) produce(t *testing.T, s *actor, topic string, n int) int64 {
	t.Helper()
	p := w.ask(s, produceTo(topic, 0, -1, records(n))).(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		t.Fatalf("produce: %v", core.ErrorCode(p.ErrorCode))
	}
	return p.BaseOffset
}

func fetchFrom(topic string, partition int32, offset int64) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxBytes, req.MinBytes, req.SessionEpoch = 12, 1<<20, 1, -1
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch = partition, offset, 1<<20, -1
	req.Topics = []kmsg.FetchRequestTopic{{Topic: topic, Partitions: []kmsg.FetchRequestTopicPartition{p}}}
	return req
}

// fetched is the next offset after the batches of one partition, and its error.
func (w *world) fetched(s *actor, topic string, offset int64) (next int64, code core.ErrorCode) {
	p := w.ask(s, fetchFrom(topic, 0, offset)).(*kmsg.FetchResponse).Topics[0].Partitions[0]
	next = offset
	for b := p.RecordBatches; len(b) > 0; {
		v := record.View(b)
		next, b = int64(v.NextOffset()), b[v.Size():]
	}
	return next, core.ErrorCode(p.ErrorCode)
}

func (w *world) deleteTopic(t *testing.T, s *actor, name string) {
	t.Helper()
	w.send(s, frameOf(deletion(name), 0))
	r := decodeAnswer(deletion(name), s.answers[len(s.answers)-1]).(*kmsg.DeleteTopicsResponse)
	if code := core.ErrorCode(r.Topics[0].ErrorCode); code != core.NoError {
		t.Fatalf("delete: %v", code)
	}
}

func deletion(name string) *kmsg.DeleteTopicsRequest {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Version, req.TopicNames = 5, []string{name}
	return req
}

func initProducer() *kmsg.InitProducerIDRequest {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.Version, req.ProducerID, req.ProducerEpoch = 4, -1, -1
	return req
}

func TestFirstStartMakesAnIdentityAndKeepsIt(t *testing.T) {
	w := newWorld(2)
	id := w.broker.Identity()
	if id.NodeID != 1 || len(id.ClusterID) != 22 {
		t.Fatalf("%+v", id)
	}
	w = worldOn(w.shutDown(t), 2, nil).mustListen(t)
	if again := w.broker.Identity(); again != id {
		t.Errorf("%+v became %+v", id, again)
	}
	w = worldOn(w.crash(1), 3, nil).mustListen(t)
	if again := w.broker.Identity(); again != id {
		t.Errorf("%+v became %+v after a crash", id, again)
	}
}

// Whenever the machine crashes during a start, the next one works: in a new data folder, and in one with data.
func TestACrashDuringAStartIsRecoveredFrom(t *testing.T) {
	full := newWorld(1)
	s := full.connect()
	full.createTopic(s, "t")
	full.produce(t, s, "t", 3)
	for name, disk := range map[string]*logtest.Disk{"new": logtest.NewDisk(), "used": full.crash(3)} {
		for at := 1; at < 200; at++ {
			copied := disk.Clone()
			copied.CrashAt = at
			func() {
				defer func() { recover() }() // the disk of the tests panics on what a driver reports
				worldOn(copied, 1, nil)
			}()
			if copied.Ops < at {
				break
			}
			random := core.NewPRNG(uint64(at))
			copied.Crash(&random)
			w := worldOn(copied, 1, nil).mustListen(t)
			if name == "used" {
				if next, code := w.fetched(w.connect(), "t", 0); next != 3 || code != core.NoError {
					t.Fatalf("crash at %d: read to %d, %v", at, next, code)
				}
			}
		}
	}
}

func TestAnotherNodesFolderIsRefused(t *testing.T) {
	disk := newWorld(1).shutDown(t)
	w := worldOn(disk, 1, map[string]string{"node.id": "2"})
	if w.listens || !strings.Contains(w.halted, "belongs to node 1, but node.id is 2") {
		t.Errorf("halted: %q", w.halted)
	}
}

func TestMetadataThatAreGoneAreNotMadeAnew(t *testing.T) {
	w := newWorld(1)
	w.createTopic(w.connect(), "t")
	disk := w.shutDown(t)
	entries, _ := disk.List("data/__cluster_metadata-0")
	for _, e := range entries {
		if err := disk.Remove("data/__cluster_metadata-0/" + e.Name); err != nil {
			t.Fatal(err)
		}
	}
	w = worldOn(disk, 1, nil)
	if w.listens || !strings.Contains(w.halted, "is damaged at offset 0") {
		t.Errorf("halted: %q", w.halted)
	}
}

func TestASessionReadsItsOwnWrites(t *testing.T) {
	w := newWorld(2)
	s := w.connect()
	w.createTopic(s, "t")
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 9
	req.Topics = []kmsg.MetadataRequestTopic{{Topic: kmsg.StringPtr("t")}}
	if m := w.ask(s, req).(*kmsg.MetadataResponse); m.Topics[0].ErrorCode != 0 || m.Topics[0].Partitions[0].Leader != 1 {
		t.Fatalf("metadata: %+v", m.Topics[0])
	}
	if base := w.produce(t, s, "t", 3); base != 0 {
		t.Errorf("base offset %d", base)
	}
	if next, code := w.fetched(s, "t", 0); next != 3 || code != core.NoError {
		t.Errorf("read to %d: %v", next, code)
	}
}

func TestACleanEndIsMarkedAndTheNextStartIsClean(t *testing.T) {
	for _, caching := range []string{"false", "true"} {
		w := worldOn(logtest.NewDisk(), 2, map[string]string{"log.write.caching": caching}).mustListen(t)
		s := w.connect()
		w.createTopic(s, "t")
		w.produce(t, s, "t", 3)
		disk := w.shutDown(t)
		if disk.Bytes("data/.kafka_cleanshutdown") == nil {
			t.Fatal("no marker")
		}
		// Nothing that the marker vouches for is lost, even if the machine loses its power now.
		random := core.NewPRNG(5)
		disk.Crash(&random)
		w = worldOn(disk, 2, nil).mustListen(t)
		if disk.Bytes("data/.kafka_cleanshutdown") != nil {
			t.Error("the marker outlives the start")
		}
		if next, code := w.fetched(w.connect(), "t", 0); next != 3 || code != core.NoError {
			t.Errorf("read to %d: %v", next, code)
		}
	}
}

func TestACrashKeepsWhatWasAcknowledged(t *testing.T) {
	for seed := range uint64(8) {
		w := newWorld(2)
		s := w.connect()
		w.createTopic(s, "t")
		w.produce(t, s, "t", 3)
		w.produce(t, s, "t", 2)
		w = worldOn(w.crash(seed), 2, nil).mustListen(t)
		if next, code := w.fetched(w.connect(), "t", 0); next != 5 || code != core.NoError {
			t.Errorf("seed %d: read to %d: %v", seed, next, code)
		}
	}
}

// The broker is asked to stop before it is up: it comes up without listening, and stops clean.
func TestAShutdownDuringTheStart(t *testing.T) {
	first := newWorld(1)
	s := first.connect()
	first.createTopic(s, "t")
	first.produce(t, s, "t", 3)
	first.ask(s, deleteRecords("t", 1))
	disk := first.crash(2)
	for step := range 40 {
		copied := disk.Clone()
		w := compose(copied, 1, nil)
		control := w.actor(core.Control())
		w.give(control, core.Input{Kind: core.InputStart})
		for range step {
			w.stepOnce()
		}
		w.give(control, core.Input{Kind: core.InputShutdown})
		w.settle()
		if !w.stopped || step < 5 && w.listens {
			t.Fatalf("after %d steps: stopped %v, listens %v, %q", step, w.stopped, w.listens, w.halted)
		}
		random := core.NewPRNG(uint64(step))
		copied.Crash(&random)
		w = worldOn(copied, 1, nil).mustListen(t)
		s := w.connect()
		if next, code := w.fetched(s, "t", 1); next != 3 || code != core.NoError {
			t.Fatalf("after %d steps: read to %d: %v", step, next, code)
		}
		if _, code := w.fetched(s, "t", 0); code != core.OffsetOutOfRange {
			t.Fatalf("after %d steps: deleted records are there again: %v", step, code)
		}
	}
}

func deleteRecords(topic string, to int64) *kmsg.DeleteRecordsRequest {
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.Version, req.TimeoutMillis = 2, 1000
	req.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: topic,
		Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: to}}}}
	return req
}

// stepOnce gives one input to the first machine that has one.
func (w *world) stepOnce() {
	for _, a := range w.actors {
		if len(a.inbox) > 0 {
			in := a.inbox[0]
			a.inbox = a.inbox[1:]
			a.machine.Step(w.now, in)
			a.machine.Drain(&a.out)
			w.execute(a)
			return
		}
	}
}

// A round of checkpoints that is under way when the shutdown begins does not end it: the marker comes after all logs.
func TestACheckpointUnderWayDoesNotEndAShutdown(t *testing.T) {
	for steps := range 30 {
		w := worldOn(logtest.NewDisk(), 2, map[string]string{"log.write.caching": "true"}).mustListen(t)
		s := w.connect()
		w.createTopic(s, "t")
		w.produce(t, s, "t", 3)
		w.now.Mono += 2 * time.Minute
		w.give(w.actor(core.Control()), core.Input{Kind: core.InputTick})
		for range steps {
			w.stepOnce()
		}
		disk := w.shutDown(t)
		random := core.NewPRNG(uint64(steps))
		disk.Crash(&random)
		w = worldOn(disk, 2, nil).mustListen(t)
		if next, code := w.fetched(w.connect(), "t", 0); next != 3 || code != core.NoError {
			t.Fatalf("after %d steps: read to %d: %v", steps, next, code)
		}
	}
}

func TestProducerIDsAreNotGivenTwice(t *testing.T) {
	seen := map[int64]bool{}
	w := newWorld(2)
	for start := range 4 {
		s := w.connect()
		for range 700 { // the blocks have 1000
			resp := w.ask(s, initProducer()).(*kmsg.InitProducerIDResponse)
			if resp.ErrorCode != 0 || seen[resp.ProducerID] {
				t.Fatalf("%+v", resp)
			}
			seen[resp.ProducerID] = true
		}
		disk := w.disk
		if start%2 == 0 {
			w.shutDown(t)
		} else {
			w.crash(uint64(start))
		}
		w = worldOn(disk, 2, nil).mustListen(t)
	}
}

// A topic that is created again begins at 0 and keeps what it gets, whatever the checkpoints remember of the old one.
func TestATopicCreatedAgainSurvivesACrash(t *testing.T) {
	for seed := range uint64(8) {
		w := newWorld(2)
		s := w.connect()
		w.createTopic(s, "t")
		w.produce(t, s, "t", 10)
		deleted := w.ask(s, deleteRecords("t", 8)).(*kmsg.DeleteRecordsResponse)
		if low := deleted.Topics[0].Partitions[0].LowWatermark; low != 8 {
			t.Fatalf("low watermark %d", low)
		}
		w.deleteTopic(t, s, "t")
		w.createTopic(s, "t")
		if base := w.produce(t, s, "t", 3); base != 0 {
			t.Fatalf("the new topic begins at %d", base)
		}
		w = worldOn(w.crash(seed), 2, nil).mustListen(t)
		if next, code := w.fetched(w.connect(), "t", 0); next != 3 || code != core.NoError {
			t.Fatalf("seed %d: read to %d: %v", seed, next, code)
		}
	}
}

// The end of a broker between the deletion of a topic and the removal of its folder leaves the folder. The next start
// removes it, and a topic of the same name can be made.
func TestAFolderOfADeletedTopicIsRemovedByTheNextStart(t *testing.T) {
	w := newWorld(1)
	s := w.connect()
	w.createTopic(s, "t")
	w.produce(t, s, "t", 3)
	w.ask(s, deleteRecords("t", 3))
	w.produce(t, s, "t", 1)
	w.ask(s, fetchFrom("t", 0, 3)) // keeps the folder for a moment
	const starts = "/data/log-start-offset-checkpoint"
	before := w.disk.Bytes(starts)
	w.deleteTopic(t, s, "t")
	w.disk.Put(starts, before, true) // as if the crash had come before the checkpoint without the topic
	w = worldOn(w.crash(1), 1, nil).mustListen(t)
	entries, err := w.disk.List("/data")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name, "t-0") {
			t.Errorf("%s is left; notes: %q", e.Name, w.notes)
		}
	}
	s = w.connect()
	w.createTopic(s, "t")
	if base := w.produce(t, s, "t", 2); base != 0 {
		t.Errorf("the new topic begins at %d", base)
	}
	w = worldOn(w.crash(2), 1, nil).mustListen(t)
	if next, code := w.fetched(w.connect(), "t", 0); next != 2 || code != core.NoError {
		t.Errorf("read to %d: %v", next, code)
	}
}

// Deletion and creation that are committed at once reach the shards in one piece of news.
func TestDeletedAndCreatedAgainInOneCommit(t *testing.T) {
	for range 8 { // topic ids are random, and so is their order
		w := newWorld(2)
		s, other := w.connect(), w.connect()
		w.createTopic(s, "t")
		w.produce(t, s, "t", 3)
		create := kmsg.NewPtrCreateTopicsRequest()
		create.Version = 7
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "t", 2, 1
		create.Topics = append(create.Topics, topic)
		// Both requests are decided before the disk has either.
		for i, a := range []*actor{s, other} {
			req := kmsg.Request(deletion("t"))
			if i == 1 {
				req = create
			}
			for _, send := range w.stepAlone(a, frameOf(req, 9)) {
				in := core.Input{Kind: core.InputMessage, From: a.address, Message: send.Message}
				w.give(w.actor(core.Control()), in)
			}
		}
		w.settle()
		if base := w.produce(t, s, "t", 2); base != 0 {
			t.Fatalf("the new topic begins at %d", base)
		}
	}
}

// The process stands still for longer than the session timeout; afterwards everything goes on.
func TestALongPauseLosesNothing(t *testing.T) {
	w := newWorld(2)
	s := w.connect()
	w.createTopic(s, "t")
	for range 20 {
		w.pass(2 * time.Second)
	}
	w.produce(t, s, "t", 1)
	w.pass(time.Hour)
	w.pass(2 * time.Second)
	w.produce(t, s, "t", 1)
	w.createTopic(s, "u")
	if next, code := w.fetched(s, "t", 0); next != 2 || code != core.NoError {
		t.Errorf("read to %d: %v", next, code)
	}
}

func TestEveryAPIOfTheTableHasAHandler(t *testing.T) {
	w := newWorld(1)
	for row := range wire.APIs(wire.ClassClient) {
		for version := row.Min; version <= row.Max; version++ {
			s := w.connect()
			req := kmsg.RequestForKey(int16(row.Key))
			req.SetVersion(version)
			w.send(s, frameOf(req, 1))
			w.hangUp(s)
		}
	}
}

// What the disk remembered at the start is of the topics of the start.
func TestATopicCreatedAgainAfterARestartBeginsAtZero(t *testing.T) {
	w := newWorld(2)
	s := w.connect()
	w.createTopic(s, "t")
	w.produce(t, s, "t", 10)
	w.ask(s, deleteRecords("t", 8))
	w = worldOn(w.shutDown(t), 2, nil).mustListen(t)
	s = w.connect()
	if next, code := w.fetched(s, "t", 7); code != core.OffsetOutOfRange {
		t.Fatalf("deleted records are read to %d: %v", next, code)
	}
	w.deleteTopic(t, s, "t")
	w.pass(2 * time.Second)
	w.createTopic(s, "t")
	if base := w.produce(t, s, "t", 1); base != 0 {
		t.Errorf("the new topic begins at %d", base)
	}
}

// Committed metadata that are damaged are not cut off in silence, with all topics made since: the broker refuses to
// start.
func TestDamagedMetadataAreNotCutOff(t *testing.T) {
	w := newWorld(1)
	s := w.connect()
	w.createTopic(s, "t")
	for range 3 { // a checkpoint, and the records before it
		w.pass(2 * time.Minute)
	}
	const path = "/data/__cluster_metadata-0/00000000000000000000.log"
	b := w.disk.Bytes(path)
	b[len(b)/2] ^= 1
	w.disk.Put(path, b, true)
	w = worldOn(w.crash(1), 1, nil)
	if w.listens || !strings.Contains(w.halted, "is damaged at offset") {
		t.Errorf("listens %v, halted %q", w.listens, w.halted)
	}
}
