package fault

import (
	"slices"
	"strconv"
	"time"

	"ottla.dev/core"
)

// Draw draws the plan of a seed.
func Draw(seed uint64) *Plan {
	p := draw(seed)
	edges := p.Stream(streamEdges)
	p.drawEdges(&edges)
	p.drawBeside()
	return p
}

// draw draws what single brokers and clusters have in common.
func draw(seed uint64) *Plan {
	p := &Plan{Seed: seed}
	r := p.Stream(streamPlan)
	shape, topics, clients, faults, stops := r.Fork(1), r.Fork(2), r.Fork(3), r.Fork(4), r.Fork(5)
	p.drawShape(&shape)
	p.drawTopics(&topics)
	p.drawClients(&clients)
	p.drawFaults(&faults)
	p.drawStops(&stops)
	dirs := p.Stream(streamDirs)
	p.drawDirs(&dirs, 1)
	return p
}

// drawBeside draws what came later, from streams of its own.
func (p *Plan) drawBeside() {
	habits, ambushes, wraps := p.Stream(streamHabits), p.Stream(streamAmbushes), p.Stream(streamWraps)
	p.drawHabits(&habits)
	p.drawAmbushes(&ambushes)
	p.drawWraps(&wraps)
	probed := p.Stream(streamProbed)
	p.drawProbed(&probed)
	if p.Clustered() {
		losses, moves, harms := p.Stream(StreamLosses), p.Stream(streamMoves), p.Stream(streamHarms)
		p.drawLosses(&losses)
		p.drawMoves(&moves)
		p.drawHarms(&harms)
		lates := p.Stream(StreamLates)
		p.drawLates(&lates)
		briefs := p.Stream(streamBriefs)
		p.drawBriefs(&briefs)
		damage, meta := p.Stream(streamDamage), p.Stream(streamMetadata)
		p.drawDamage(&damage)
		p.drawMetadata(&meta)
	}
	if led := p.Stream(streamLed); p.Clustered() {
		p.drawLed(&led)
	}
	founding, rare := p.Stream(streamFounding), p.Stream(streamRare)
	p.drawFounding(&founding)
	if p.Clustered() {
		p.drawRare(&rare)
	}
	plain := p.Stream(streamPlain)
	p.drawPlain(&plain)
	if odd := p.Stream(streamOdd); odd.Chance(1, 2) {
		p.drawOdd(&odd)
	}
	retention := p.Stream(streamRetention)
	p.drawRetention(&retention)
	stalls, rests, outages := p.Stream(StreamStalls), p.Stream(streamRests), p.Stream(streamOutages)
	p.drawStalls(&stalls)
	if rounds := p.Stream(StreamRounds); rounds.Chance(1, 3) {
		p.Delays.Round = pick(&rounds, 20*time.Microsecond, 200*time.Microsecond, 2*time.Millisecond)
	}
	p.drawRests(&rests)
	if p.Clustered() {
		p.drawOutage(&outages)
		late := p.Stream(streamLateMembers)
		p.drawLateMembers(&late)
	}
}

func pick[T any](r *core.PRNG, from ...T) T { return from[r.Below(uint64(len(from)))] }

func between(r *core.PRNG, lo, hi time.Duration) time.Duration {
	return time.Duration(r.Between(int64(lo), int64(hi)))
}

func (p *Plan) static(name string, value int64) {
	p.Static = append(p.Static, Setting{name, strconv.FormatInt(value, 10)})
}

func (p *Plan) drawShape(r *core.PRNG) {
	p.Duration = between(r, 10*time.Second, 40*time.Second)
	p.Shards = int(r.Between(1, 4))
	p.UnorderedNames = r.Chance(1, 4)
	p.StaleCache = r.Chance(1, 2)
	p.Delays = Delays{
		Message: pick(r, 5*time.Microsecond, 50*time.Microsecond, 2*time.Millisecond),
		Write:   pick(r, 20*time.Microsecond, 500*time.Microsecond, 5*time.Millisecond),
		Sync:    pick(r, 200*time.Microsecond, 3*time.Millisecond, 20*time.Millisecond),
		Network: pick(r, 100*time.Microsecond, time.Millisecond, 20*time.Millisecond),
		JobStep: pick(r, 0, 50*time.Microsecond, time.Millisecond),
	}
	p.static("node.id", r.Between(0, 3))
	p.static("log.index.size.max.bytes", pick[int64](r, 24, 64, 240, 4096))
	p.static("offsets.topic.num.partitions", r.Between(1, 4))
	p.static("offsets.topic.replication.factor", 1)
	p.static("group.initial.rebalance.delay.ms", pick[int64](r, 0, 50, 500))
	p.static("group.min.session.timeout.ms", 500)
	p.static("log.retention.check.interval.ms", pick[int64](r, 500, 3000, 60000))
	p.static("log.segment.delete.delay.ms", pick[int64](r, 0, 500, 60000))
	p.static("log.flush.offset.checkpoint.interval.ms", pick[int64](r, 200, 2000, 60000))
	p.static("log.flush.start.offset.checkpoint.interval.ms", pick[int64](r, 200, 2000, 60000))
	if r.Chance(1, 4) {
		p.static("auto.create.topics.enable", 0)
		p.Static[len(p.Static)-1].Value = "false"
	}
	for range r.Below(3) {
		at := between(r, 0, p.Duration)
		p.Jumps = append(p.Jumps, Jump{At: at, By: between(r, -5*time.Minute, 5*time.Minute)})
	}
	slices.SortFunc(p.Jumps, func(a, b Jump) int { return int(a.At - b.At) })
}

func (p *Plan) drawTopics(r *core.PRNG) {
	for i := range r.Between(1, 3) {
		t := Topic{Name: "t" + strconv.Itoa(int(i)), Partitions: int32(r.Between(1, 4)), Retained: true}
		set := func(name, value string) { t.Settings = append(t.Settings, Setting{name, value}) }
		number := func(name string, n int64) { set(name, strconv.FormatInt(n, 10)) }
		t.SegmentBytes = int(pick[int64](r, 1024, 2048, 5000, 30000, 1<<20))
		number("internal.segment.bytes", int64(t.SegmentBytes))
		t.IndexInterval = pick[int64](r, 0, 100, 1000, 4096)
		number("index.interval.bytes", t.IndexInterval)
		t.MaxMessage = int(pick[int64](r, 900, 1000, 1048588))
		number("max.message.bytes", int64(t.MaxMessage))
		if r.Chance(1, 4) {
			t.Caching = true
			set("write.caching", "true")
			if r.Chance(1, 2) {
				number("flush.messages", r.Between(1, 50))
			}
			if r.Chance(1, 2) {
				number("flush.ms", r.Between(10, 3000))
			}
		}
		switch {
		case r.Chance(1, 5):
			t.Retained = false
			number("retention.bytes", r.Between(2000, 20000))
		case r.Chance(1, 5):
			t.Retained = false
			number("retention.ms", r.Between(1000, 10000))
		default:
			number("retention.ms", -1)
		}
		if r.Chance(1, 4) {
			number("segment.ms", r.Between(500, 10000))
		}
		if r.Chance(1, 5) {
			set("message.timestamp.type", "LogAppendTime")
		}
		if r.Chance(1, 6) {
			set("compression.type", pick(r, "lz4", "snappy", "uncompressed"))
		}
		p.Topics = append(p.Topics, t)
		p.Partitions += int(t.Partitions)
	}
}

func (p *Plan) drawClients(r *core.PRNG) {
	old := func() bool { return r.Chance(1, 4) }
	for range r.Between(1, 4) {
		c := Client{Kind: Producer, Idempotent: r.Chance(2, 3), Acks: pick[int16](r, -1, -1, 1, 0),
			InFlight: int(r.Between(1, 5)), Pause: pick(r, 5*time.Millisecond, 50*time.Millisecond, 300*time.Millisecond),
			MaxRecords: int(r.Between(1, 8)), MaxValue: int(pick[int64](r, 8, 40, 200)), Old: old()}
		if c.Idempotent {
			c.Acks = -1
		}
		if r.Chance(1, 3) {
			c.Drop = int(r.Between(5, 100))
		}
		if r.Chance(1, 3) {
			c.Bad = int(r.Between(5, 50))
		}
		p.Clients = append(p.Clients, c)
	}
	for range r.Between(1, 3) {
		c := Client{Kind: Consumer, Pause: pick(r, 0, 10*time.Millisecond, 200*time.Millisecond), Old: old()}
		if r.Chance(1, 4) {
			c.Drop = int(r.Between(5, 50))
		}
		p.Clients = append(p.Clients, c)
	}
	groups := r.Below(3)
	for g := range groups {
		for range r.Between(1, 3) {
			c := Client{Kind: Member, Group: "g" + strconv.Itoa(int(g)),
				Pause: pick(r, 20*time.Millisecond, 300*time.Millisecond), Old: old()}
			if r.Chance(1, 3) {
				c.Drop = int(r.Between(10, 100))
			}
			p.Clients = append(p.Clients, c)
		}
	}
	for i := range r.Below(3) {
		c := Client{Kind: Committer, Group: "c" + strconv.Itoa(int(i)), Old: old(),
			Pause: pick(r, 20*time.Millisecond, 200*time.Millisecond)}
		if r.Chance(1, 2) {
			c.Drop = int(r.Between(3, 30))
		}
		p.Clients = append(p.Clients, c)
	}
	if r.Chance(2, 3) {
		p.Clients = append(p.Clients, Client{Kind: Admin, Pause: pick(r, 100*time.Millisecond, time.Second), Old: old()})
	}
	if r.Chance(1, 3) {
		p.Clients = append(p.Clients, Client{Kind: Garbage, Pause: 300 * time.Millisecond})
	}
}

func (p *Plan) drawFaults(r *core.PRNG) {
	add := func(k Kind, longest time.Duration, rate uint64) {
		from := between(r, 500*time.Millisecond, p.Duration)
		p.Faults = append(p.Faults, Window{Kind: k, From: from, To: from + between(r, longest/10, longest), Rate: rate})
	}
	for _, k := range []struct {
		kind       Kind
		num, den   uint64
		longest    time.Duration
		rateLo, hi int64
	}{
		{ReadError, 1, 6, time.Second, 2, 50},
		{WriteError, 1, 6, time.Second, 2, 100},
		{SyncError, 1, 5, time.Second, 2, 50},
		{DiskFull, 1, 6, 2 * time.Second, 1, 1},
		{SlowDisk, 1, 3, 3 * time.Second, 1, 1},
		{SlowNetwork, 1, 4, 3 * time.Second, 1, 1},
		{CutAnswers, 1, 2, 20 * time.Second, 10, 200},
		{Pause, 1, 4, 3 * time.Second, 1, 1},
	} {
		if !r.Chance(k.num, k.den) {
			continue
		}
		for range r.Between(1, 3) {
			add(k.kind, k.longest, uint64(r.Between(k.rateLo, k.hi)))
		}
	}
}

func (p *Plan) drawStops(r *core.PRNG) {
	if r.Chance(1, 8) {
		return
	}
	kinds := pick(r, []StopKind{Crash}, []StopKind{Kill}, []StopKind{Crash, Kill, Clean}, []StopKind{Crash, Kill})
	at := time.Duration(0)
	for {
		at += between(r, 200*time.Millisecond, 8*time.Second)
		if at > p.Duration {
			return
		}
		s := Stop{Kind: pick(r, kinds...), At: at, Pending: r.Chance(3, 4), Down: between(r, 0, time.Second)}
		if r.Chance(1, 3) {
			for range r.Between(1, 3) {
				s.Again = append(s.Again, int(pick(r, r.Between(1, 10), r.Between(1, 100), r.Between(1, 400))))
			}
		}
		if r.Chance(1, 4) {
			s.Crash = between(r, time.Millisecond, 100*time.Millisecond)
		}
		p.Stops = append(p.Stops, s)
	}
}
