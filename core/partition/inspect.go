package partition

import (
	"slices"
	"strconv"
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

// Broken finds something in the set's books that does not fit together, and says what, for who looks on from outside
// between two steps.
func (s *Set) Broken(now core.Instant) string {
	for _, r := range s.ordered {
		why := s.brokenReplica(now, r)
		if why == "" && r.Online() {
			why = r.brokenRole()
		}
		if why == "" && r.log != nil {
			why = r.log.Broken()
		}
		if why != "" {
			return r.name.String() + ": " + why
		}
	}
	for _, f := range s.fetchers {
		if why := f.broken(); why != "" {
			return "the fetcher from broker " + strconv.Itoa(int(f.leader)) + ": " + why
		}
	}
	return s.brokenReads()
}

func (s *Set) brokenReplica(now core.Instant, r *Replica) string {
	switch at := r.next(s.closing); {
	case s.byID[r.id] != r || s.bySlot[r.slot] != r:
		return "it is not found"
	case r.head > r.written || r.written > len(r.waits) || r.head > 0 && r.head == len(r.waits):
		return "it has miscounted who waits"
	case at != core.Never && at > now.Mono && (!r.timed || s.due > at):
		return "it wants a tick at " + at.String() + " and gets none"
	case !r.Online():
		return ""
	case r.highWatermark > r.log.LogEndOffset():
		return "its high watermark is beyond its log's end"
	}
	for i := r.head; i < len(r.waits); i++ {
		w := &r.waits[i]
		switch {
		case w.op == nil:
		case i < r.written && w.op.Acks != AcksAll:
			return "somebody waits for what is written"
		case i == r.written && w.end <= r.log.WrittenOffset():
			return "somebody waits for a write that is done"
		case i == r.head && i < r.written && w.end <= r.highWatermark:
			return "somebody waits for what is committed"
		case w.op.Acks == AcksAll && r.deadline > max(w.op.deadline, now.Mono+expiryStep):
			return "somebody waits without an end"
		}
	}
	return ""
}

// brokenRole compares what a leader notes of the others with its ISR, and a follower with its fetcher.
func (r *Replica) brokenRole() string {
	if w := r.follow; w != nil && w.fetcher != nil {
		n := 0
		for _, m := range w.fetcher.members {
			if m == r {
				n++
			}
		}
		if n != 1 || w.fetcher.leader != w.leader || w.queued && !slices.Contains(w.fetcher.changed, r) {
			return "its fetcher does not know it as it should"
		}
	}
	if r.lead == nil {
		return ""
	}
	for i := range r.lead.followers {
		f := &r.lead.followers[i]
		in := slices.Contains(r.lead.isr, f.id)
		may := in || r.lead.pending != nil && slices.Contains(r.lead.pending.ISR, f.id) || slices.Contains(r.lead.left, f.id)
		if f.inSync != in || f.maximal != may {
			return "its notes on broker " + strconv.Itoa(int(f.id)) + " are not its ISR"
		}
	}
	return ""
}

func (f *Fetcher) broken() string {
	named, busy := 0, 0
	for _, r := range f.members {
		if r.follow == nil || r.follow.fetcher != f {
			return r.name.String() + " has left it"
		}
		if r.follow.named {
			named++
		}
		if r.follow.busy {
			busy++
		}
	}
	if named != f.named || busy != f.busy {
		return "it has miscounted what it asks for and waits for"
	}
	return ""
}

// brokenReads looks for fetches that nobody will wake.
func (s *Set) brokenReads() string {
	for _, op := range s.reads {
		if !op.parked || s.readDue > op.Deadline {
			return "a fetch waits without an end"
		}
		for i := range op.Items {
			r := s.byID[op.Items[i].ID]
			if r == nil {
				continue
			}
			list := r.readers
			if op.Follower {
				list = r.pullers
			}
			if !slices.Contains(list, op) {
				return r.name.String() + ": a fetch waits for it, and nobody will wake it"
			}
		}
	}
	return ""
}

// Oversleeps names a partition that has more for a fetch than it was parked with.
func (s *Set) Oversleeps() string {
	for _, op := range s.reads {
		for i := range op.Items {
			r := s.byID[op.Items[i].ID]
			if r != nil && op.Items[i].Code == core.NoError && r.Online() && r.limit(op) != op.Items[i].limit {
				return r.name.String()
			}
		}
	}
	return ""
}
