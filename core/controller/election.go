package controller

import (
	"slices"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// eligibleLeaderReplicas is the feature of KIP-966; at level 1 partitions keep their eligible leader replicas.
const eligibleLeaderReplicas = "eligible.leader.replicas.version"

// outage is why leaders and ISRs are looked at anew. The image still shows the broker as it was before, so the outage
// says what the records of the same batch will make of it. Each field is a broker or core.NoBroker.
type outage struct {
	removed core.BrokerID // is being fenced, shut down or unregistered: leaves ISRs and leaderships
	added   core.BrokerID // is being unfenced: may lead again
	unclean core.BrokerID // came back without a clean shutdown: its log may lack what it acknowledged (KIP-966)
}

func removal(b core.BrokerID) outage       { return outage{b, core.NoBroker, core.NoBroker} }
func addition(b core.BrokerID) outage      { return outage{core.NoBroker, b, core.NoBroker} }
func uncleanReturn(b core.BrokerID) outage { return outage{core.NoBroker, core.NoBroker, b} }

// reelect gives a change for every partition that an outage touches, in the order of topic names and partitions
// (Kafka: ReplicationControlManager.generateLeaderAndIsrUpdates).
func (c *Controller) reelect(img *metadata.Image, o outage) []metadata.Record {
	elr := img.FeatureLevel(eligibleLeaderReplicas) > 0
	var records []metadata.Record
	for t := range img.Topics() {
		minISR, unclean := 0, false // looked up only for topics that the outage touches
		for _, p := range t.Partitions {
			if !o.touches(p) {
				continue
			}
			if minISR == 0 {
				minISR = max(1, c.configs.MinInSyncReplicas(img, t.Name))
				unclean = c.configs.UncleanLeaderElection(img, t.Name)
			}
			e := election{img: img, outage: o, before: p, elrEnabled: elr, uncleanEnabled: unclean}
			e.minISR = min(minISR, len(p.Replicas))
			if change := e.run(t.ID); change != nil {
				records = append(records, change)
			}
		}
	}
	return records
}

func (o outage) touches(p *metadata.Partition) bool {
	if o.added != core.NoBroker {
		return p.Leader == core.NoBroker && p.HasReplica(o.added)
	}
	return o.removed != core.NoBroker && (p.Leader == o.removed || p.InSync(o.removed)) ||
		o.unclean != core.NoBroker && (p.InSync(o.unclean) || slices.Contains(p.ELR, o.unclean))
}

// election works out one partition's new leader, ISR and eligible leader replicas (Kafka: PartitionChangeBuilder).
type election struct {
	img            *metadata.Image
	outage         outage
	before         *metadata.Partition
	elrEnabled     bool
	uncleanEnabled bool
	minISR         int

	isr []core.BrokerID
	elr []core.BrokerID
}

func (e *election) run(topic core.UUID) *metadata.PartitionChangeRecord {
	p := e.before
	change := metadata.NewPartitionChange(topic, p.ID)
	e.isr = without(p.ISR, e.outage.removed, e.outage.unclean)
	e.elr = e.eligible()
	leader, unclean := e.elect()
	if leader != p.Leader {
		change.Leader = leader
		switch {
		case unclean:
			// The ISR is the new leader alone. What it lacks is lost, and the leader has to recover first (KIP-704).
			e.isr, e.elr = []core.BrokerID{leader}, []core.BrokerID{}
			if p.RecoveryState != metadata.Recovering {
				change.RecoveryState = metadata.Recovering
			}
		case slices.Contains(e.elr, leader):
			e.isr, e.elr = []core.BrokerID{leader}, without(e.elr, leader)
		}
	}
	if !slices.Equal(e.elr, p.ELR) {
		change.ELR = e.elr
	}
	// Without eligible leader replicas the last ISR is the only trace of who may lead, so it never becomes empty.
	if !slices.Equal(e.isr, p.ISR) && (len(e.isr) > 0 || e.elrEnabled) {
		change.ISR = e.isr
	}
	e.setLastKnownLeader(change)
	if isNoChange(change) {
		return nil
	}
	return change
}

// eligible gives the eligible leader replicas: those that left the ISR while it was below the minimum, when nothing
// could be committed without them.
func (e *election) eligible() []core.BrokerID {
	if !e.elrEnabled || len(e.isr) >= e.minISR {
		return []core.BrokerID{}
	}
	union := slices.Concat(e.before.ELR, e.before.ISR)
	slices.Sort(union)
	return without(slices.Compact(union), append(slices.Clone(e.isr), e.outage.unclean)...)
}

// elect chooses the leader: the one there is if it may stay, else the first replica that has all that was committed.
func (e *election) elect() (leader core.BrokerID, unclean bool) {
	if e.mayLead(e.before.Leader) {
		return e.before.Leader, false
	}
	for _, r := range e.before.Replicas {
		if e.mayLead(r) {
			return r, false
		}
	}
	if e.elrEnabled && len(e.isr) == 0 && len(e.elr) == 0 && len(e.before.LastKnownELR) == 1 {
		if last := e.before.LastKnownELR[0]; e.acceptable(last) {
			return last, true
		}
	}
	if e.uncleanEnabled {
		for _, r := range e.before.Replicas {
			if e.acceptable(r) {
				return r, true
			}
		}
	}
	return core.NoBroker, false
}

func (e *election) mayLead(r core.BrokerID) bool {
	inSync := slices.Contains(e.isr, r) || len(e.isr) == 0 && slices.Contains(e.elr, r)
	return inSync && e.acceptable(r)
}

// acceptable reports whether the replica's broker is up and its log directory online.
func (e *election) acceptable(r core.BrokerID) bool {
	b := e.img.Broker(r)
	if b == nil || r == e.outage.removed || r == e.outage.unclean {
		return false
	}
	directory, ok := e.before.Directory(r)
	return ok && online(b, directory) && (r == e.outage.added || b.Active())
}

// online reports whether a broker's directory is in use, as far as is known (Kafka: DirectoryId.isOnline).
func online(b *metadata.Broker, directory core.UUID) bool {
	switch {
	case directory == metadata.UnassignedDirectory() || directory == metadata.MigratingDirectory():
		return true
	case directory == metadata.LostDirectory():
		return false
	}
	return len(b.LogDirs) == 0 || slices.Contains(b.LogDirs, directory)
}

// setLastKnownLeader remembers who led when the last replica left the ISR. If all of them come back uncleanly, that one
// has the best claim.
func (e *election) setLastKnownLeader(change *metadata.PartitionChangeRecord) {
	p := e.before
	switch {
	case !e.elrEnabled:
	case change.ISR != nil && len(change.ISR) == 0 && p.Leader != core.NoBroker:
		if !slices.Equal(p.LastKnownELR, []core.BrokerID{p.Leader}) {
			change.LastKnownELR = []core.BrokerID{p.Leader}
		}
	case len(p.LastKnownELR) > 0 && (change.Leader >= 0 || change.Leader == metadata.LeaderUnchanged && p.Leader >= 0):
		change.LastKnownELR = []core.BrokerID{}
	}
}

func isNoChange(r *metadata.PartitionChangeRecord) bool {
	return r.ISR == nil && r.Leader == metadata.LeaderUnchanged && r.ELR == nil && r.LastKnownELR == nil &&
		r.RecoveryState == metadata.RecoveryUnchanged
}

// without returns a copy of list that lacks the given brokers. It is never nil.
func without(list []core.BrokerID, gone ...core.BrokerID) []core.BrokerID {
	kept := make([]core.BrokerID, 0, len(list))
	for _, b := range list {
		if !slices.Contains(gone, b) {
			kept = append(kept, b)
		}
	}
	return kept
}
