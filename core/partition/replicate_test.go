package partition

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/metadata"
	"ottla.dev/core/record"
)

func TestPreferredReadReplicaIsTheFullestInTheRack(t *testing.T) {
	s := NewSet(core.Shard(0), core.NewPRNG(1))
	s.Replicate(DefaultReplication(0, 1))
	s.peers = []Peer{{0, 1, "a", nil}, {1, 1, "b", nil}, {2, 1, "b", nil}, {3, 1, "c", nil}, {4, 1, "d", nil}}
	r := &Replica{role: leads, lead: newLeadership()}
	r.lead.followers = []follower{{id: 1, end: 10, inSync: true}, {id: 2, end: 20, start: 5, inSync: true},
		{id: 3, end: 30}, {id: 4, end: 30, inSync: true}, {id: 5, end: 30, inSync: true}}
	for _, c := range []struct {
		rack   string
		offset core.Offset
		want   core.BrokerID
		rule   string
	}{
		{"", 0, core.NoBroker, "a consumer without a rack reads from the leader"},
		{"a", 0, core.NoBroker, "the leader's own rack"},
		{"b", 7, 2, "the one that has most"},
		{"b", 3, 1, "not one whose log begins later"},
		{"b", 25, core.NoBroker, "not one that has not got so far"},
		{"c", 0, core.NoBroker, "not one that is not in sync"},
		{"d", 0, 4, "another rack"},
		{"e", 0, core.NoBroker, "an unknown rack"},
	} {
		if got := s.PreferredReadReplica(r, c.rack, c.offset); got != c.want {
			t.Errorf("%s: %d", c.rule, got)
		}
	}
	r.lead = nil
	if s.PreferredReadReplica(r, "d", 0) != core.NoBroker {
		t.Error("a replica that does not lead sends nobody away")
	}
}

// pair is a leader and a follower, each on its own disk, with everything opened and the follower's first fetch sent.
func pair(t *testing.T) (c *cluster, leader, other *node) {
	c = newScriptCluster(1, 1<<20)
	c.settleQuietly()
	t.Cleanup(func() {
		if c.checks.failed != "" {
			t.Error(c.checks.failed)
		}
	})
	return c, c.nodes[0], c.nodes[1]
}

func (c *cluster) settleQuietly() {
	for range 30 {
		c.settleAll()
	}
	c.said = nil
}

func TestFollowersRefuseWhatOnlyLeadersAnswer(t *testing.T) {
	c, _, n := pair(t)
	id := c.partitions[0]
	for _, op := range []*QueryOp{{Kind: QueryOffset}, {Kind: QueryEpochEnd}, {Kind: QueryDelete}} {
		op.Items = []QueryItem{{ID: id, LeaderEpoch: core.NoLeaderEpoch, Timestamp: LatestTimestamp}}
		n.set.Work(c.now(), op, &n.out)
		if op.Items[0].Code != core.NotLeaderOrFollower {
			t.Errorf("query %d: %s", op.Kind, op.Items[0].Code)
		}
	}
	for _, op := range []*FetchOp{{}, {Follower: true, Replica: 2, ReplicaEpoch: 1, AnyReplica: true}} {
		op.Items = []FetchItem{{ID: id, LeaderEpoch: core.NoLeaderEpoch, LastFetchedEpoch: core.NoLeaderEpoch}}
		n.set.Work(c.now(), op, &n.out)
		if op.Items[0].Code != core.NotLeaderOrFollower {
			t.Errorf("fetch by a replica %v: %s", op.Follower, op.Items[0].Code)
		}
	}
	if _, _, code := n.set.AppendInternal(c.now(), n.set.Replica(id), nil, &n.out); code != core.NotLeaderOrFollower {
		t.Error("internal append:", code)
	}
}

func TestLeadersRefuseFetchesOfBrokersThatHoldNoReplicaOrHaveRestarted(t *testing.T) {
	c, n, _ := pair(t)
	n.set.SetPeers(c.now(), []Peer{{ID: 0, Epoch: 1}, {ID: 1, Epoch: 5}, {ID: 2, Epoch: 1}}, &n.out)
	for _, f := range []struct {
		id    core.BrokerID
		epoch core.BrokerEpoch
		want  core.ErrorCode
	}{{7, 1, core.NotLeaderOrFollower}, {1, 4, core.NotLeaderOrFollower}, {1, 5, core.NoError},
		{1, 4, core.NotLeaderOrFollower}, {1, -1, core.NoError}} {
		op := &FetchOp{Follower: true, Replica: f.id, ReplicaEpoch: f.epoch, Items: []FetchItem{{ID: c.partitions[0],
			LeaderEpoch: 0, LastFetchedEpoch: core.NoLeaderEpoch}}}
		n.set.Work(c.now(), op, &n.out)
		if op.Items[0].Code != f.want {
			t.Errorf("broker %d of epoch %d: %s", f.id, f.epoch, op.Items[0].Code)
		}
	}
}

func TestNewLeadersDoNotTellLatestOffsetsBeforeTheyKnowThem(t *testing.T) {
	c, n, _ := pair(t)
	c.produceBatch(n, 0, 3, AcksAll)
	c.settleQuietly()
	other := c.nodes[1]
	r := other.set.Replica(c.partitions[0])
	r.highWatermark = 1 // as if the last answer had not come
	ask := func() core.ErrorCode {
		op := &QueryOp{Kind: QueryOffset, Items: []QueryItem{{ID: r.id, LeaderEpoch: 1, Timestamp: LatestTimestamp}}}
		other.set.Work(c.now(), op, &other.out)
		return op.Items[0].Code
	}
	c.decide(func(img *image) { img.parts[0].leader = 1 })
	other.set.Lead(c.now(), r, Leadership{Epoch: 1, PartitionEpoch: 2, Replicas: allBrokers, ISR: allBrokers}, &other.out)
	if code := ask(); code != core.OffsetNotAvailable {
		t.Error("at once:", code)
	}
	delete(other.last, r.id)
	c.learn(n, len(c.versions)-1)
	c.settleQuietly()
	c.pass(60 * time.Millisecond)
	c.settleQuietly()
	if code := ask(); code != core.NoError {
		t.Error("after the followers' fetches:", code)
	}
}

func TestABadBatchFromTheLeaderIsNotAppended(t *testing.T) {
	c, leader, n := pair(t)
	c.produceBatch(leader, 0, 3, AcksAll)
	for c.finish(leader) {
	}
	for i := range c.mail {
		if m := &c.mail[i]; m.what == "response" && m.conn.from == n {
			resp := kmsg.NewPtrFetchResponse()
			resp.Version = 18
			must(resp.ReadFrom(m.bytes))
			b := resp.Topics[0].Partitions[0].RecordBatches
			b[len(b)-1] ^= 1
			m.bytes = resp.AppendTo(nil)
			f := n.set.Fetcher(0)
			must(resp.ReadFrom(m.bytes))
			n.set.Fetched(c.now(), f, resp, m.bytes, &n.out)
			r := n.set.Replica(c.partitions[0])
			if r.log.LogEndOffset() != 0 || len(n.out.Notes) != 1 || len(n.out.Releases) != 1 {
				t.Errorf("end %d, %d notes, %d frames released", r.log.LogEndOffset(), len(n.out.Notes), len(n.out.Releases))
			}
			if r.follow.backoff == 0 || r.follow.named {
				t.Error("the partition is asked for again at once")
			}
			return
		}
	}
	t.Fatal("no response")
}

// TestReplicatedStepsAllocateNothing is the leader's part of a produce with acks=all and a follower: the append, the
// follower's fetch that reads it, its fetch that acknowledges it.
func TestReplicatedStepsAllocateNothing(t *testing.T) {
	c, n, _ := pair(t)
	c.mail = nil
	for _, other := range c.nodes[1:] {
		other.up = false
	}
	id := c.partitions[0]
	r := n.set.Replica(id)
	n.set.Lead(c.now(), r, Leadership{Epoch: r.leaderEpoch, PartitionEpoch: 50, Replicas: []core.BrokerID{0, 1},
		ISR: []core.BrokerID{0, 1}}, &n.out)
	n.driver.Execute(&n.out)
	var b record.Builder
	b.Start(nil, 0)
	b.Append(c.now().Wall, nil, []byte("value"))
	_, v := b.Finish()
	produce := &ProduceOp{Acks: AcksAll, Timeout: time.Minute, Items: []ProduceItem{{ID: id, Batch: v}}}
	fetch := &FetchOp{}
	tickets := make([]core.Input, 0, 8)
	acked := 0
	pull := func() {
		items := fetch.Items[:0]
		*fetch = FetchOp{Follower: true, Replica: 1, ReplicaEpoch: 1, MinBytes: 1, MaxBytes: 1 << 20,
			Deadline: c.mono + time.Second, Items: append(items, FetchItem{ID: id, Offset: r.log.WrittenOffset(),
				MaxBytes: 1 << 20, LeaderEpoch: r.leaderEpoch, LastFetchedEpoch: r.leaderEpoch,
				ReplicaHighWatermark: r.log.WrittenOffset()})}
		n.set.Work(c.now(), fetch, &n.out)
	}
	step := func() {
		pull()
		produce.Items[0].Batch = v
		n.set.Work(c.now(), produce, &n.out)
		tickets = tickets[:0]
		for _, op := range n.out.Files {
			if op.Ticket.Seq != 0 {
				kind := core.InputWritten
				if op.Kind != core.OpWrite {
					kind = core.InputSynced
				}
				tickets = append(tickets, core.Input{Kind: kind, File: op.File, Ticket: op.Ticket})
			}
		}
		for _, in := range tickets {
			n.set.Completed(c.now(), in, &n.out)
		}
		pull()
		for _, s := range n.out.Sends {
			if s.Message == produce && produce.Items[0].Code == core.NoError {
				acked++
			}
		}
		n.set.Work(c.now(), &CancelOp{Fetch: fetch}, &n.out)
		n.set.Changed = n.set.Changed[:0]
		n.out.Reset()
	}
	for range 100 {
		step()
	}
	acked = 0
	if per := testing.AllocsPerRun(200, step); per > 1 {
		t.Errorf("%v allocations in a round", per)
	}
	if acked != 201 {
		t.Errorf("%d of 201 acknowledged", acked)
	}
}

func TestAFollowerWhoseLogFailsIsReportedAndFetchesNoMore(t *testing.T) {
	c, leader, n := pair(t)
	c.mayFail = true
	n.disk.Fault = func(op, path string) error {
		if op == "sync" && strings.HasSuffix(path, log.LogSuffix) {
			return logtest.ErrIO
		}
		return nil
	}
	c.produceBatch(leader, 0, 3, AcksAll)
	c.settleQuietly()
	r := n.set.Replica(c.partitions[0])
	if r.Online() || len(n.set.Failures) != 1 || n.set.Failures[0].Dir != testDir {
		t.Fatalf("online %v, failures %v", r.Online(), n.set.Failures)
	}
	if f := n.set.Fetcher(0); !f.Idle() || f.busy != 0 || f.named != 0 || len(r.frames) != 0 {
		t.Errorf("the fetcher still waits for it: %+v, %d frames", f, len(r.frames))
	}
	op := &FetchOp{AnyReplica: true, Items: []FetchItem{{ID: r.id, LeaderEpoch: core.NoLeaderEpoch}}}
	n.set.Work(c.now(), op, &n.out)
	if op.Items[0].Code != core.KafkaStorageError {
		t.Error("a consumer is answered", op.Items[0].Code)
	}
	// Its leader drops it, and goes on with the other.
	for range 10 {
		c.pass(60 * time.Millisecond)
		c.settleQuietly()
	}
	if c.checks.acks != 1 || len(c.current().parts[0].isr) != 2 {
		t.Errorf("%d acknowledged, isr %v", c.checks.acks, c.current().parts[0].isr)
	}
}

func TestALeaderWhoseLogFailsAnswersStorageErrors(t *testing.T) {
	c, n, _ := pair(t)
	c.mayFail = true
	n.disk.Fault = func(op, path string) error {
		if op == "sync" && strings.HasSuffix(path, log.LogSuffix) {
			return logtest.ErrIO
		}
		return nil
	}
	c.produceBatch(n, 0, 3, AcksAll)
	c.said = nil
	for range 30 {
		c.settleAll()
	}
	if !slices.Contains(c.said, "produce at 0: -1 KAFKA_STORAGE_ERROR") {
		t.Error("the producer hears", c.said)
	}
	hw := n.set.Replica(c.partitions[0]).HighWatermark()
	op := &FetchOp{Follower: true, Replica: 1, ReplicaEpoch: 1, Items: []FetchItem{{ID: c.partitions[0], Offset: 3}}}
	n.set.Work(c.now(), op, &n.out)
	if op.Items[0].Code != core.KafkaStorageError || hw != 0 {
		t.Errorf("a follower hears %s, the high watermark is %d", op.Items[0].Code, hw)
	}
}

// A leader that was elected uncleanly says that it has recovered (KIP-704), until the controller has heard it.
func TestAnUncleanLeaderProposesItsOwnRecovery(t *testing.T) {
	c, n, _ := pair(t)
	r := n.set.Replica(c.partitions[0])
	n.set.Lead(c.now(), r, Leadership{Epoch: 9, PartitionEpoch: 9, Replicas: allBrokers, ISR: []core.BrokerID{0},
		Recovery: metadata.Recovering}, &n.out)
	if len(n.set.Proposals) != 1 {
		t.Fatal(len(n.set.Proposals), "proposals")
	}
	p := n.set.Proposals[0]
	if p.Recovery != metadata.Recovered || !slices.Equal(p.ISR, []core.BrokerID{0}) || p.PartitionEpoch != 9 {
		t.Errorf("%+v", p)
	}
	n.set.Proposals = nil
	n.set.ISRAnswered(c.now(), p, core.NoError, Decided{LeaderEpoch: 9, PartitionEpoch: 10, ISR: p.ISR}, &n.out)
	if r.lead.recovering || r.lead.partitionEpoch != 10 {
		t.Errorf("%+v", r.lead)
	}
}

// FuzzFetched gives a follower responses of a leader that has gone mad. It may take nonsense for the truth, but must
// not panic, nor keep a frame, nor ask without end.
func FuzzFetched(f *testing.F) {
	c := newScriptCluster(1, 1<<20)
	c.settleQuietly()
	c.produceBatch(c.nodes[0], 0, 2, AcksAll)
	c.settleQuietly()
	c.produceBatch(c.nodes[0], 0, 3, AcksAll)
	for c.finish(c.nodes[0]) {
	}
	for _, m := range c.mail {
		if m.what == "response" && m.conn.from == c.nodes[1] {
			resp := kmsg.NewPtrFetchResponse()
			resp.Version = 18
			must(resp.ReadFrom(m.bytes))
			f.Add(resp.Topics[0].Partitions[0].RecordBatches, int64(0), int64(3), int64(-1), int32(-1), int16(0))
		}
	}
	f.Add([]byte{0}, int64(7), int64(1), int64(2), int32(0), int16(0))
	f.Add([]byte{1}, int64(9), int64(1), int64(-1), int32(0), int16(1))
	f.Add([]byte{1}, int64(1)<<62, int64(1)<<62, int64(1)<<62, int32(1<<30), int16(0))
	f.Fuzz(func(t *testing.T, records []byte, start, hw, end int64, epoch int32, code int16) {
		c := newScriptCluster(1, 1<<20)
		c.checks.unclean = true
		c.produceBatch(c.nodes[0], 0, 2, AcksAll)
		c.settleQuietly()
		n := c.nodes[1]
		p := kmsg.NewFetchResponseTopicPartition()
		p.LogStartOffset, p.HighWatermark, p.RecordBatches, p.ErrorCode = start, hw, records, code
		p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = epoch, end
		topic := kmsg.NewFetchResponseTopic()
		topic.TopicID, topic.Partitions = c.partitions[0].Topic, []kmsg.FetchResponseTopicPartition{p}
		resp := kmsg.NewPtrFetchResponse()
		resp.Topics = append(resp.Topics, topic)
		frame := []byte{1}
		n.set.Fetched(c.now(), n.set.Fetcher(0), resp, frame, &n.out)
		released := len(n.out.Releases)
		for i := 0; i < 50; i++ {
			n.driver.Execute(&n.out)
			for n.driver.Pending() > 0 {
				if in := n.driver.Take(0); in.Kind == core.InputMapped {
					n.set.Mapped(c.now(), in, &n.out)
				} else {
					n.set.Completed(c.now(), in, &n.out)
				}
				released += len(n.out.Releases)
				n.driver.Execute(&n.out)
			}
			for len(n.driver.Jobs) > 0 {
				j := n.driver.Jobs[0]
				n.driver.Jobs = n.driver.Jobs[1:]
				j.Run(n.disk)
				n.set.JobDone(c.now(), j, &n.out)
			}
			n.set.Checkpointed(c.now(), n.set.TakeCheckpoint(), &n.out)
		}
		if released != 1 {
			t.Error(released, "releases of one frame")
		}
		r := n.set.Replica(c.partitions[0])
		if r.Online() && (r.highWatermark > r.log.LogEndOffset() || r.trunc != nil) {
			t.Errorf("high watermark %d of %d, truncation %+v", r.highWatermark, r.log.LogEndOffset(), r.trunc)
		}
	})
}
