package raft

import "ottla.dev/core"

// Role is what a node is in its epoch.
type Role uint8

// The roles. [Voted] stands for a vote for another node and for the node's own vote alike; a candidate is one whose own
// vote is on disk. Whether a node is an observer, which votes on nothing and is counted in nothing, follows from the
// voters and is no role of its own: see [Quorum.Observer].
const (
	Unattached Role = iota + 1
	Voted
	Leader
	Prospective
	Candidate
	Follower
	Resigned
)

// String gives the role's name for traces.
func (r Role) String() string {
	switch r {
	case Unattached:
		return "unattached"
	case Voted:
		return "voted"
	case Leader:
		return "leader"
	case Prospective:
		return "prospective"
	case Candidate:
		return "candidate"
	case Follower:
		return "follower"
	case Resigned:
		return "resigned"
	}
	return "role?"
}

// transition checks a change of role against the table; whatever is not in it is a bug and panics. Epochs never go
// back.
//
//	from                                      to           epoch
//	any                                       unattached   higher   an epoch without a known leader was heard of
//	any                                       follower     higher   a leader was heard of
//	prospective, observing follower           unattached   same     no majority would vote; the leader is silent
//	unattached, prospective                   voted        same     a vote was given, or comes back after a lost pre-vote
//	unattached, prospective                   voted        higher   a vote for itself: a campaign begins
//	unattached, voted, follower, candidate    prospective  same     a timeout (KIP-996)
//	voted                                     candidate    same     the vote for itself is on disk
//	candidate                                 leader       same     a majority voted for it
//	unattached, voted, prospective, candidate follower     same     a leader of the epoch was heard of
//	leader                                    resigned     same     a shutdown, no majority in sight, no voter any more
//
// A leader that restarts is unattached with its vote for itself: it neither leads the epoch again, in which it may have
// lost batches that others have (KAFKA-10527), nor votes for another in it.
func transition(from, to Role, old, epoch core.LeaderEpoch) {
	legal := false
	switch {
	case epoch < old:
	case to == Unattached:
		legal = epoch > old || from == Prospective || from == Follower
	case to == Voted:
		legal = from == Unattached || from == Prospective
	case to == Follower:
		legal = epoch > old || from == Unattached || from == Voted || from == Prospective || from == Candidate
	case epoch > old:
	case to == Prospective:
		legal = from == Unattached || from == Voted || from == Follower || from == Candidate
	case to == Candidate:
		legal = from == Voted
	case to == Leader:
		legal = from == Candidate
	case to == Resigned:
		legal = from == Leader
	}
	if !legal {
		panic("raft: no way from " + from.String() + " to " + to.String() + " between these epochs")
	}
}
