package fault

import (
	"slices"
	"strconv"
	"time"

	"ottla.dev/core"
	"ottla.dev/netsim"
)

const (
	// maxReplicas is the largest replication factor that is drawn.
	maxReplicas = 3
	// leastBandwidth is that of the slowest links without a fault, in bytes a second.
	leastBandwidth = 1_000_000
	// wideDelay is the longest mean delay of a local network.
	wideDelay = 5 * time.Millisecond
)

// DrawBrokers draws how many brokers a world of a seed has.
func DrawBrokers(seed uint64) int {
	p := Plan{Seed: seed}
	r := p.Stream(streamBrokers)
	return int(r.Between(1, MaxBrokers))
}

// DrawCluster draws the plan of a seed for a number of brokers, of which some or all, or other machines, vote.
func DrawCluster(seed uint64, brokers int) *Plan {
	if brokers < 1 || brokers > MaxBrokers {
		panic("fault: no such number of brokers")
	}
	p := draw(seed)
	p.Brokers = brokers
	r := p.Stream(streamCluster)
	shape, topics, stops, net, machines := r.Fork(1), r.Fork(2), r.Fork(3), r.Fork(4), r.Fork(5)
	operations, pauses, voters, wipes := r.Fork(6), r.Fork(7), r.Fork(8), r.Fork(9)
	p.drawMachines(&machines)
	p.clusterShape(&shape)
	p.clusterTopics(&topics)
	p.clusterStops(&stops)
	p.clusterPauses(&pauses)
	p.clusterWipes(&wipes)
	p.clusterOperations(&operations)
	p.voterOperations(&voters)
	edges := p.Stream(streamEdges)
	p.drawEdges(&edges)
	p.clusterNet(&net)
	dirs := p.Stream(streamDirs)
	p.drawDirs(&dirs, len(p.Machines))
	rots := p.Stream(streamRots)
	p.drawRots(&rots)
	p.drawBeside()
	return p
}

// set sets a broker setting, in the place of what was drawn before.
func (p *Plan) set(name string, value int64) {
	p.Static = slices.DeleteFunc(p.Static, func(s Setting) bool { return s.Name == name })
	p.static(name, value)
}

func (p *Plan) clusterShape(r *core.PRNG) {
	p.Duration = between(r, 15*time.Second, 45*time.Second)
	p.Shards = int(r.Between(1, 2))
	p.set("offsets.topic.replication.factor", int64(min(p.Brokers, maxReplicas)))
	p.set("offsets.topic.num.partitions", r.Between(1, 2))
	p.set("broker.heartbeat.interval.ms", pick[int64](r, 100, 300, 1000))
	p.set("broker.session.timeout.ms", pick[int64](r, 1500, 3000, 9000))
	p.set("controller.quorum.election.timeout.ms", pick[int64](r, 500, 1000))
	p.set("controller.quorum.fetch.timeout.ms", pick[int64](r, 1000, 2000))
	p.set("controller.quorum.request.timeout.ms", pick[int64](r, 1000, 2000))
	p.set("replica.lag.time.max.ms", pick[int64](r, 1000, 3000, 10000))
	p.set("replica.fetch.wait.max.ms", pick[int64](r, 50, 500))
	p.set("replica.fetch.backoff.ms", pick[int64](r, 50, 500))
	p.set("leader.imbalance.check.interval.seconds", pick[int64](r, 1, 5, 300))
	if r.Chance(1, 2) {
		p.set("metadata.log.max.record.bytes.between.snapshots", pick[int64](r, 1000, 10000))
	}
	for i := range p.Jumps {
		p.Jumps[i].Node = int(r.Below(uint64(len(p.Machines))))
	}
	for i := range p.Faults {
		p.Faults[i].Node = int(r.Below(uint64(len(p.Machines))))
		p.Faults[i].From = min(p.Faults[i].From, p.Duration)
		p.Faults[i].To = min(p.Faults[i].To, p.Duration)
	}
}

func (p *Plan) clusterTopics(r *core.PRNG) {
	for i := range p.Topics {
		t := &p.Topics[i]
		t.Replicas = int16(min(p.Brokers, int(pick[int64](r, 1, 2, 3, 3, 3, 3))))
		least := r.Between(1, min(2, int64(t.Replicas)))
		t.Settings = append(t.Settings, Setting{"min.insync.replicas", strconv.FormatInt(least, 10)})
	}
}

// clusterStops draws stops of one broker after the other, and now and then of all at once.
func (p *Plan) clusterStops(r *core.PRNG) {
	p.Stops = nil
	if r.Chance(1, 8) {
		return
	}
	kinds := pick(r, []StopKind{Crash}, []StopKind{Kill}, []StopKind{Crash, Kill, Clean}, []StopKind{Crash, Kill})
	most := pick(r, 3*time.Second, 10*time.Second, 20*time.Second)
	at := 4 * time.Second
	for {
		at += between(r, most/10, most)
		if at > p.Duration {
			return
		}
		first, count := int(r.Below(uint64(len(p.Machines)))), 1
		switch {
		case r.Chance(1, 12):
			count = len(p.Machines)
		case r.Chance(1, 10):
			count = 2
		}
		kind := pick(r, kinds...)
		for i := range count {
			s := Stop{Kind: kind, Node: (first + i) % len(p.Machines), At: at, Pending: count == 1 && r.Chance(1, 2),
				Down: between(r, 0, pick(r, 500*time.Millisecond, 5*time.Second))}
			if r.Chance(1, 5) {
				s.Again = append(s.Again, int(pick(r, r.Between(1, 10), r.Between(1, 400))))
			}
			if r.Chance(1, 8) {
				s.Crash = between(r, time.Millisecond, 100*time.Millisecond)
			}
			p.Stops = append(p.Stops, s)
		}
	}
}

// longestPause is longer than every timeout that is drawn.
const longestPause = 25 * time.Second

// clusterPauses draws machines that stand still for longer than others wait for them, as after SIGSTOP.
func (p *Plan) clusterPauses(r *core.PRNG) {
	if !r.Chance(1, 3) {
		return
	}
	for range r.Between(1, 3) {
		w := Window{Kind: Pause, Node: int(r.Below(uint64(len(p.Machines)))), From: between(r, 3*time.Second, p.Duration),
			Rate: 1}
		w.To = min(w.From+between(r, time.Second, longestPause), p.Duration)
		p.Faults = append(p.Faults, w)
	}
}

// clusterWipes draws which machines come back with an empty disk. With voters that are in everybody's configuration,
// one that has forgotten its vote could vote twice: those are left alone, as are those of a quorum that needs all.
func (p *Plan) clusterWipes(r *core.PRNG) {
	if !r.Chance(1, 3) {
		return
	}
	for i := range p.Stops {
		s := &p.Stops[i]
		if p.mayWipe(s.Node) && s.Kind != Clean && r.Chance(1, 2) {
			s.Wipe, s.Again, s.Crash = true, nil, 0
			s.Down = min(between(r, 0, pick(r, time.Second, 15*time.Second)), max(p.Duration-s.At-2*time.Second, 0))
		}
	}
	p.replicateForWipes()
}

func (p *Plan) mayWipe(node int) bool {
	return !p.Machines[node].Voter || p.Dynamic && len(p.Voters()) >= 3
}

// replicateForWipes gives topics a second replica where disks are lost: one with one replica is lost with its disk.
func (p *Plan) replicateForWipes() {
	for i := range p.Topics {
		p.Topics[i].Replicas = max(p.Topics[i].Replicas, int16(p.LeastReplicas()))
	}
}

// slowFetchTimeout is controller.quorum.fetch.timeout.ms, in milliseconds, where the network is slow.
const slowFetchTimeout = 6000

// clusterNet draws the network between brokers and clients, and its faults.
func (p *Plan) clusterNet(r *core.PRNG) {
	p.Net = netsim.Draw(r.Uint64(), p.netBudget())
	widen := func(l *netsim.Link) {
		if l.Bandwidth > 0 {
			l.Bandwidth = max(l.Bandwidth, leastBandwidth)
		}
	}
	widen(&p.Net.Settings.Link)
	for i := range p.Net.Paths {
		widen(&p.Net.Paths[i].Link)
	}
	if p.meanDelay() > wideDelay {
		// The quorum suspects its leader after a fifth of the fetch timeout, which must be many times a delay.
		p.set("controller.quorum.fetch.timeout.ms", slowFetchTimeout)
		p.set("controller.quorum.election.timeout.ms", 2000)
		p.set("controller.quorum.request.timeout.ms", 4000)
		p.set("broker.session.timeout.ms", 9000)
		p.set("replica.lag.time.max.ms", 10000)
	}
}

// netBudget is what the network's faults keep to.
func (p *Plan) netBudget() netsim.Budget {
	budget := netsim.DefaultBudget(len(p.Machines)+len(p.Clients)+1, 0, p.Duration)
	for _, v := range p.Voters() {
		budget.Voters = append(budget.Voters, netsim.Host(v))
	}
	return budget
}

// meanDelay is the longest mean delay of a message between two machines.
func (p *Plan) meanDelay() time.Duration {
	d := p.Net.Settings.Link.DelayMean
	for i := range p.Net.Paths {
		x := &p.Net.Paths[i]
		if int(x.From) < len(p.Machines) && int(x.To) < len(p.Machines) {
			d = max(d, x.Link.DelayMean)
		}
	}
	return d
}

// briefestBroker is the shortest session of a broker, and longestBrief the longest of those that are brief.
const (
	briefestBroker = 50 * time.Millisecond
	longestBrief   = 1200 * time.Millisecond
)

// drawBriefs draws in one cluster of five sessions of brokers that are as short as the disks and the network permit: a
// few times what a heartbeat takes and the record that unfences a broker. They end whenever anything stands still for
// a moment, and when nothing does they last.
func (p *Plan) drawBriefs(r *core.PRNG) {
	least := max(briefestBroker, 10*p.meanDelay()+8*p.Delays.Sync+4*p.Delays.Write+10*p.Delays.Message)
	if !r.Chance(1, 5) || least > longestBrief {
		return
	}
	session := between(r, least, min(3*least, longestBrief))
	p.set("broker.session.timeout.ms", session.Milliseconds())
	p.set("broker.heartbeat.interval.ms", max(session.Milliseconds()/8, 5))
}
