package fault

import (
	"slices"
	"time"

	"ottla.dev/core"
)

// OperationKind is what an operator does to a cluster.
type OperationKind uint8

// The kinds.
const (
	Reassign          OperationKind = iota + 1 // gives a partition other replicas
	CancelReassign                             // of a partition
	SetMinISR                                  // min.insync.replicas of a topic
	AddPartitions                              // to a topic
	AllowUnclean                               // unclean.leader.election.enable of a topic
	ElectPreferred                             // the preferred leader of a partition
	ElectUnclean                               // any replica of a partition, whatever is lost
	UnregisterBroker                           // refused if it is alive
	RaiseKRaftVersion                          // puts the voters into the metadata log
	RemoveVoter                                // of the metadata quorum
	AddVoter                                   // one that was removed

	// LastOperation is the last kind, and lastDrawn the last of those that are drawn one by one.
	LastOperation = AddVoter
	lastDrawn     = UnregisterBroker
)

// String gives the kind's name.
func (k OperationKind) String() string {
	return [...]string{"", "reassign", "cancel-reassignment", "min-isr", "add-partitions", "allow-unclean",
		"elect-preferred", "elect-unclean", "unregister-broker", "raise-kraft-version", "remove-voter",
		"add-voter"}[k]
}

// Operation is one thing that the operator does.
type Operation struct {
	Kind      OperationKind
	At        time.Duration
	Topic     int // of the plan
	Partition int32
	Brokers   []int32 // the ids of the new replicas, or of a broker or voter
	Value     int64
	// Offsets says that the partition is one of __consumer_offsets, and not of the topic.
	Offsets bool
}

// Lossy reports whether the topic may lose what was acknowledged, by an election that somebody has allowed.
func (p *Plan) Lossy(topic int) bool {
	return slices.ContainsFunc(p.Operations, func(o Operation) bool {
		return o.Topic == topic && (o.Kind == AllowUnclean || o.Kind == ElectUnclean)
	})
}

// Moves reports whether somebody may take a replica from a broker.
func (p *Plan) Moves() bool {
	return slices.ContainsFunc(p.Operations, func(o Operation) bool {
		return o.Kind == Reassign || o.Kind == CancelReassign
	})
}

// Unregisters reports whether somebody has brokers forgotten, which register again if they live.
func (p *Plan) Unregisters() bool {
	return slices.ContainsFunc(p.Operations, func(o Operation) bool { return o.Kind == UnregisterBroker })
}

// clusterOperations draws what an operator does, in two seeds of three. Kinds are on or off as faults are.
func (p *Plan) clusterOperations(r *core.PRNG) {
	if r.Chance(1, 3) {
		return
	}
	p.Clients = append(p.Clients, Client{Kind: Operator, Pause: 200 * time.Millisecond})
	var kinds []OperationKind
	for k := Reassign; k <= lastDrawn; k++ {
		on := r.Chance(1, 2)
		if k == AllowUnclean || k == ElectUnclean {
			on = r.Chance(1, 6) // what may be lost is not checked
		}
		if on {
			kinds = append(kinds, k)
		}
	}
	for _, k := range []OperationKind{RemoveVoter, AddVoter} {
		if p.Dynamic && r.Chance(2, 3) {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) == 0 {
		kinds = append(kinds, Reassign, CancelReassign)
	}
	most := pick(r, 2*time.Second, 6*time.Second)
	for at := 3 * time.Second; ; {
		at += between(r, most/20, most)
		if at > p.Duration {
			return
		}
		o := p.operation(r, pick(r, kinds...), at)
		p.Operations = append(p.Operations, o)
		if cancelled := o.At + between(r, 0, time.Second); o.Kind == Reassign && r.Chance(1, 4) {
			at, o.At, o.Kind, o.Brokers = cancelled, cancelled, CancelReassign, nil
			p.Operations = append(p.Operations, o)
		}
	}
}

func (p *Plan) operation(r *core.PRNG, k OperationKind, at time.Duration) Operation {
	o := Operation{Kind: k, At: at, Topic: int(r.Below(uint64(len(p.Topics))))}
	t := &p.Topics[o.Topic]
	o.Partition = int32(r.Below(uint64(t.Partitions)))
	switch k {
	case Reassign:
		var ids []int32
		for i := range p.Brokers {
			ids = append(ids, int32(i+1))
		}
		for i := range ids { // shuffled
			j := i + int(r.Below(uint64(len(ids)-i)))
			ids[i], ids[j] = ids[j], ids[i]
		}
		o.Brokers = ids[:min(len(ids), int(pick[int64](r, 1, 2, 2, 3, 3, 3)))]
		if t.ReplicationFactor() > 1 && len(ids) > 1 {
			o.Brokers = ids[:max(2, len(o.Brokers))]
		}
	case SetMinISR:
		o.Value = r.Between(1, int64(t.ReplicationFactor()))
	case AddPartitions:
		o.Value = int64(t.Partitions) + r.Between(0, 2)
	case AllowUnclean:
		o.Value = int64(r.Below(3)) // 0 takes it back
	case AddVoter, RemoveVoter:
		var ids []int32
		for i := range p.Machines {
			if p.Machines[i].Controller {
				ids = append(ids, int32(i+1))
			}
		}
		o.Brokers = []int32{pick(r, ids...)}
	case UnregisterBroker:
		o.Brokers = []int32{int32(r.Between(1, int64(p.Brokers)))}
	}
	return o
}
