package controller

import (
	"slices"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// placer spreads replicas over brokers (after Kafka's StripedReplicaPlacer): racks take turns, and brokers take turns
// within their rack, each from a random start, so that leaders and replicas are even over both. Brokers that are fenced
// serve only where the others are used up, and never lead; brokers on their way down are left out.
type placer struct {
	random   *core.PRNG
	racks    []rack // in turn order
	start    int    // the rack that begins the next partition
	round    int    // partitions placed
	total    int
	unfenced int
}

type rack struct {
	name     string
	unfenced ring
	fenced   ring
}

// ring hands out each of its brokers once a round; every round begins one broker further on.
type ring struct {
	brokers []core.BrokerID
	start   int
	taken   int
	round   int
}

func (r *ring) next(round int) (core.BrokerID, bool) {
	if r.round != round {
		r.round, r.taken, r.start = round, 0, r.start+1
	}
	if r.taken >= len(r.brokers) {
		return core.NoBroker, false
	}
	b := r.brokers[(r.start+r.taken)%len(r.brokers)]
	r.taken++
	return b, true
}

func (r *ring) begin(random *core.PRNG) {
	if len(r.brokers) > 0 {
		r.start = int(random.Below(uint64(len(r.brokers))))
	}
}

func newPlacer(img *metadata.Image, random *core.PRNG) *placer {
	p := &placer{random: random}
	for _, b := range img.Brokers() {
		if b.InControlledShutdown && !b.Fenced {
			continue
		}
		i, found := slices.BinarySearchFunc(p.racks, b.Rack, func(r rack, name string) int {
			return strings.Compare(r.name, name)
		})
		if !found {
			p.racks = slices.Insert(p.racks, i, rack{name: b.Rack})
		}
		p.total++
		if b.Fenced {
			p.racks[i].fenced.brokers = append(p.racks[i].fenced.brokers, b.ID)
		} else {
			p.racks[i].unfenced.brokers = append(p.racks[i].unfenced.brokers, b.ID)
			p.unfenced++
		}
	}
	for i := range p.racks {
		p.racks[i].unfenced.begin(random)
		p.racks[i].fenced.begin(random)
	}
	if len(p.racks) > 0 {
		p.start = int(random.Below(uint64(len(p.racks))))
	}
	return p
}

// refuse tells whether replicationFactor replicas of a partition can be placed.
func (p *placer) refuse(replicationFactor int) *refusal {
	why := func(format string, args ...any) *refusal {
		return refuse(core.InvalidReplicationFactor, "Unable to replicate the partition %d time(s): "+format,
			append([]any{replicationFactor}, args...)...)
	}
	switch {
	case replicationFactor <= 0:
		return why("the replication factor must be positive.")
	case p.unfenced == 0:
		return why("All brokers are currently fenced.")
	case replicationFactor > p.total:
		return why("The target replication factor of %d cannot be reached because only %d broker(s) are registered.",
			replicationFactor, p.total)
	}
	return nil
}

// place gives the replicas of one more partition, the leader first. The caller has asked refuse.
func (p *placer) place(replicationFactor int) []core.BrokerID {
	if p.refuse(replicationFactor) != nil {
		panic("controller: placement of a replication factor that was refused")
	}
	// After as many partitions as there are brokers the stripes would repeat, and with them who follows whom.
	if p.round > 0 && p.round%p.unfenced == 0 {
		p.shuffle()
	}
	p.round++
	replicas := make([]core.BrokerID, 0, replicationFactor)
	first := p.start % len(p.racks)
	for len(replicas) == 0 {
		if b, ok := p.racks[first].unfenced.next(p.round); ok {
			replicas = append(replicas, b)
			break
		}
		first = (first + 1) % len(p.racks)
	}
	p.follow(&replicas, first, replicationFactor)
	p.start++
	return replicas
}

// follow adds followers rack by rack. The leader's rack has had its first turn.
func (p *placer) follow(replicas *[]core.BrokerID, leaderRack, replicationFactor int) {
	for i, skipped := p.start, false; len(*replicas) < replicationFactor; i++ {
		at := i % len(p.racks)
		if at == leaderRack && !skipped {
			skipped = true
			continue
		}
		b, ok := p.racks[at].unfenced.next(p.round)
		if !ok {
			b, ok = p.racks[at].fenced.next(p.round)
		}
		if ok {
			*replicas = append(*replicas, b)
		}
	}
}

func (p *placer) shuffle() {
	shuffle(p.racks, p.random)
	for i := range p.racks {
		shuffle(p.racks[i].unfenced.brokers, p.random)
		shuffle(p.racks[i].fenced.brokers, p.random)
	}
}

func shuffle[T any](s []T, random *core.PRNG) {
	for i := len(s) - 1; i > 0; i-- {
		j := random.Below(uint64(i + 1))
		s[i], s[j] = s[j], s[i]
	}
}
