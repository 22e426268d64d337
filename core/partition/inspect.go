package partition

import (
	"time"

	"ottla.dev/core"
)

// Leading is what a leader believes of its partition, for a judge who looks on from outside.
type Leading struct {
	PartitionEpoch core.PartitionEpoch
	EpochStart     core.Offset // the log end offset when the leadership began
	MinISR         int         // min.insync.replicas in effect
	ISR            []core.BrokerID
	Pending        *Proposal       // that the controller may have taken, or nil
	Left           []core.BrokerID // who counts on between the controller's answer and the metadata
	// Doubted is how often it has asked whether it leads still, and Confirmed which of these questions, from 1, was the
	// last that the controller has answered with yes.
	Doubted, Confirmed uint64
}

// Leads returns what the replica believes as the appointed leader. It reports false if it is none, or the only replica.
func (r *Replica) Leads() (Leading, bool) {
	l := r.lead
	if l == nil {
		return Leading{}, false
	}
	return Leading{l.partitionEpoch, l.epochStart, r.minISR(), l.isr, l.pending, l.left, l.doubted, l.confirmed}, true
}

// FollowerSeen is what a leader knows of another replica.
type FollowerSeen struct {
	ID       core.BrokerID
	End      core.Offset // its fetch offset, or core.NoOffset
	KeepsUp  bool        // it has, or lately had, all that the leader has
	Eligible bool        // the controller would take it into the ISR
	// CaughtUp is how long ago it had all that the leader had then, for all that the leader knows.
	CaughtUp time.Duration
}

// InspectFollowers returns what the leader of a partition knows of the others.
func (s *Set) InspectFollowers(now core.Instant, r *Replica) []FollowerSeen {
	if r.lead == nil {
		return nil
	}
	seen := make([]FollowerSeen, 0, len(r.lead.followers))
	for i := range r.lead.followers {
		f := &r.lead.followers[i]
		seen = append(seen, FollowerSeen{f.id, f.end, f.keepsUp(now, r, s.replication.LagMax), s.eligible(f),
			now.Mono - f.caughtUp})
	}
	return seen
}

// State is what a replica is about, for who looks on from outside.
type State uint8

// The states of a replica.
const (
	StateOpening     State = iota + 1 // its log is being opened
	StateOffline                      // there is no log that could serve
	StateReopening                    // its log is damaged, and waits to be opened anew
	StateUnappointed                  // nobody has told it what it is
	StateAlone                        // it is the only one
	StateLeads
	StateLeadsUnderMinISR // and can commit nothing
	StateFollows
	StateFollowsNobody
	StateTruncates // it follows, and its log is being cut
)

// String gives the state's name.
func (s State) String() string {
	return [...]string{"", "opening", "offline", "reopening", "unappointed", "alone", "leads", "leads-under-min-isr",
		"follows", "follows-nobody", "truncates"}[s]
}

// State is what the replica is about.
func (r *Replica) State() State {
	switch {
	case r.reopening:
		return StateReopening
	case r.offline != nil, r.log != nil && r.log.Failed() != nil:
		return StateOffline
	case r.log == nil:
		return StateOpening
	case r.role == alone:
		return StateAlone
	case r.role == unknown:
		return StateUnappointed
	case r.role == leads && r.underMinISR():
		return StateLeadsUnderMinISR
	case r.role == leads:
		return StateLeads
	case r.trunc != nil || r.log.Truncating():
		return StateTruncates
	case r.follow.leader == core.NoBroker:
		return StateFollowsNobody
	}
	return StateFollows
}

// OpenedBy reports whether it is this job that opens the replica's log.
func (r *Replica) OpenedBy(job core.Job) bool { return r.opening != nil && core.Job(r.opening) == job }
