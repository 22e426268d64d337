package controller

import (
	"slices"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
	"ottla.dev/core/probe"
)

// eligibleLeaderReplicas is the feature of KIP-966; at level 1 partitions keep their eligible leader replicas.
const eligibleLeaderReplicas = "eligible.leader.replicas.version"

// purpose says what an election is for, and so how far it may go (Kafka: PartitionChangeBuilder.Election).
type purpose uint8

const (
	stayOnline   purpose = iota // the leader there is, or another one that has all that was committed
	restore                     // the preferred leader if it has all that was committed, else as stayOnline
	acceptLoss                  // as stayOnline, but rather any replica than none
	acceptDamage                // as acceptLoss, but rather one that its broker calls damaged than none
)

// rules are what the topic's configuration says about elections, looked up once for all its partitions.
type rules struct {
	minISR     int
	unclean    bool
	elrEnabled bool
}

func (c *Controller) rulesOf(img *metadata.Image, topic string) rules {
	return rules{
		minISR:     max(1, c.configs.MinInSyncReplicas(img, topic)),
		unclean:    c.configs.UncleanLeaderElection(img, topic),
		elrEnabled: img.FeatureLevel(eligibleLeaderReplicas) > 0,
	}
}

// automatic is how far an election goes that nobody asked for.
func (r rules) automatic() purpose {
	if r.unclean {
		return acceptLoss
	}
	return stayOnline
}

// transition works out one partition's next state (Kafka: PartitionChangeBuilder). The caller sets what it wants of the
// fields under "wanted", which begin as they are, and gets a change record from [transition.run].
type transition struct {
	img     *metadata.Image
	rules   rules
	purpose purpose
	outage  outage
	topic   core.UUID
	before  *metadata.Partition

	// Wanted.
	isr      []core.BrokerID
	replicas []core.BrokerID
	removing []core.BrokerID
	adding   []core.BrokerID
	recovery metadata.RecoveryState
	// moved is a broker whose replica goes to directory, or core.NoBroker.
	moved     core.BrokerID
	directory core.UUID

	// Found by run.
	elr     []core.BrokerID
	unclean bool // the new leader may lack what was committed
	reached probe.Set
}

func newTransition(img *metadata.Image, topic core.UUID, p *metadata.Partition, r rules) *transition {
	return &transition{
		img: img, rules: r, topic: topic, before: p, outage: noOutage(), isr: p.ISR, replicas: p.Replicas,
		removing: p.Removing, adding: p.Adding, recovery: p.RecoveryState, moved: core.NoBroker,
	}
}

// run gives the record that brings the partition to its next state, or nil if that is the one it is in.
func (t *transition) run() *metadata.PartitionChangeRecord {
	p := t.before
	change := metadata.NewPartitionChange(t.topic, p.ID)
	t.completeReassignment()
	t.elr = t.eligible()
	t.applyElection(change)
	if change.Leader == metadata.LeaderUnchanged && len(without(p.Replicas, t.replicas...)) > 0 {
		// Replicas that are gone must not be counted by a leader that has not heard of it.
		change.Leader = p.Leader
	}
	if !slices.Equal(t.elr, p.ELR) {
		change.ELR = t.elr
	}
	// Without eligible leader replicas the last ISR is the only trace of who may lead, so it never becomes empty.
	if !slices.Equal(t.isr, p.ISR) && (len(t.isr) > 0 || t.rules.elrEnabled) {
		change.ISR = t.isr
	}
	t.setLastKnownLeader(change)
	t.setAssignment(change)
	if t.recovery != p.RecoveryState {
		change.RecoveryState = t.recovery
	}
	if isNoChange(change) {
		return nil
	}
	return change
}

// completeReassignment ends the reassignment in progress if all its targets are in sync (Kafka:
// PartitionReassignmentReplicas.maybeCompleteReassignment; that one of them is not enough: KAFKA-15665).
func (t *transition) completeReassignment() {
	if len(t.removing) == 0 && len(t.adding) == 0 {
		return
	}
	isr, replicas := without(t.isr, t.removing...), without(t.replicas, t.removing...)
	if len(isr) == 0 || len(replicas) == 0 || len(without(replicas, isr...)) > 0 {
		return
	}
	t.reached.Add(probe.ReassignmentCompleted)
	t.isr, t.replicas = isr, replicas
	t.removing, t.adding = []core.BrokerID{}, []core.BrokerID{}
}

// eligible gives the eligible leader replicas: those that left the ISR while it was below the minimum, when nothing
// could be committed without them (Kafka: maybePopulateTargetElr, which also keeps replicas that a reassignment took).
func (t *transition) eligible() []core.BrokerID {
	if !t.rules.elrEnabled || t.mayCommit() {
		return []core.BrokerID{}
	}
	union := slices.Concat(t.before.ELR, t.before.ISR)
	slices.Sort(union)
	elr := without(slices.Compact(union), append(slices.Clone(t.isr), t.outage.unclean)...)
	return slices.DeleteFunc(elr, func(b core.BrokerID) bool { return !slices.Contains(t.replicas, b) })
}

// mayCommit reports whether the wanted ISR is large enough for the leader to commit without the other replicas.
func (t *transition) mayCommit() bool { return len(t.isr) >= min(t.rules.minISR, len(t.replicas)) }

func (t *transition) applyElection(change *metadata.PartitionChangeRecord) {
	leader, unclean := t.elect()
	if leader == t.before.Leader {
		return
	}
	change.Leader = leader
	switch {
	case leader == core.NoBroker:
		t.reached.Add(probe.Leaderless)
	case unclean:
		t.reached.Add(probe.UncleanElection)
		if t.purpose == acceptDamage && t.damaged(leader) {
			t.moved, t.directory = leader, metadata.UnassignedDirectory() // from now on it is to be relied on
		}
		// The ISR is the new leader alone. What it lacks is lost, and the leader has to recover first (KIP-704).
		t.unclean = true
		t.isr, t.elr = []core.BrokerID{leader}, []core.BrokerID{}
		t.recovery = metadata.Recovering
	case slices.Contains(t.elr, leader):
		t.reached.Add(probe.EligibleElected)
		t.isr, t.elr = []core.BrokerID{leader}, without(t.elr, leader)
		if t.mayCommit() { // the minimum was lowered while nobody led
			t.elr = []core.BrokerID{}
		}
	}
}

// elect chooses the leader: the one there is if it may stay, else the first replica that has all that was committed.
func (t *transition) elect() (leader core.BrokerID, unclean bool) {
	if t.purpose == restore && len(t.replicas) > 0 && t.mayLead(t.replicas[0]) {
		return t.replicas[0], false
	}
	if t.mayLead(t.before.Leader) {
		return t.before.Leader, false
	}
	for _, r := range t.replicas {
		if t.mayLead(r) {
			return r, false
		}
	}
	// The last known leader has to be up (KAFKA-19522).
	if t.rules.elrEnabled && len(t.isr) == 0 && len(t.elr) == 0 && len(t.before.LastKnownELR) == 1 {
		if last := t.before.LastKnownELR[0]; t.acceptable(last) {
			t.reached.Add(probe.LastKnownElected)
			return last, true
		}
	}
	if t.purpose >= acceptLoss {
		for _, r := range t.replicas {
			if t.acceptable(r) {
				return r, true
			}
		}
	}
	if t.purpose == acceptDamage {
		for _, r := range t.replicas {
			if t.damaged(r) {
				return r, true
			}
		}
	}
	return core.NoBroker, false
}

func (t *transition) mayLead(r core.BrokerID) bool {
	inSync := slices.Contains(t.isr, r) || len(t.isr) == 0 && slices.Contains(t.elr, r)
	return inSync && t.acceptable(r)
}

// acceptable reports whether the broker has a replica, is up, and has the replica's log directory online.
func (t *transition) acceptable(r core.BrokerID) bool {
	b := t.img.Broker(r)
	if b == nil || r == t.outage.removed || r == t.outage.unclean || !slices.Contains(t.replicas, r) {
		return false
	}
	directory, ok := t.before.Directory(r)
	if r == t.moved {
		directory = t.directory
	}
	return ok && b.HasOnline(directory) && (r == t.outage.added || b.Active())
}

// damaged reports whether a replica could lead but for what its broker says of it.
func (t *transition) damaged(r core.BrokerID) bool {
	b := t.img.Broker(r)
	directory, ok := t.before.Directory(r)
	return ok && directory == metadata.LostDirectory() && b != nil && b.Active() && slices.Contains(t.replicas, r) &&
		r != t.outage.removed && r != t.outage.unclean
}

// setLastKnownLeader remembers who led when the last replica left the ISR. If all of them come back uncleanly, that one
// has the best claim.
func (t *transition) setLastKnownLeader(change *metadata.PartitionChangeRecord) {
	p := t.before
	switch {
	case !t.rules.elrEnabled:
	case change.ISR != nil && len(change.ISR) == 0 && p.Leader != core.NoBroker:
		if !slices.Equal(p.LastKnownELR, []core.BrokerID{p.Leader}) {
			change.LastKnownELR = []core.BrokerID{p.Leader}
		}
	case len(p.LastKnownELR) > 0 && (change.Leader >= 0 || change.Leader == metadata.LeaderUnchanged && p.Leader >= 0):
		change.LastKnownELR = []core.BrokerID{}
	}
}

// setAssignment writes the replicas that differ, and where each of them is.
func (t *transition) setAssignment(change *metadata.PartitionChangeRecord) {
	p := t.before
	directories := make([]core.UUID, len(t.replicas))
	for i, r := range t.replicas {
		before, ok := p.Directory(r)
		switch {
		case r == t.moved:
			directories[i] = t.directory
		case ok:
			directories[i] = before
		default:
			directories[i] = defaultDirectory(t.img.Broker(r))
		}
	}
	if !slices.Equal(directories, p.Directories) {
		change.Directories = directories
	}
	if !slices.Equal(t.replicas, p.Replicas) {
		change.Replicas = t.replicas
	}
	if !slices.Equal(t.removing, p.Removing) {
		change.Removing = t.removing
	}
	if !slices.Equal(t.adding, p.Adding) {
		change.Adding = t.adding
	}
}

func isNoChange(r *metadata.PartitionChangeRecord) bool {
	return r.ISR == nil && r.Leader == metadata.LeaderUnchanged && r.ELR == nil && r.LastKnownELR == nil &&
		r.RecoveryState == metadata.RecoveryUnchanged && r.Directories == nil && r.Replicas == nil &&
		r.Removing == nil && r.Adding == nil
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
