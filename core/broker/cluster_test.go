package broker_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/broker"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/metadata"
	"ottla.dev/core/record"
	"ottla.dev/core/wire"
)

// cluster is several worlds whose links end in each other's sessions. Everything happens in one order, and time goes by
// only in pass.
type cluster struct {
	worlds []*world // by id - 1; nil while it is down
	disks  []*logtest.Disk
	now    core.Instant
	set    map[string]string
	voters int
	starts uint64
	wires  []*wireLink
	cut    map[int]bool // nodes whose links deliver nothing
	holds  string       // of nodes that are started: which jobs are kept
	racks  bool         // node i stands in rack ri
	// bootstrap is the node that is the only bootstrap server of all; 0: the voters stand in the configuration. The
	// first voters nodes have a listener for the quorum then, and only brokers lists, if it is set, the nodes that hold
	// partitions.
	bootstrap int
	brokers   []int
}

// wireLink is a link of one node's machine to a session of another node.
type wireLink struct {
	from, to int // ids
	owner    *actor
	id       core.LinkID
	session  *actor
	queue    [][]byte // requests that have not been taken
	seen     int      // answers passed on
}

func newCluster(n, voters int, set map[string]string) *cluster {
	c := &cluster{now: core.Instant{Mono: time.Second, Wall: 1_700_000_000_000}, set: set, voters: voters,
		cut: map[int]bool{}}
	for range n {
		c.disks, c.worlds = append(c.disks, logtest.NewDisk()), append(c.worlds, nil)
	}
	return c
}

func (c *cluster) start(id int) {
	disk := c.disks[id-1]
	w := &world{disk: disk, now: c.now}
	static := worldSettings()
	maps.Copy(static, map[string]string{"node.id": strconv.Itoa(id), "offsets.topic.replication.factor": "3",
		"default.replication.factor": "3"})
	if c.racks {
		static["broker.rack"] = "r" + strconv.Itoa(id)
	}
	maps.Copy(static, c.set)
	c.starts++
	cfg := broker.Config{Version: "test", Seed: c.starts * 7919, Static: static, LogDirs: dirsOf(static), Shards: 2,
		Endpoints: []metadata.Endpoint{{Name: "PLAINTEXT", Host: "n" + strconv.Itoa(id), Port: 9092}}}
	if c.bootstrap > 0 {
		cfg.Bootstrap = []record.Endpoint{{Name: "X", Host: "n" + strconv.Itoa(c.bootstrap), Port: 9093}}
	}
	cfg.ControllerOnly = c.brokers != nil && !contains(c.brokers, id)
	for v := 1; v <= c.voters && c.bootstrap == 0; v++ {
		cfg.Voters = append(cfg.Voters, broker.Voter{ID: core.BrokerID(v), Name: "CONTROLLER",
			Host: "n" + strconv.Itoa(v), Port: 9093})
	}
	if id <= c.voters {
		cfg.ControllerEndpoints = []record.Endpoint{{Name: "CONTROLLER", Host: "n" + strconv.Itoa(id), Port: 9093}}
	}
	w.broker = broker.New(cfg)
	w.links = func(a *actor, ops []core.LinkOp) { c.execute(id, a, ops) }
	w.holds = c.holds
	w.add(core.Control(), w.broker.Control())
	for i := range uint32(2) {
		w.add(core.Shard(i), w.broker.Shard(i))
	}
	c.worlds[id-1] = w
	w.give(w.actor(core.Control()), core.Input{Kind: core.InputStart})
	c.settle()
}

// kill ends a node's process; its peers see their connections end.
func (c *cluster) kill(id int) {
	c.worlds[id-1] = nil
	c.sever(func(l *wireLink) bool { return l.from == id || l.to == id })
}

// sever ends links. Each side that lives is told.
func (c *cluster) sever(which func(*wireLink) bool) {
	var kept, gone []*wireLink
	for _, l := range c.wires {
		if which(l) {
			gone = append(gone, l)
		} else {
			kept = append(kept, l)
		}
	}
	c.wires = kept
	for _, l := range gone {
		if w := c.worlds[l.from-1]; w != nil {
			w.give(l.owner, core.Input{Kind: core.InputLinkDown, Link: l.id, Err: core.ErrNotExist})
		}
		if w := c.worlds[l.to-1]; w != nil && l.session != nil {
			l.session.gone = true
			w.give(l.session, core.Input{Kind: core.InputDisconnected})
		}
	}
}

func (c *cluster) execute(from int, a *actor, ops []core.LinkOp) {
	for _, op := range ops {
		switch op.Kind {
		case core.LinkOpen:
			host, port, _ := strings.Cut(op.Address, ":")
			to, _ := strconv.Atoi(host[1:])
			l := &wireLink{from: from, to: to, owner: a, id: op.Link}
			w := c.worlds[to-1]
			client := port == "9092"
			if w == nil || client && !w.listens || !client && !w.listensQuorum || c.cut[from] || c.cut[to] {
				why := core.ErrRefused
				if c.cut[from] || c.cut[to] {
					why = core.ErrNotExist
				}
				c.worlds[from-1].give(a, core.Input{Kind: core.InputLinkDown, Link: op.Link, Err: why})
				continue
			}
			classes := wire.ClassClient
			if !client {
				classes |= wire.ClassBroker | wire.ClassRaft
			}
			w.sessions++
			l.session = w.add(core.Session(w.sessions), w.broker.NewSession(w.sessions, classes))
			w.give(l.session, core.Input{Kind: core.InputStart, Peer: "127.0.0.1"})
			c.wires = append(c.wires, l)
			c.worlds[from-1].give(a, core.Input{Kind: core.InputLinkUp, Link: op.Link})
		case core.LinkSend:
			for _, l := range c.wires {
				if l.owner == a && l.id == op.Link {
					l.queue = append(l.queue, append([]byte(nil), op.Bytes[4:]...))
				}
			}
		case core.LinkClose:
			c.sever(func(l *wireLink) bool { return l.owner == a && l.id == op.Link })
		}
	}
}

// settle steps everything until nothing is left to do at this moment.
func (c *cluster) settle() {
	for rounds, busy := 0, true; busy; rounds++ {
		if rounds > 10_000 {
			panic("the cluster does not come to rest")
		}
		busy = false
		for _, w := range c.worlds {
			if w == nil {
				continue
			}
			for _, a := range w.actors {
				busy = busy || len(a.inbox) > 0
			}
			w.settle()
		}
		for _, l := range append([]*wireLink(nil), c.wires...) {
			busy = c.carry(l) || busy
		}
	}
}

// carry moves what a link has one step on.
func (c *cluster) carry(l *wireLink) bool {
	if c.cut[l.from] || c.cut[l.to] {
		return false
	}
	moved := false
	if w := c.worlds[l.to-1]; len(l.queue) > 0 && l.session.wants && !l.session.closed {
		frame := l.queue[0]
		l.queue, l.session.wants = l.queue[1:], false
		l.session.lent = append(l.session.lent, frame)
		w.give(l.session, core.Input{Kind: core.InputFrame, Frame: frame})
		moved = true
	}
	if n := len(l.session.answers); n > l.seen {
		frame := append([]byte(nil), l.session.answers[l.seen][4:]...)
		l.seen++
		l.owner.lent = append(l.owner.lent, frame)
		c.worlds[l.from-1].give(l.owner, core.Input{Kind: core.InputLinkFrame, Link: l.id, Frame: frame})
		return true
	}
	if l.session.closed {
		c.sever(func(x *wireLink) bool { return x == l })
		return true
	}
	return moved
}

// pass lets time go by in small steps.
func (c *cluster) pass(d time.Duration) {
	const step = 10 * time.Millisecond
	for ; d > 0; d -= step {
		c.now.Mono += step
		c.now.Wall += core.Timestamp(step / time.Millisecond)
		for _, w := range c.worlds {
			if w != nil {
				w.now = c.now
				w.tick()
			}
		}
		c.settle()
	}
}

// until lets time go by until something holds.
func (c *cluster) until(t *testing.T, most time.Duration, what string, holds func() bool) {
	t.Helper()
	for from := c.now.Mono; !holds(); c.pass(10 * time.Millisecond) {
		if c.now.Mono-from > most {
			for i, w := range c.worlds {
				if w != nil {
					t.Logf("node %d: listens %v, halted %q, notes %q", i+1, w.listens, w.halted, w.notes)
				}
			}
			t.Fatalf("after %v: not %s", most, what)
		}
	}
}

func (c *cluster) startAll(t *testing.T) *cluster {
	t.Helper()
	for i := range c.worlds {
		c.start(i + 1)
	}
	c.until(t, 30*time.Second, "all listening", func() bool {
		for _, w := range c.worlds {
			if w == nil || !w.listens {
				return false
			}
		}
		return true
	})
	return c
}

// ask sends a client's request to a node and lets time pass until it is answered.
func (c *cluster) ask(t *testing.T, id int, req kmsg.Request) kmsg.Response {
	t.Helper()
	w := c.worlds[id-1]
	s := w.connect()
	c.settle()
	if !w.offer(s, frameOf(req, 1)) {
		t.Fatal("the session takes no request")
	}
	c.settle()
	c.until(t, 20*time.Second, "answered: "+kmsg.NameForKey(req.Key()), func() bool { return len(s.answers) > 0 })
	if binary.BigEndian.Uint32(s.answers[0][4:]) != 1 {
		t.Fatal("another correlation id")
	}
	resp := decodeAnswer(req, s.answers[0])
	w.hangUp(s)
	c.settle()
	return resp
}

func (c *cluster) createTopic(t *testing.T, id int, name string, replicas int16) core.ErrorCode {
	t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = 7
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, 3, replicas
	req.Topics = append(req.Topics, topic)
	return core.ErrorCode(c.ask(t, id, req).(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode)
}

func (c *cluster) metadata(t *testing.T, id int, topics ...string) *kmsg.MetadataResponse {
	t.Helper()
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 12
	req.Topics = []kmsg.MetadataRequestTopic{}
	for _, name := range topics {
		req.Topics = append(req.Topics, kmsg.MetadataRequestTopic{Topic: &name})
	}
	return c.ask(t, id, req).(*kmsg.MetadataResponse)
}

// controller is the active controller as a node describes it.
func (c *cluster) controller(t *testing.T, id int) int {
	t.Helper()
	req := kmsg.NewPtrDescribeClusterRequest()
	return int(c.ask(t, id, req).(*kmsg.DescribeClusterResponse).ControllerID)
}

// other is a node that is up and is not one of those given.
func (c *cluster) other(not ...int) int {
	for i, w := range c.worlds {
		if w != nil && !contains(not, i+1) {
			return i + 1
		}
	}
	panic("no other node")
}

func contains(list []int, x int) bool {
	for _, y := range list {
		if x == y {
			return true
		}
	}
	return false
}

func TestThreeBrokersMakeACluster(t *testing.T) {
	c := newCluster(3, 3, nil).startAll(t)
	if c.now.Mono > 6*time.Second {
		t.Errorf("it took %v", c.now.Mono)
	}
	ids := map[string]bool{}
	for i, w := range c.worlds {
		ids[w.broker.Identity().ClusterID] = true
		// Whoever answers is to be asked for what needs the controller, unless it is the controller.
		m, controller := c.metadata(t, i+1), c.controller(t, i+1)
		if len(m.Brokers) != 3 || controller < 1 || int(m.ControllerID) == controller || m.ControllerID < 1 ||
			i+1 != controller && m.ControllerID != int32(i+1) {
			t.Errorf("node %d, the controller is %d: %+v", i+1, controller, m)
		}
	}
	if len(ids) != 1 {
		t.Errorf("cluster ids: %v", ids)
	}
}

func TestATopicIsCreatedThroughAnyBrokerAndSeenByAll(t *testing.T) {
	c := newCluster(3, 3, nil).startAll(t)
	through := c.other(c.controller(t, 1))
	if code := c.createTopic(t, through, "t", 3); code != core.NoError {
		t.Fatal(code)
	}
	// Whoever was answered reads its own write, at once.
	if m := c.metadata(t, through, "t"); m.Topics[0].ErrorCode != 0 || len(m.Topics[0].Partitions) != 3 {
		t.Errorf("%+v", m.Topics[0])
	}
	if code := c.createTopic(t, through, "t", 3); code != core.TopicAlreadyExists {
		t.Errorf("created again: %v", code)
	}
	c.pass(time.Second)
	for id := 1; id <= 3; id++ {
		if m := c.metadata(t, id, "t"); m.Topics[0].ErrorCode != 0 || len(m.Topics[0].Partitions[0].ISR) != 3 {
			t.Errorf("node %d: %+v", id, m.Topics[0])
		}
	}
	req := deletion("t")
	if r := c.ask(t, through, req).(*kmsg.DeleteTopicsResponse); r.Topics[0].ErrorCode != 0 {
		t.Fatal(r)
	}
	if m := c.metadata(t, through, "t"); core.ErrorCode(m.Topics[0].ErrorCode) != core.UnknownTopicOrPartition {
		t.Errorf("after its deletion: %+v", m.Topics[0])
	}
}

func TestAnotherControllerTakesOver(t *testing.T) {
	c := newCluster(3, 3, nil).startAll(t)
	first := c.controller(t, 1)
	asked := c.other(first)
	if code := c.createTopic(t, asked, "before", 3); code != core.NoError {
		t.Fatal(code)
	}
	c.kill(first)
	from := c.now.Mono
	if code := c.createTopic(t, asked, "after", 2); code != core.NoError {
		t.Fatal(code)
	}
	if took := c.now.Mono - from; took > 3*time.Second {
		t.Errorf("the next controller decided after %v", took)
	}
	if next := c.controller(t, asked); next == first {
		t.Errorf("the controller is still %d", next)
	}
	// The dead broker is fenced, and its partitions move.
	c.until(t, 15*time.Second, "moved", func() bool {
		for _, p := range c.metadata(t, asked, "before").Topics[0].Partitions {
			if int(p.Leader) == first || p.Leader < 0 || p.ErrorCode != 0 {
				return false
			}
		}
		return len(c.metadata(t, asked).Brokers) == 2
	})
	c.start(first)
	c.until(t, 20*time.Second, "back", func() bool {
		return c.worlds[first-1].listens && len(c.metadata(t, asked).Brokers) == 3
	})
}

func TestABrokerThatIsCutOffIsFenced(t *testing.T) {
	c := newCluster(4, 3, nil).startAll(t)
	if code := c.createTopic(t, 1, "t", 3); code != core.NoError {
		t.Fatal(code)
	}
	c.cut[4] = true
	c.until(t, 15*time.Second, "fenced", func() bool { return len(c.metadata(t, 1).Brokers) == 3 })
	for _, p := range c.metadata(t, 1, "t").Topics[0].Partitions {
		if p.Leader == 4 || p.Leader < 0 {
			t.Errorf("%+v", p)
		}
	}
	c.cut[4] = false
	c.until(t, 15*time.Second, "unfenced", func() bool { return len(c.metadata(t, 1).Brokers) == 4 })
}

func TestARestartOfEverythingKeepsTheMetadata(t *testing.T) {
	set := map[string]string{"metadata.log.max.record.bytes.between.snapshots": "2000"}
	c := newCluster(3, 3, set).startAll(t)
	for i := range 6 {
		if code := c.createTopic(t, i%3+1, fmt.Sprint("t", i), 2); code != core.NoError {
			t.Fatal(code)
		}
	}
	for round := range 2 {
		for id := 1; id <= 3; id++ {
			c.kill(id)
			random := core.NewPRNG(uint64(round*10 + id))
			c.disks[id-1].Crash(&random)
		}
		c.startAll(t)
		for id := 1; id <= 3; id++ {
			for i := range 6 {
				if m := c.metadata(t, id, fmt.Sprint("t", i)); m.Topics[0].ErrorCode != 0 {
					t.Errorf("node %d: %+v", id, m.Topics[0])
				}
			}
		}
		c.createTopic(t, 1, fmt.Sprint("again", round), 2)
	}
}

func TestProducerIDsAreUniqueAcrossBrokersAndFailovers(t *testing.T) {
	c := newCluster(3, 3, nil).startAll(t)
	seen := map[int64]bool{}
	for round := range 3 {
		for id := 1; id <= 3; id++ {
			if c.worlds[id-1] == nil {
				continue
			}
			for range 3 {
				r := c.ask(t, id, initProducer()).(*kmsg.InitProducerIDResponse)
				if r.ErrorCode != 0 || seen[r.ProducerID] {
					t.Fatalf("%+v", r)
				}
				seen[r.ProducerID] = true
			}
		}
		if round == 0 {
			c.kill(c.controller(t, 1))
		}
		if round == 1 {
			for id := 1; id <= 3; id++ {
				if c.worlds[id-1] == nil {
					c.start(id)
				}
			}
			c.pass(15 * time.Second)
		}
	}
}

// A broker that stops hands its leaderships over first, and comes back as a clean one.
func TestAControlledShutdownMovesLeaders(t *testing.T) {
	c := newCluster(3, 3, nil).startAll(t)
	if code := c.createTopic(t, 1, "t", 3); code != core.NoError {
		t.Fatal(code)
	}
	for id := 1; id <= 3; id++ {
		w := c.worlds[id-1]
		w.give(w.actor(core.Control()), core.Input{Kind: core.InputShutdown})
		from := c.now.Mono
		c.until(t, 10*time.Second, "stopped", func() bool { return w.stopped })
		if took := c.now.Mono - from; took > 3*time.Second {
			t.Errorf("node %d stopped after %v", id, took)
		}
		c.kill(id)
		asked := c.other(id)
		for _, p := range c.metadata(t, asked, "t").Topics[0].Partitions {
			if int(p.Leader) == id || p.Leader < 0 {
				t.Errorf("after the end of %d: %+v", id, p)
			}
		}
		c.start(id)
		c.until(t, 20*time.Second, "back", func() bool { return c.worlds[id-1].listens })
		c.pass(3 * time.Second)
	}
}

// When all stop at once, nobody is left at last who could take over: the last one does not wait for that.
func TestAllNodesStopAtOnceWithoutWaitingForEachOther(t *testing.T) {
	c := newCluster(3, 3, nil).startAll(t)
	if code := c.createTopic(t, 1, "t", 3); code != core.NoError {
		t.Fatal(code)
	}
	from := c.now.Mono
	for _, w := range c.worlds {
		w.give(w.actor(core.Control()), core.Input{Kind: core.InputShutdown})
	}
	for left := 3; left > 0; c.pass(10 * time.Millisecond) {
		for i, w := range c.worlds {
			if w != nil && w.stopped {
				c.kill(i + 1)
				left--
			}
		}
		if took := c.now.Mono - from; took > 1500*time.Millisecond {
			t.Fatalf("%d nodes have not stopped after %v", left, took)
		}
	}
}

func (c *cluster) leaderOf(t *testing.T, asked int, topic string, partition int32) int {
	t.Helper()
	for _, p := range c.metadata(t, asked, topic).Topics[0].Partitions {
		if p.Partition == partition {
			return int(p.Leader)
		}
	}
	return -1
}

func (c *cluster) produced(t *testing.T, id int, topic string, n int) (int64, core.ErrorCode) {
	t.Helper()
	req := produceTo(topic, 0, -1, records(n))
	req.TimeoutMillis = 5000
	p := c.ask(t, id, req).(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	return p.BaseOffset, core.ErrorCode(p.ErrorCode)
}

// What all replicas have acknowledged outlives any one of them, and the one that comes back joins the ISR again.
func TestAcknowledgedRecordsSurviveTheirLeader(t *testing.T) {
	c := newCluster(3, 3, map[string]string{"min.insync.replicas": "2"}).startAll(t)
	if code := c.createTopic(t, 1, "t", 3); code != core.NoError {
		t.Fatal(code)
	}
	next := int64(0)
	for range 6 {
		leader := c.leaderOf(t, c.other(), "t", 0)
		if base, code := c.produced(t, leader, "t", 3); base != next || code != core.NoError {
			t.Fatalf("base offset %d, not %d: %v", base, next, code)
		}
		next += 3
		c.kill(leader)
		random := core.NewPRNG(uint64(next))
		c.disks[leader-1].Crash(&random)
		asked := c.other()
		c.until(t, 20*time.Second, "a new leader", func() bool {
			l := c.leaderOf(t, asked, "t", 0)
			return l > 0 && l != leader
		})
		leader2 := c.leaderOf(t, asked, "t", 0)
		if base, code := c.produced(t, leader2, "t", 2); base != next || code != core.NoError {
			t.Fatalf("base offset %d, not %d: %v", base, next, code)
		}
		next += 2
		c.start(leader)
		c.until(t, 30*time.Second, "in sync", func() bool {
			return len(c.metadata(t, asked, "t").Topics[0].Partitions[0].ISR) == 3
		})
	}
}

// A group's offsets live on a replicated partition and move with its leader.
func TestAGroupsCoordinatorMoves(t *testing.T) {
	c := newCluster(3, 3, nil).startAll(t)
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version, find.CoordinatorKey = 3, "g"
	where := func() int {
		id := -1
		c.until(t, 30*time.Second, "a coordinator", func() bool {
			r := c.ask(t, c.other(), find).(*kmsg.FindCoordinatorResponse)
			id = int(r.NodeID)
			return r.ErrorCode == 0 && id > 0 && c.worlds[id-1] != nil
		})
		return id
	}
	c.createTopic(t, 1, "t", 3)
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Version, commit.Group, commit.Generation = 8, "g", -1
	fetch := kmsg.NewPtrOffsetFetchRequest()
	fetch.Version, fetch.Group = 7, "g"
	fetch.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "t", Partitions: []int32{0}}}
	for n := int64(1); n < 4; n++ {
		at := where()
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Offset = n
		commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t",
			Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
		c.until(t, 10*time.Second, "committed", func() bool {
			r := c.ask(t, at, commit).(*kmsg.OffsetCommitResponse)
			return r.Topics[0].Partitions[0].ErrorCode == 0
		})
		c.kill(at)
		c.until(t, 30*time.Second, "kept", func() bool {
			r := c.ask(t, where(), fetch).(*kmsg.OffsetFetchResponse)
			if r.ErrorCode != 0 || r.Topics[0].Partitions[0].ErrorCode != 0 {
				return false
			}
			if r.Topics[0].Partitions[0].Offset != n {
				t.Fatalf("offset %d, not %d", r.Topics[0].Partitions[0].Offset, n)
			}
			return true
		})
		c.start(at)
		c.until(t, 30*time.Second, "back", func() bool { return c.worlds[at-1].listens })
		c.pass(5 * time.Second)
	}
}

// Nodes die, lose what they had not synced, come back and are cut off at random moments, while topics are made and
// records produced: no machine panics, what was acknowledged is there in the end, and everybody agrees.
func TestAnyRowOfFailuresIsSurvived(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := core.NewPRNG(seed + 1)
			set := map[string]string{"min.insync.replicas": "2", "metadata.log.max.record.bytes.between.snapshots": "3000",
				"controlled.shutdown.enable": "true"}
			c := newCluster(3, 3, set).startAll(t)
			if code := c.createTopic(t, 1, "t", 3); code != core.NoError {
				t.Fatal(code)
			}
			acknowledged, topics := map[int64]int{}, []string{"t"}
			for round := range 25 {
				victim := int(random.Below(3)) + 1
				switch random.Below(5) {
				case 0:
					c.kill(victim)
					disk := random.Fork(uint64(round))
					c.disks[victim-1].Crash(&disk)
				case 1:
					w := c.worlds[victim-1]
					w.give(w.actor(core.Control()), core.Input{Kind: core.InputShutdown})
					c.until(t, 30*time.Second, "stopped", func() bool { return w.stopped })
					c.kill(victim)
				case 2:
					c.cut[victim] = true
				case 3:
					c.sever(func(l *wireLink) bool { return l.from == victim })
				}
				c.pass(time.Duration(random.Below(3000)) * time.Millisecond)
				asked := c.other(victim)
				name := fmt.Sprint("topic-", round)
				if c.createTopic(t, asked, name, 2) == core.NoError {
					topics = append(topics, name)
				}
				if leader := c.leaderOf(t, asked, "t", 0); leader > 0 && c.worlds[leader-1] != nil && !c.cut[leader] {
					n := int(random.Below(4)) + 1
					if base, code := c.produced(t, leader, "t", n); code == core.NoError {
						acknowledged[base] = n
					}
				}
				if c.cut[victim] {
					c.cut[victim] = false
				}
				if c.worlds[victim-1] == nil {
					c.start(victim)
				}
				c.until(t, 60*time.Second, "healed", func() bool {
					for id := 1; id <= 3; id++ {
						if !c.worlds[id-1].listens || len(c.metadata(t, id).Brokers) != 3 {
							return false
						}
						for _, p := range c.metadata(t, id, "t").Topics[0].Partitions {
							if len(p.ISR) != 3 {
								return false
							}
						}
					}
					return true
				})
			}
			c.pass(time.Second)
			for id := 1; id <= 3; id++ {
				for _, name := range topics {
					if m := c.metadata(t, id, name); m.Topics[0].ErrorCode != 0 {
						t.Errorf("node %d: %+v", id, m.Topics[0])
					}
				}
			}
			list := kmsg.NewPtrListOffsetsRequest()
			list.Version, list.ReplicaID = 5, -1
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Timestamp = -1
			list.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: "t", Partitions: []kmsg.ListOffsetsRequestTopicPartition{p}}}
			leader := c.leaderOf(t, 1, "t", 0)
			end := c.ask(t, leader, list).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].Offset
			for base, n := range acknowledged {
				if base+int64(n) > end {
					t.Errorf("%d records at %d were acknowledged, and the log ends at %d", n, base, end)
				}
			}
			if len(acknowledged) < 5 {
				t.Errorf("only %d batches were acknowledged", len(acknowledged))
			}
		})
	}
}
