package controller

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// process is one broker with its copy of one partition, as small as it can be: a log of entries that are all different,
// and what it knows of the metadata.
type process struct {
	id       core.BrokerID
	alive    bool
	intact   bool             // nothing was lost since the registration with epoch
	epoch    core.BrokerEpoch // of the registration
	previous int64            // what it would prove a clean stop with
	log      []int
	view     *metadata.Partition // nil: it has learnt nothing since its start
	minISR   int                 // as of the metadata it has applied

	// Of a leader, for the epoch in view.
	remote     map[core.BrokerID]follower
	watermark  int
	epochStart int
	pending    *kmsg.AlterPartitionRequest
}

type follower struct {
	end   int
	epoch core.BrokerEpoch
}

func (p *process) leads() bool { return p.alive && p.view != nil && p.view.Leader == p.id }

// ghosts is a cluster whose brokers keep one partition, and what was ever committed of it.
type ghosts struct {
	*cluster
	rt        *rapid.T
	elr       bool // with eligible leader replicas, crashes lose entries; without, they are synced
	processes []*process
	committed []int
	entries   int
	starts    int
	unclean   core.LeaderEpoch // of the last unclean election
	late      []*kmsg.AlterPartitionRequest
}

const ghostTopic = "t"

func startsWith(log, prefix []int) bool {
	return len(log) >= len(prefix) && slices.Equal(log[:len(prefix)], prefix)
}

func commonPrefix(a, b []int) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

func (g *ghosts) number(low, high int, of string) int {
	return rapid.IntRange(low, high).Draw(g.rt, of)
}

func (g *ghosts) odds(n int, of string) bool { return g.number(1, n, of) == 1 }

func (g *ghosts) process(id core.BrokerID) *process { return g.processes[id-1] }

// step applies what do decides, and holds the elections in it to account; a leader may admit others into the ISR.
func (g *ghosts) step(do func(), admitted ...int32) {
	before, counted := g.img, g.c.UncleanElections()
	b := g.partition(ghostTopic, 0)
	do()
	a := g.partition(ghostTopic, 0)
	counted = g.c.UncleanElections() - counted
	if a.Leader != b.Leader && a.Leader != core.NoBroker {
		clean := b.InSync(a.Leader) || slices.Contains(b.ELR, a.Leader) || slices.Contains(admitted, int32(a.Leader))
		if clean != (counted == 0) || !clean && a.RecoveryState != metadata.Recovering {
			g.rt.Fatalf("%+v became %+v, and %d unclean elections are reported", b, a, counted)
		}
		if !clean {
			g.committed = g.committed[:commonPrefix(g.committed, g.process(a.Leader).log)]
			g.unclean = a.LeaderEpoch
		}
	} else if counted != 0 {
		g.rt.Fatalf("%+v became %+v with an unclean election", b, a)
	}
	checkInvariants(g.rt, g.img)
	checkEpochs(g.rt, before, g.img)
	g.checkCopies()
}

// checkCopies holds that whoever may be elected has all that was committed, unless it lost it and is not back yet.
func (g *ghosts) checkCopies() {
	p := g.partition(ghostTopic, 0)
	for _, id := range slices.Concat(p.ISR, p.ELR) {
		x, b := g.process(id), g.img.Broker(id)
		if b != nil && x.intact && x.epoch == b.Epoch && !startsWith(x.log, g.committed) {
			g.rt.Fatalf("broker %d has %v of %v: %+v", id, x.log, g.committed, p)
		}
	}
}

func (g *ghosts) learn(x *process) {
	b := g.img.Broker(x.id)
	if !x.alive || b == nil || b.Epoch != x.epoch {
		return
	}
	p, old := g.partition(ghostTopic, 0), x.view
	x.view, x.minISR = p, g.c.configs.MinInSyncReplicas(g.img, ghostTopic)
	if !p.HasReplica(x.id) {
		x.log = nil
	}
	if x.pending != nil && (old == nil || old.PartitionEpoch != p.PartitionEpoch) {
		g.late, x.pending = append(g.late, x.pending), nil
	}
	if p.Leader == x.id && (old == nil || old.LeaderEpoch != p.LeaderEpoch) {
		if !startsWith(x.log, g.committed) {
			g.rt.Fatalf("broker %d leads with %v, committed is %v: %+v", x.id, x.log, g.committed, p)
		}
		x.remote, x.watermark, x.epochStart = map[core.BrokerID]follower{}, 0, len(x.log)
	}
}

func (g *ghosts) fetch(x *process) {
	if !x.alive || x.view == nil || x.view.Leader == core.NoBroker || x.view.Leader == x.id || !x.view.HasReplica(x.id) {
		return
	}
	l := g.process(x.view.Leader)
	if !l.leads() || l.view.LeaderEpoch != x.view.LeaderEpoch || !l.view.HasReplica(x.id) {
		return
	}
	n := commonPrefix(x.log, l.log)
	if !g.odds(3, "partly") {
		n = len(l.log)
	}
	x.log = slices.Clone(l.log[:n])
	l.remote[x.id] = follower{n, x.epoch}
}

// commit advances the high watermark over the maximal ISR (KIP-497), while the ISR is large enough (KIP-966).
func (g *ghosts) commit(l *process) {
	if !l.leads() || g.elr && len(l.view.ISR) < min(l.minISR, len(l.view.Replicas)) {
		return
	}
	members := slices.Clone(l.view.ISR)
	if l.pending != nil {
		for _, m := range l.pending.Topics[0].Partitions[0].NewEpochISR {
			members = append(members, core.BrokerID(m.BrokerID))
		}
	}
	end := len(l.log)
	for _, m := range members {
		if m != l.id {
			end = min(end, l.remote[m].end)
		}
	}
	l.watermark = max(l.watermark, end)
	if l.view.LeaderEpoch < g.unclean {
		return // deposed by an unclean election, whose loss was reported
	}
	now := l.log[:l.watermark]
	if n := commonPrefix(now, g.committed); n < min(len(now), len(g.committed)) {
		g.rt.Fatalf("broker %d commits %v, committed is %v", l.id, now, g.committed)
	}
	if len(now) > len(g.committed) {
		g.committed = slices.Clone(now)
	}
	for _, x := range g.processes {
		if x.leads() && x.view.LeaderEpoch > l.view.LeaderEpoch && !startsWith(x.log, g.committed) {
			g.rt.Fatalf("broker %d commits %v behind the back of leader %d, who has %v", l.id, now, x.id, x.log)
		}
	}
	g.checkCopies()
}

// propose makes a leader's AlterPartition request: it drops members, and adds replicas that have caught up as far as it
// knows.
func (g *ghosts) propose(l *process) {
	if !l.leads() || l.pending != nil {
		return
	}
	in := kmsg.AlterPartitionRequestTopicPartition{
		LeaderEpoch: int32(l.view.LeaderEpoch), PartitionEpoch: int32(l.view.PartitionEpoch),
	}
	for _, r := range l.view.Replicas {
		f, known := l.remote[r]
		caughtUp := known && f.end >= l.watermark && f.end >= l.epochStart
		member := kmsg.AlterPartitionRequestTopicPartitionNewEpochISR{BrokerID: int32(r), BrokerEpoch: -1}
		switch {
		case r == l.id:
			member.BrokerEpoch = int64(l.epoch)
		case known:
			member.BrokerEpoch = int64(f.epoch)
		}
		if r == l.id || (caughtUp || l.view.InSync(r)) && !g.odds(4, "leave out") {
			in.NewEpochISR = append(in.NewEpochISR, member)
		}
	}
	req := kmsg.NewPtrAlterPartitionRequest()
	req.Version, req.BrokerID, req.BrokerEpoch = 3, int32(l.id), int64(l.epoch)
	req.Topics = []kmsg.AlterPartitionRequestTopic{{TopicID: g.img.TopicByName(ghostTopic).ID,
		Partitions: []kmsg.AlterPartitionRequestTopicPartition{in}}}
	l.pending = req
}

func (g *ghosts) ask(req *kmsg.AlterPartitionRequest) (code core.ErrorCode) {
	var isr []int32
	for _, m := range req.Topics[0].Partitions[0].NewEpochISR {
		isr = append(isr, m.BrokerID)
	}
	g.step(func() { code = g.cluster.propose(req) }, isr...)
	return code
}

func (g *ghosts) deliver(l *process) {
	if l.pending == nil {
		return
	}
	code := g.ask(l.pending)
	if !l.leads() || g.odds(3, "answer lost") {
		return
	}
	switch code {
	case core.NoError:
		l.view, l.pending = g.partition(ghostTopic, 0), nil
	case core.IneligibleReplica, core.InvalidRequest:
		l.pending = nil
	}
}

func (g *ghosts) beat(x *process) {
	b := g.img.Broker(x.id)
	if !x.alive || b == nil || b.Epoch != x.epoch {
		return
	}
	stopping := b.InControlledShutdown || g.odds(8, "stop")
	g.step(func() {
		if g.heartbeat(int32(x.id), func(r *kmsg.BrokerHeartbeatRequest) { r.WantShutdown = stopping }).ShouldShutdown {
			x.alive, x.view, x.pending, x.previous = false, nil, nil, int64(x.epoch)
		}
	})
}

func (g *ghosts) crash(x *process) {
	if !x.alive {
		return
	}
	x.alive, x.view, x.pending, x.previous = false, nil, nil, -1
	switch {
	case g.odds(4, "clean"):
		x.previous = int64(x.epoch)
	case g.elr && len(x.log) > 0:
		x.log, x.intact = x.log[:g.number(0, len(x.log)-1, "kept")], false
	}
}

func (g *ghosts) restart(x *process) {
	if x.alive {
		return
	}
	g.starts++ // another process has another incarnation id
	g.step(func() {
		if g.register(int32(x.id), byte(g.starts), x.previous) == core.NoError {
			x.alive, x.epoch = true, g.img.Broker(x.id).Epoch
			x.intact = true // it is registered as what it is
		}
	})
}

func (g *ghosts) operate() {
	switch g.number(0, 6, "operation") {
	case 0:
		g.step(func() { g.elect(0) })
	case 1:
		if g.odds(4, "unclean") {
			g.step(func() { g.elect(1) })
		}
	case 2, 3:
		ids := rapid.Permutation([]int32{1, 2, 3, 4}).Draw(g.rt, "replicas")
		g.step(func() { g.reassign(ghostTopic, ids[:g.number(1, 3, "factor")]...) })
	case 4:
		g.step(func() { g.reassign(ghostTopic) })
	case 5:
		value := []string{"1", "2", "3"}[g.number(0, 2, "min isr")]
		if g.elr {
			g.step(func() { g.alter(topicType, ghostTopic, op{Name: minInSyncReplicas, Value: &value}) })
		}
	case 6: // another controller, who has heard of no broker yet: those that died may come straight back
		g.c.Activate(g.now, g.img)
	}
}

func (g *ghosts) act() {
	x := g.processes[g.number(0, len(g.processes)-1, "broker")]
	switch g.number(0, 12, "act") {
	case 0, 1:
		g.learn(x)
	case 2:
		if x.leads() {
			g.entries++
			x.log = append(x.log, g.entries)
		}
	case 3, 4:
		g.fetch(x)
	case 5:
		g.commit(x)
	case 6:
		g.propose(x)
	case 7:
		g.deliver(x)
	case 8:
		g.beat(x)
	case 9:
		g.now.Mono += time.Duration(g.number(0, int(timeout)/2, "time"))
		g.step(func() { g.tick() })
	case 10:
		if g.odds(2, "crash") {
			g.crash(x)
		} else {
			g.restart(x)
		}
	case 11:
		g.operate()
	case 12:
		if n := len(g.late); n > 0 {
			g.ask(g.late[g.number(0, n-1, "late")])
		} else {
			g.restart(x)
		}
	}
	busy := g.number(0, 63, "busy") // else most of the time nothing happens
	for i, x := range g.processes {
		if busy>>i&1 == 1 {
			g.learn(x)
			g.commit(x)
			g.beat(x)
			if busy>>4 == 1 {
				g.fetch(x)
			}
		}
	}
}

// Brokers crash and lose what they have not synced, hear of things late, go silent and return, leaders propose ISRs
// from what they know, operators interfere: no election that is not reported as unclean loses what was committed.
func TestCleanElectionsKeepTheCommittedPrefix(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := &ghosts{rt: rt, starts: 1, elr: !rapid.Bool().Draw(rt, "without elr"), unclean: -1}
		var features []metadata.Feature
		if g.elr {
			features = append(features, withELR())
		}
		g.cluster = newCluster(t, features...)
		g.c.configs = fakeConfigs{minISR: g.number(1, 3, "min isr")}
		g.brokers(1, 2, 3, 4)
		for id := core.BrokerID(1); id <= 4; id++ {
			g.processes = append(g.processes,
				&process{id: id, alive: true, intact: true, epoch: g.img.Broker(id).Epoch, previous: -1})
		}
		g.create(assigned(ghostTopic, []int32{1, 2, 3}))
		for _, x := range g.processes {
			g.learn(x)
		}
		for range g.number(1, 200, "steps") {
			g.act()
		}
	})
}
