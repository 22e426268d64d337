package partition

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/log/logtest"
)

var (
	replicaSeeds = flag.Int("replica-seeds", 400, "seeds of the cluster of sets")
	replicaSeed  = flag.Uint64("replica-seed", 0, "one seed of the cluster of sets, with its trace")
)

// TestReplicasAgree runs seeded clusters through crashes, wiped disks, elections and lost connections, and checks the
// invariants of replication after every event; then faults end and everything must come together.
func TestReplicasAgree(t *testing.T) {
	if *replicaSeed > 0 {
		c := runCluster(*replicaSeed)
		for _, line := range c.trace {
			t.Log(line)
		}
		if c.checks.failed != "" {
			t.Error(c.checks.failed)
		}
		return
	}
	var acks, cuts, epochs, resets int
	for seed := range uint64(*replicaSeeds) {
		c := runCluster(seed + 1)
		if c.checks.failed != "" {
			t.Fatalf("seed %d: %s", seed+1, c.checks.failed)
		}
		acks, cuts, epochs, resets = acks+c.checks.acks, cuts+c.checks.cuts, epochs+c.checks.epochs, resets+c.checks.resets
	}
	t.Logf("%d acknowledged, %d truncations, %d leaderships, %d restarts of logs", acks, cuts, epochs, resets)
	if *replicaSeeds >= 100 && (acks < 100 || cuts < 20 || epochs < 200 || resets < 5) {
		t.Error("the clusters do too little")
	}
}

const (
	clusterSteps = 1500
	healSteps    = 6000
)

func runCluster(seed uint64) *cluster {
	c := newCluster(seed)
	c.run()
	return c
}

func (c *cluster) run() {
	for range clusterSteps {
		if c.step(); c.checks.failed != "" {
			return
		}
	}
	c.heal()
}

func TestClustersReplayFromTheirSeed(t *testing.T) {
	var traces [2][]string
	for i := range traces {
		c := newCluster(4711)
		c.tracing = true
		c.run()
		traces[i] = c.trace
	}
	if len(traces[0]) < 100 || !slices.Equal(traces[0], traces[1]) {
		t.Errorf("%d and %d lines that differ", len(traces[0]), len(traces[1]))
	}
}

// step lets something happen.
func (c *cluster) step() {
	n := c.nodes[c.rng.Below(3)]
	switch d := c.rng.Below(100); {
	case d < 45:
		if n.up {
			c.finish(n)
		}
	case d < 75:
		if len(c.mail) > 0 {
			i := 0
			if c.rng.Chance(1, 3) {
				i = int(c.rng.Below(uint64(len(c.mail))))
			}
			c.deliver(i)
		}
	case d < 82:
		c.pass(time.Duration(c.rng.Between(0, 15)) * time.Millisecond)
	case d < 90:
		c.client(n)
	case d < 95:
		c.hear(n)
	default:
		c.fault(n)
	}
}

func (c *cluster) client(n *node) {
	part := int(c.rng.Below(uint64(len(c.partitions))))
	switch {
	case !n.up:
	case c.rng.Chance(1, 3):
		c.consume(n, part)
	default:
		acks := AcksAll
		if c.rng.Chance(1, 4) {
			acks = AcksLeader
		}
		c.produce(n, part, acks)
	}
}

// hear lets a broker learn later metadata, perhaps several versions at once.
func (c *cluster) hear(n *node) {
	if latest := len(c.versions) - 1; n.up && n.learned < latest {
		c.learn(n, int(c.rng.Between(int64(n.learned)+1, int64(latest))))
	}
}

// pass lets time go by.
func (c *cluster) pass(d time.Duration) {
	c.mono += d
	for _, n := range c.nodes {
		if !n.up {
			continue
		}
		if at, ok := n.set.Deadline(); ok && c.now().Reached(at) {
			n.set.Tick(c.now(), &n.out)
		}
		c.pump(n)
	}
}

func (c *cluster) fault(n *node) {
	img := c.current()
	switch c.rng.Below(13) {
	case 0:
		if n.up && c.rng.Chance(1, 2) {
			c.end(n)
		}
	case 1, 2, 3:
		if !n.up {
			c.restart(n)
		}
	case 4:
		if c.rng.Chance(1, 2) && !img.brokers[n.id].fenced {
			c.fence(n.id)
		}
	case 5, 6, 7:
		if n.up && img.brokers[n.id].fenced && n.learned >= int(n.epoch) && n.registered(img) {
			c.unfence(n.id)
		}
	case 8:
		if k := n.conns[c.nodes[c.rng.Below(3)].id]; k != nil {
			c.drop(k)
		}
	case 9:
		if p := int(c.rng.Below(uint64(len(c.partitions)))); len(img.parts[p].isr) > 0 {
			c.move(p)
		}
	case 10:
		if n.up && n.writing == nil {
			c.checkpoint(n)
		}
	case 11:
		if n.up && c.rng.Chance(1, 2) {
			c.deleteRecords(n)
		}
	case 12:
		if c.rng.Chance(1, 3) {
			c.require(int(c.rng.Between(1, 3)))
		}
	}
}

func (n *node) registered(img *image) bool { return img.brokers[n.id].epoch == n.epoch }

// end ends a broker: its process, or with what was not synced, or with its disk where others have everything.
func (c *cluster) end(n *node) {
	c.stop(n)
	switch {
	case !c.caching && c.rng.Chance(1, 4) && c.expendable(n):
		c.say("wipe %d", n.id)
		n.disk, n.saved, n.wiped = logtest.NewDisk(), nil, true
		must(n.disk.Mkdir(testDir))
		n.disk.SyncAll()
		c.forget(n) // at once, or it might be the last of an ISR
	case !c.caching && c.rng.Chance(2, 3):
		c.say("crash %d", n.id)
		n.disk.Crash(&c.rng)
	default:
		c.say("kill %d", n.id)
		n.disk.Kill()
	}
}

// stop ends a broker's process and its connections.
func (c *cluster) stop(n *node) {
	n.up, n.out, n.writing = false, core.Outbox{}, nil
	for _, other := range c.nodes {
		for _, k := range other.conns {
			if (k.from == n || k.to == n) && !k.dead {
				k.dead = true
				c.mail = append(c.mail, letter{what: "lost", conn: k})
			}
		}
	}
}

// expendable reports whether everything that a broker has is safe elsewhere.
func (c *cluster) expendable(n *node) bool {
	for i := range c.current().parts {
		p := &c.current().parts[i]
		if !slices.ContainsFunc(p.isr, func(id core.BrokerID) bool { return id != n.id && !c.nodes[id].wiped }) {
			return false
		}
	}
	return true
}

// restart begins a new incarnation. Its broker epoch is the version of its registration.
func (c *cluster) restart(n *node) {
	c.say("restart %d", n.id)
	n.epoch = core.BrokerEpoch(len(c.versions) + 1)
	c.register(n)
	c.boot(n)
	n.learned = len(c.versions) - 2 // so that it hears of its registration first
}

func (c *cluster) deleteRecords(n *node) {
	r := n.set.Replica(c.partitions[c.rng.Below(uint64(len(c.partitions)))])
	if r.lead == nil || r.log == nil || r.highWatermark == 0 {
		return
	}
	c.deleteTo(n, slices.Index(c.partitions, r.id), core.Offset(c.rng.Below(uint64(r.highWatermark)+1)))
}

func (c *cluster) deleteTo(n *node, part int, offset core.Offset) {
	op := &QueryOp{Kind: QueryDelete, Timeout: 300 * time.Millisecond, Items: []QueryItem{{ID: c.partitions[part],
		LeaderEpoch: core.NoLeaderEpoch, Offset: offset}}}
	n.set.Work(c.now(), op, &n.out)
	n.set.Retain(c.now(), &n.out)
	c.pump(n)
}

// heal ends the faults and waits until all replicas are in sync and serve.
func (c *cluster) heal() {
	c.quiet = true
	c.say("heal")
	for _, n := range c.nodes {
		if !n.up {
			c.restart(n)
		}
	}
	for i := range healSteps {
		c.settleAll()
		c.pass(5 * time.Millisecond)
		if c.checks.failed != "" || i%20 == 0 && c.healed() {
			break
		}
	}
	if c.checks.failed == "" && !c.healed() {
		c.checks.fail("L1: not all in sync after the faults ended: %s", c.state())
	}
	if c.checks.failed == "" {
		c.lastWrite()
	}
	c.compare()
}

func (c *cluster) settleAll() {
	for _, n := range c.nodes {
		for c.finish(n) {
		}
		if n.learned < len(c.versions)-1 {
			c.learn(n, len(c.versions)-1)
		}
		if img := c.current(); img.brokers[n.id].fenced {
			c.unfence(n.id)
		}
	}
	for range len(c.mail) {
		c.deliver(0)
	}
}

func (c *cluster) healed() bool {
	for i, id := range c.partitions {
		p := &c.current().parts[i]
		if len(p.isr) < 3 || p.leader == core.NoBroker {
			return false
		}
		leader := c.nodes[p.leader].set.Replica(id)
		for _, n := range c.nodes {
			r := n.set.Replica(id)
			if r.log == nil || r.log.LogEndOffset() != leader.log.LogEndOffset() ||
				r.highWatermark != leader.log.LogEndOffset() || len(r.waits) > r.head || len(r.frames) > 0 {
				return false
			}
		}
	}
	return true
}

// lastWrite checks that a write to every partition is acknowledged soon.
func (c *cluster) lastWrite() {
	for range 20 {
		c.settleAll()
		c.pass(5 * time.Millisecond) // connections come back
	}
	before := c.checks.acks
	for i := range c.partitions {
		c.produce(c.nodes[c.current().parts[i].leader], i, AcksAll)
	}
	for range 40 {
		c.settleAll()
	}
	if c.checks.acks-before != len(c.partitions) || !c.healed() {
		c.checks.fail("L1: a write to a healthy cluster needs time to be acknowledged or known everywhere: %s", c.state())
	}
	c.pass(50 * time.Millisecond)
	c.settleAll()
	for _, n := range c.nodes {
		if len(n.produces)+len(n.reads) > 0 {
			c.checks.fail("L1: operations without an answer on broker %d", n.id)
		}
	}
}

// compare reads all logs to their ends.
func (c *cluster) compare() {
	for _, n := range c.nodes {
		for _, r := range n.set.Replicas() {
			if r.log == nil || !r.Online() {
				continue
			}
			var epochs []log.EpochStart
			c.checks.each(n, r, r.log.Start(), r.log.LogEndOffset(), func(o core.Offset, e entry) {
				if k := len(epochs); k == 0 || epochs[k-1].Epoch != e.epoch {
					epochs = append(epochs, log.EpochStart{Epoch: e.epoch, Start: o})
				}
			})
			have := r.log.Epochs().All()
			for _, e := range epochs {
				if !slices.Contains(have, e) {
					c.checks.fail("S7: broker %d has epochs %v, its log %v", n.id, have, epochs)
				}
			}
		}
	}
}

func (c *cluster) state() string {
	var b []byte
	for i, id := range c.partitions {
		p := &c.current().parts[i]
		b = fmt.Appendf(b, "\np%d leader %d epoch %d isr %v elr %v:", i, p.leader, p.epoch, p.isr, p.elr)
		for _, n := range c.nodes {
			r := n.set.Replica(id)
			b = fmt.Appendf(b, " [%d: role %d epoch %d", n.id, r.role, r.leaderEpoch)
			if r.log != nil {
				b = fmt.Appendf(b, " %d..%d hw %d epochs %v", r.log.LogStartOffset(), r.log.LogEndOffset(), r.highWatermark,
					r.log.Epochs().All())
			}
			if r.lead != nil {
				b = fmt.Appendf(b, " pending %v followers %+v", r.lead.pending, r.lead.followers)
			}
			if r.follow != nil {
				b = fmt.Appendf(b, " follow %+v trunc %+v waits %d", *r.follow, r.trunc, len(r.waits)-r.head)
			}
			b = append(b, ']')
		}
	}
	return string(b)
}
