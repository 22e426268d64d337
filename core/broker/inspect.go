package broker

import (
	"ottla.dev/core"
	"ottla.dev/core/coordinator"
	"ottla.dev/core/group"
	"ottla.dev/core/metadata"
	"ottla.dev/core/partition"
	"ottla.dev/core/raft"
)

// Inspection is a broker's insides for a judge who looks on from outside: the simulator, between two steps. Nothing in
// it may be written, or kept until after the next step.
type Inspection struct {
	// Quorum is nil until the log directories have been read.
	Quorum *raft.Quorum
	// Image is what the broker knows to be committed, nil until there is one.
	Image *metadata.Image
	// Draft is, on the active controller, what Image is going to be when everything that it has decided is committed.
	Draft *metadata.Image
	// Controller says that this node decides.
	Controller bool
	// Serving says that the broker has come through its start and has not begun to end.
	Serving bool
	// Failed are the log directories that the broker has given up.
	Failed []string
	// Replicas are those of all shards, in an order of their own.
	Replicas []*partition.Replica
}

// InspectControl returns the broker's insides but for the replicas. Only who steps all machines of a broker himself may
// call it.
func (b *Broker) InspectControl() Inspection {
	c := b.control
	p := Inspection{Image: c.committed, Serving: c.phase == serving}
	for i := range c.dirs {
		if c.dirs[i].err != nil {
			p.Failed = append(p.Failed, c.dirs[i].path)
		}
	}
	if c.quorum != nil {
		p.Quorum, p.Controller = c.quorum.Quorum, c.leads()
	}
	if p.Controller {
		p.Draft = c.lead.draft
	}
	return p
}

// InspectShard returns the replicas of a shard. The slice belongs to the shard.
func (b *Broker) InspectShard(i int) []*partition.Replica { return b.shards[i].set.Replicas() }

// CoordinatorInspection is the coordinator of one partition of __consumer_offsets. The machine is nil unless it serves.
type CoordinatorInspection struct {
	Replica  *partition.Replica
	Epoch    core.LeaderEpoch
	Appended core.Offset // after the last record that the machine's state holds
	Machine  *group.Machine
}

// InspectCoordinators gives the coordinators of a shard to yield.
func (b *Broker) InspectCoordinators(i int, yield func(*CoordinatorInspection)) {
	for _, h := range b.shards[i].coordinators {
		p := CoordinatorInspection{Replica: h.replica, Epoch: h.epoch, Appended: h.runtime.Appended()}
		if h.runtime.State() == coordinator.Active {
			p.Machine = h.machine
		}
		yield(&p)
	}
}

// InspectControlBooks finds something in the books of the control machine that does not fit together, and says what.
func (b *Broker) InspectControlBooks() string {
	if b.control.quorum == nil {
		return ""
	}
	return b.control.quorum.Broken()
}

// InspectSleepers names a partition of a shard that has more for a parked fetch than it was parked with.
func (b *Broker) InspectSleepers(i int) string { return b.shards[i].set.Oversleeps() }

// InspectBooks finds something in the books of a shard's machines that does not fit together, and says what.
func (b *Broker) InspectBooks(i int, now core.Instant) string {
	s := b.shards[i]
	for _, h := range s.coordinators {
		why := h.runtime.Broken()
		if why == "" && h.runtime.State() == coordinator.Active {
			why = h.machine.Broken()
		}
		if why != "" {
			return "the coordinator of " + h.replica.Name().String() + ": " + why
		}
	}
	return s.set.Broken(now)
}

// InspectFollowers returns what the leader of a partition knows of the others.
func (b *Broker) InspectFollowers(i int, now core.Instant, r *partition.Replica) []partition.FollowerSeen {
	return b.shards[i].set.InspectFollowers(now, r)
}

// Inspect returns the broker's insides. Only who steps all machines of a broker himself may call it.
func (b *Broker) Inspect() Inspection {
	p := b.InspectControl()
	for _, s := range b.shards {
		p.Replicas = append(p.Replicas, s.set.Replicas()...)
	}
	return p
}

// Phases are the names of what a broker goes through, in order.
func Phases() []string {
	return []string{"booting", "registering", "catching-up", "loading", "joining", "serving", "leaving", "closing",
		"stopped"}
}

// InspectPhase tells which of the phases the broker is in.
func (b *Broker) InspectPhase() int { return int(b.control.phase) }

// The states of a group's coordinator that are none of the group.
const (
	NoCoordinator      = "no-coordinator"
	CoordinatorLoading = "loading"
	GroupUnknown       = "no-group"
)

// InspectGroup tells in which state a shard has a group: one of the group's own, or why there is none.
func (b *Broker) InspectGroup(shard int, p core.PartitionID, group string) string {
	for _, h := range b.shards[shard].coordinators {
		if h.replica.ID().Partition != p {
			continue
		}
		if h.runtime.State() != coordinator.Active || h.machine == nil {
			return CoordinatorLoading
		}
		if s, ok := h.machine.StateOf(group); ok {
			return s.String()
		}
		return GroupUnknown
	}
	return NoCoordinator
}
