package partition

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/config"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/record"
)

// cluster is a deterministic world of three brokers, each with a Set on a disk of its own that forgets at a crash what
// was not synced; a controller that elects from ISR and ELR; clients; and a network that delays and drops connections.
// Whatever happens next is drawn from a seed.
type cluster struct {
	rng          core.PRNG
	mono         time.Duration
	nodes        []*node
	partitions   []core.TopicIDPartition
	minISR       int
	fetchBytes   int32
	segmentBytes int32
	versions     []image // what the controller has decided, in order
	mail         []letter
	checks       checks
	trace        []string
	quiet        bool // no faults any more
	produced     int
	caching      bool // replicas count what is written; then no machine crashes, only processes end
	tracing      bool
	mayFail      bool // disks may fail
	spoilt       bool // files were damaged
	scripted     bool
	said         []string // what a script shows
}

type node struct {
	id       core.BrokerID
	epoch    core.BrokerEpoch
	up       bool
	wiped    bool
	set      *Set
	disk     *logtest.Disk
	driver   *logtest.Driver
	out      core.Outbox
	learned  int // version of the metadata
	due      []slice
	saved    map[core.TopicIDPartition][3]core.Offset // offset checkpoints on disk: Points
	writing  *checkpointing3
	conns    map[core.BrokerID]*conn // to leaders
	fetches  map[*FetchOp]*conn
	produces map[*ProduceOp][]produced1
	reads    map[*FetchOp]bool
	last     map[core.TopicIDPartition]lastSeen
}

// slice is what the operation of a pending completion uses.
type slice struct {
	data []byte
	sync bool
}

type checkpointing3 struct {
	c      Checkpoint
	points map[core.TopicIDPartition][3]core.Offset
}

type produced1 struct{ id string }

// conn is a connection from a follower to a leader, with the leader's side of the fetch session.
type conn struct {
	from, to  *node
	fromEpoch core.BrokerEpoch
	toEpoch   core.BrokerEpoch
	session   int32
	next      int32
	order     []core.TopicIDPartition
	entries   map[core.TopicIDPartition]kmsg.FetchRequestTopicPartition
	starts    map[core.TopicIDPartition]core.Offset // of the leader's logs, as the follower was told
	dead      bool
	op        *FetchOp
}

// letter is a message under way.
type letter struct {
	what    string
	conn    *conn
	bytes   []byte
	from    *node
	epoch   core.BrokerEpoch // of the node that the letter concerns
	p       *Proposal
	doubt   *Doubt
	code    core.ErrorCode
	decided Decided
}

// image is what the controller has decided.
type image struct {
	minISR  int
	parts   []partState
	brokers []brokerState
}

type partState struct {
	leader         core.BrokerID
	isr, elr       []core.BrokerID
	epoch          core.LeaderEpoch
	partitionEpoch core.PartitionEpoch
}

type brokerState struct {
	epoch  core.BrokerEpoch
	fenced bool
}

var allBrokers = []core.BrokerID{0, 1, 2}

func newCluster(seed uint64) *cluster {
	rng := core.NewPRNG(seed)
	minISR, partitions := int(rng.Between(1, 2)), int(rng.Between(1, 3))
	c := newClusterOf(rng.Uint64(), partitions, minISR)
	c.fetchBytes, c.segmentBytes = int32(c.rng.Between(100, 600)), int32(c.rng.Between(300, 3000))
	c.caching = c.rng.Chance(1, 5)
	c.begin()
	return c
}

func newClusterOf(seed uint64, partitions, minISR int) *cluster {
	c := &cluster{rng: core.NewPRNG(seed), minISR: minISR}
	first := image{minISR: minISR, brokers: make([]brokerState, 3)}
	for i := range partitions {
		c.partitions = append(c.partitions, core.TopicIDPartition{Topic: core.UUID{0: 7, 15: byte(1 + i/2)},
			Partition: core.PartitionID(i)})
		first.parts = append(first.parts, partState{leader: core.BrokerID(i % 3), isr: slices.Clone(allBrokers), epoch: 0,
			partitionEpoch: 1})
	}
	c.versions = []image{first}
	c.checks.init(c)
	return c
}

// begin starts the brokers.
func (c *cluster) begin() {
	for _, id := range allBrokers {
		n := &node{id: id, disk: logtest.NewDisk(), epoch: 1}
		must(n.disk.Mkdir(testDir))
		n.disk.SyncAll()
		c.nodes = append(c.nodes, n)
		c.versions[0].brokers[id].epoch = 1
	}
	for _, n := range c.nodes {
		c.boot(n)
		c.learn(n, 0)
		for c.scripted && c.finish(n) {
		}
	}
}

func (c *cluster) now() core.Instant {
	return core.Instant{Mono: c.mono, Wall: 1_000_000 + core.Timestamp(c.mono.Milliseconds())}
}

func (c *cluster) say(format string, args ...any) {
	if *replicaSeed == 0 && !c.tracing || c.scripted {
		return
	}
	c.trace = append(c.trace, fmt.Sprintf("%d ", c.mono.Milliseconds())+fmt.Sprintf(format, args...))
}

func (c *cluster) told(format string, args ...any) {
	if c.scripted {
		c.said = append(c.said, fmt.Sprintf(format, args...))
	}
}

func (c *cluster) current() *image { return &c.versions[len(c.versions)-1] }

func (c *cluster) settings(img *image) config.Topic {
	t := config.ResolveTopic(config.Layers{Topic: map[string]string{"min.insync.replicas": strconv.Itoa(img.minISR)}})
	t.WriteCaching = c.caching
	t.SegmentBytes, t.SegmentIndexBytes, t.IndexIntervalBytes = c.segmentBytes, 1024, 200
	return t
}

func partitionName(id core.TopicIDPartition) core.TopicPartition {
	return core.TopicPartition{Topic: "t" + strconv.Itoa(int(id.Topic[15])), Partition: id.Partition}
}

// boot starts a broker's process and opens its logs.
func (c *cluster) boot(n *node) {
	n.up, n.out, n.due, n.driver = true, core.Outbox{}, nil, logtest.NewDriver(n.disk)
	n.set = NewSet(core.Shard(0), c.rng.Fork(uint64(n.epoch)))
	n.writing, n.conns, n.fetches = nil, map[core.BrokerID]*conn{}, map[*FetchOp]*conn{}
	n.produces, n.reads = map[*ProduceOp][]produced1{}, map[*FetchOp]bool{}
	n.last = map[core.TopicIDPartition]lastSeen{}
	if n.saved == nil {
		n.saved = map[core.TopicIDPartition][3]core.Offset{}
	}
	n.set.ProducerExpiryMs = 86_400_000
	r := DefaultReplication(n.id, n.epoch)
	r.LagMax, r.FetchWait, r.FetchBackoff, r.FetchMaxBytes = 400*time.Millisecond, 50*time.Millisecond,
		100*time.Millisecond, c.fetchBytes
	n.set.Replicate(r)
	for _, id := range c.partitions {
		saved := n.saved[id]
		n.set.Open(c.now(), Opening{ID: id, Name: partitionName(id), Dir: testDir, Settings: c.settings(c.current()),
			Replicated: true, LeaderEpoch: core.NoLeaderEpoch, RecoveryPoint: saved[0],
			LogStart: saved[1], StartKnown: true, HighWatermark: saved[2]}, &n.out)
	}
	c.pump(n)
}

// learn gives a broker the metadata of a version.
func (c *cluster) learn(n *node, version int) {
	n.learned = version
	img := &c.versions[version]
	var peers []Peer
	for id, b := range img.brokers {
		if !b.fenced {
			peers = append(peers, Peer{ID: core.BrokerID(id), Epoch: b.epoch})
		}
	}
	n.set.SetPeers(c.now(), peers, &n.out)
	c.pump(n)
	for _, id := range c.partitions {
		n.set.Configure(n.set.Replica(id), c.settings(img), &n.out)
		c.pump(n)
	}
	for i, id := range c.partitions {
		p, r := &img.parts[i], n.set.Replica(id)
		if p.leader == n.id {
			n.set.Lead(c.now(), r, Leadership{Epoch: p.epoch, PartitionEpoch: p.partitionEpoch, Replicas: allBrokers, ELR: p.elr,
				ISR: p.isr}, &n.out)
		} else {
			n.set.Follow(c.now(), r, Following{Epoch: p.epoch, Leader: p.leader}, &n.out)
		}
		n.set.Configured(c.now(), r, &n.out)
	}
	c.checks.committed(n)
	c.pump(n)
}

// pump takes the effects of a broker's step.
func (c *cluster) pump(n *node) {
	for {
		for _, op := range n.out.Files {
			if op.Kind == core.OpMap || op.Ticket.Seq != 0 {
				n.due = append(n.due, slice{op.Data, op.Kind == core.OpSync || op.Kind == core.OpSyncDir})
			}
		}
		sends := slices.Clone(n.out.Sends)
		for _, frame := range n.out.Releases {
			c.checks.released(n, frame)
		}
		for _, note := range n.out.Notes {
			if note.Severity == core.Fail && (c.checks.unclean || c.spoilt) {
				c.told("broker %d says: %s", n.id, note.Text)
				continue
			}
			if note.Severity == core.Fail || strings.Contains(note.Text, "cannot be taken") {
				c.checks.fail("broker %d: %s", n.id, note.Text)
			}
		}
		n.driver.Execute(&n.out)
		if len(n.set.Failures) > 0 && !c.mayFail {
			c.checks.fail("broker %d: %v", n.id, n.set.Failures)
		}
		c.checks.after(n)
		for _, s := range sends {
			c.answered(n, s.Message)
		}
		for _, p := range n.set.Proposals {
			c.told("broker %d proposes isr %v in epoch %d, version %d", n.id, p.ISR, p.LeaderEpoch, p.PartitionEpoch)
			c.mail = append(c.mail, letter{what: "propose", from: n, epoch: n.epoch, p: p})
		}
		n.set.Proposals = nil
		for _, d := range n.set.Doubts {
			c.mail = append(c.mail, letter{what: "doubt", from: n, epoch: n.epoch, doubt: d})
		}
		n.set.Doubts = nil
		n.set.Changed = n.set.Changed[:0]
		if n.writing == nil && n.set.WantsCheckpoint() {
			c.checkpoint(n)
		}
		c.fetchAll(n)
		if n.out.Empty() {
			return
		}
	}
}

func (c *cluster) checkpoint(n *node) {
	w := &checkpointing3{c: n.set.TakeCheckpoint(), points: map[core.TopicIDPartition][3]core.Offset{}}
	for _, r := range n.set.Replicas() {
		if r.Online() {
			a, b, hw := r.Points()
			w.points[r.id] = [3]core.Offset{a, b, hw}
		} else {
			w.points[r.id] = n.saved[r.id]
		}
	}
	n.writing = w
}

// fetchAll sends what the fetchers want to send.
func (c *cluster) fetchAll(n *node) {
	for _, f := range n.set.Fetchers() {
		to := c.nodes[f.Leader()]
		req := n.set.NextFetch(c.now(), f)
		if req == nil {
			continue
		}
		k := n.conns[to.id]
		if k == nil {
			k = &conn{from: n, to: to, fromEpoch: n.epoch, toEpoch: to.epoch, dead: !to.up,
				entries: map[core.TopicIDPartition]kmsg.FetchRequestTopicPartition{},
				starts:  map[core.TopicIDPartition]core.Offset{}}
			n.conns[to.id] = k
		}
		if k.dead {
			c.mail = append(c.mail, letter{what: "lost", conn: k})
			continue
		}
		c.mail = append(c.mail, letter{what: "request", conn: k, bytes: req.AppendTo(nil)})
	}
}

// drop ends a connection. What is under way may still arrive, but no answer does.
func (c *cluster) drop(k *conn) {
	if k.dead {
		return
	}
	k.dead = true
	if k.op != nil && k.to.up && k.to.epoch == k.toEpoch {
		k.to.set.Work(c.now(), &CancelOp{Fetch: k.op}, &k.to.out)
		c.pump(k.to)
	}
	c.mail = append(c.mail, letter{what: "lost", conn: k})
}

// deliver takes letter i.
func (c *cluster) deliver(i int) {
	m := c.mail[i]
	if m.what == "request" || m.what == "response" {
		// Of one connection in order.
		for j := range i {
			if c.mail[j].conn == m.conn && c.mail[j].what == m.what {
				i, m = j, c.mail[j]
				break
			}
		}
	}
	c.mail = slices.Delete(c.mail, i, i+1)
	switch m.what {
	case "request":
		if m.conn.to.up && m.conn.to.epoch == m.conn.toEpoch {
			c.serve(m.conn, m.bytes)
		}
	case "response":
		n := m.conn.from
		if n.up && n.epoch == m.conn.fromEpoch && !m.conn.dead {
			resp := kmsg.NewPtrFetchResponse()
			resp.Version = 18
			must(resp.ReadFrom(m.bytes))
			n.set.Fetched(c.now(), n.set.Fetcher(m.conn.to.id), resp, m.bytes, &n.out)
			c.pump(n)
		}
	case "lost":
		n := m.conn.from
		if n.up && n.epoch == m.conn.fromEpoch {
			n.set.FetchLost(c.now(), n.set.Fetcher(m.conn.to.id))
			if n.conns[m.conn.to.id] == m.conn {
				delete(n.conns, m.conn.to.id)
			}
			c.pump(n)
		}
	case "propose":
		m.code, m.decided = c.alterPartition(m.from, m.epoch, m.p)
		if c.lossy(8) {
			m.code = core.RequestTimedOut
		}
		m.what = "decided"
		c.mail = append(c.mail, m)
	case "doubt":
		m.code = c.confirm(m.from, m.epoch, m.doubt)
		if c.lossy(8) {
			m.code = core.RequestTimedOut
		}
		m.what = "settled"
		c.mail = append(c.mail, m)
	case "settled":
		if n := m.from; n.up && n.epoch == m.epoch {
			n.set.Settle(c.now(), m.doubt, m.code, &n.out)
			c.pump(n)
		}
	case "decided":
		if n := m.from; n.up && n.epoch == m.epoch {
			n.set.ISRAnswered(c.now(), m.p, m.code, m.decided, &n.out)
			c.checks.committed(n)
			c.pump(n)
		}
	}
}

func (c *cluster) lossy(in uint64) bool { return !c.quiet && c.rng.Chance(1, in) }

// serve gives a leader a request.
func (c *cluster) serve(k *conn, b []byte) {
	req := kmsg.NewPtrFetchRequest()
	req.Version = 18
	must(req.ReadFrom(b))
	switch {
	case req.SessionEpoch == 0:
		k.session, k.next, k.order = 77, 1, nil
		clear(k.entries)
		clear(k.starts)
	case req.SessionID != k.session || req.SessionEpoch != k.next:
		c.checks.fail("session %d epoch %d where %d %d was expected", req.SessionID, req.SessionEpoch, k.session, k.next)
	default:
		k.next++
	}
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			id := core.TopicIDPartition{Topic: t.TopicID, Partition: core.PartitionID(p.Partition)}
			if _, ok := k.entries[id]; !ok {
				k.order = append(k.order, id)
			}
			k.entries[id] = p
		}
	}
	for _, t := range req.ForgottenTopics {
		for _, p := range t.Partitions {
			id := core.TopicIDPartition{Topic: t.TopicID, Partition: core.PartitionID(p)}
			delete(k.entries, id)
			delete(k.starts, id)
			k.order = slices.DeleteFunc(k.order, func(o core.TopicIDPartition) bool { return o == id })
		}
	}
	op := &FetchOp{MinBytes: int(req.MinBytes), MaxBytes: int(req.MaxBytes), Follower: true,
		Replica: core.BrokerID(req.ReplicaState.ID), ReplicaEpoch: core.BrokerEpoch(req.ReplicaState.Epoch),
		Deadline: c.mono + time.Duration(req.MaxWaitMillis)*time.Millisecond}
	for _, id := range k.order {
		p := k.entries[id]
		op.Items = append(op.Items, FetchItem{ID: id, Offset: core.Offset(p.FetchOffset), MaxBytes: int(p.PartitionMaxBytes),
			LeaderEpoch: core.LeaderEpoch(p.CurrentLeaderEpoch), LastFetchedEpoch: core.LeaderEpoch(p.LastFetchedEpoch),
			ReplicaLogStart: core.Offset(p.LogStartOffset), ReplicaHighWatermark: core.Offset(p.HighWatermark),
			ToldLogStart: k.toldStart(id)})
	}
	k.op = op
	k.to.fetches[op] = k
	c.told("fetch %d->%d:%s", k.from.id, k.to.id, op.asks())
	c.say("serve %d->%d:%s", k.from.id, k.to.id, op.asks())
	k.to.set.Work(c.now(), op, &k.to.out)
	c.pump(k.to)
}

func (k *conn) toldStart(id core.TopicIDPartition) core.Offset {
	if start, ok := k.starts[id]; ok {
		return start
	}
	return core.NoOffset
}

// answered takes an operation that a set has finished.
func (c *cluster) answered(n *node, m core.Message) {
	switch op := m.(type) {
	case *FetchOp:
		if k := n.fetches[op]; k != nil {
			delete(n.fetches, op)
			k.op = nil
			c.told("fetched %d<-%d:%s", k.from.id, k.to.id, op.answers())
			c.say("served %d->%d dead %v:%s", k.from.id, k.to.id, k.dead, op.answers())
			if !k.dead {
				c.mail = append(c.mail, letter{what: "response", conn: k, bytes: c.response(n, k, op)})
			}
			return
		}
		delete(n.reads, op)
		c.checks.read(n, op)
		c.told("consumer at %d: %s", n.id, op.AppendText(nil)[len("Fetch min=1 part=07000000-0 "):])
	case *ProduceOp:
		c.checks.acked(n, op, n.produces[op])
		c.told("produce at %d: %d %s", n.id, op.Items[0].BaseOffset, op.Items[0].Code)
		delete(n.produces, op)
	case *QueryOp:
		it := &op.Items[0]
		c.told("delete at %d: %d %s", n.id, it.Offset, it.Code)
		c.say("deleted at %d: %d %s", n.id, it.Offset, it.Code)
		if it.Code == core.NoError {
			c.checks.deleted(it.ID, it.Offset)
		}
	}
}

func (c *cluster) response(n *node, k *conn, op *FetchOp) []byte {
	resp := kmsg.NewPtrFetchResponse()
	resp.Version, resp.SessionID = 18, k.session
	for i := range op.Items {
		it := &op.Items[i]
		t := kmsg.NewFetchResponseTopic()
		t.TopicID = it.ID.Topic
		p := kmsg.NewFetchResponseTopicPartition()
		p.Partition, p.ErrorCode, p.LogStartOffset = int32(it.ID.Partition), int16(it.Code), int64(it.LogStart)
		p.HighWatermark = -1
		if it.Code == core.NoError {
			p.HighWatermark, k.starts[it.ID] = int64(it.HighWatermark), it.LogStart
			if it.DivergingEpoch != core.NoLeaderEpoch {
				p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = int32(it.DivergingEpoch), int64(it.DivergingEnd)
			}
			if it.Len > 0 {
				p.RecordBatches = n.driver.Read(it.File, it.Pos, it.Len)
			}
		}
		t.Partitions = append(t.Partitions, p)
		resp.Topics = append(resp.Topics, t)
	}
	return resp.AppendTo(nil)
}

// produce sends a batch to whom the client takes for the leader.
func (c *cluster) produce(n *node, part int, acks Acks) {
	c.produceBatch(n, part, int(c.rng.Between(1, 3)), acks)
}

func (c *cluster) produceBatch(n *node, part, records int, acks Acks) {
	c.produced++
	id := fmt.Sprintf("r%d", c.produced)
	var b record.Builder
	b.Start(nil, 0)
	for range records {
		b.Append(c.now().Wall, nil, []byte(id))
	}
	_, v := b.Finish()
	op := &ProduceOp{Acks: acks, Timeout: c.patience()}
	op.Items = []ProduceItem{{ID: c.partitions[part], Batch: v, LogAppendTime: core.NoTimestamp}}
	n.produces[op] = []produced1{{string(v.Payload())}}
	n.set.Work(c.now(), op, &n.out)
	c.pump(n)
}

// consume reads from any replica.
func (c *cluster) consume(n *node, part int) {
	r := n.set.Replica(c.partitions[part])
	if r.Log() == nil {
		return
	}
	from := core.Offset(c.rng.Between(int64(r.Log().LogStartOffset()), int64(r.Log().LogEndOffset())))
	c.consumeFrom(n, part, from)
}

func (c *cluster) consumeFrom(n *node, part int, from core.Offset) {
	op := &FetchOp{MinBytes: 1, MaxBytes: 1 << 20, AnyReplica: true, Deadline: c.mono + 20*time.Millisecond}
	op.Items = []FetchItem{{ID: c.partitions[part], Offset: from, MaxBytes: 1 << 20, LeaderEpoch: core.NoLeaderEpoch,
		LastFetchedEpoch: core.NoLeaderEpoch}}
	n.reads[op] = true
	n.set.Work(c.now(), op, &n.out)
	c.pump(n)
}

// patience is how long producers wait.
func (c *cluster) patience() time.Duration {
	if c.scripted {
		return time.Minute
	}
	return 500 * time.Millisecond
}

// complete brings completion i of a disk.
func (c *cluster) complete(n *node, i int) {
	n.due = slices.Delete(n.due, i, i+1)
	in := n.driver.Take(i)
	if in.Kind == core.InputMapped || in.Kind == core.InputFailed {
		n.set.Mapped(c.now(), in, &n.out)
	} else {
		n.set.Completed(c.now(), in, &n.out)
	}
}

// finish completes one thing that a broker's disk owes, or a job, or its checkpoint; it reports false if there is none.
func (c *cluster) finish(n *node) bool {
	choices := len(n.due) + len(n.driver.Jobs)
	if n.writing != nil {
		choices++
	}
	if choices == 0 {
		return false
	}
	i := int(c.rng.Below(uint64(choices)))
	switch {
	case i < len(n.due):
		c.complete(n, i)
	case i < len(n.due)+len(n.driver.Jobs):
		i -= len(n.due)
		j := n.driver.Jobs[i]
		n.driver.Jobs = slices.Delete(n.driver.Jobs, i, i+1)
		j.Run(n.disk)
		n.set.JobDone(c.now(), j, &n.out)
	default:
		w := n.writing
		n.writing, n.saved = nil, w.points
		n.set.Checkpointed(c.now(), w.c, &n.out)
	}
	c.pump(n)
	return true
}

// asks and answers give a fetch for scripts.
func (op *FetchOp) asks() string {
	s := ""
	for i := range op.Items {
		it := &op.Items[i]
		s += fmt.Sprintf(" from %d, last epoch %d, in epoch %d", it.Offset, it.LastFetchedEpoch, it.LeaderEpoch)
	}
	return s
}

func (op *FetchOp) answers() string {
	s := ""
	for i := range op.Items {
		it := &op.Items[i]
		switch {
		case it.Code != core.NoError:
			s += fmt.Sprintf(" %s, log start %d", it.Code, it.LogStart)
		case it.DivergingEpoch != core.NoLeaderEpoch:
			s += fmt.Sprintf(" diverges: epoch %d ends at %d", it.DivergingEpoch, it.DivergingEnd)
		default:
			s += fmt.Sprintf(" hw %d, start %d, %d bytes", it.HighWatermark, it.LogStart, it.Len)
		}
	}
	return s
}
