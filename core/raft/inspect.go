package raft

import (
	"slices"

	"ottla.dev/core"
)

// Broken finds something in the replica's books that does not fit together, and says what, for who looks on from
// outside between two steps.
func (q *Quorum) Broken() string {
	if q.Failed() != nil || q.closed || q.busy() {
		return ""
	}
	voted := q.state.Voted
	switch {
	case q.tail.next != q.log.LogEndOffset():
		return "the batches in memory are not the log's last ones"
	case q.deliver && q.reading == nil && q.delivered < q.highWatermark:
		return "it sits on batches that are committed"
	case q.role == Voted && voted == core.NoBroker, q.role == Candidate && voted != q.self.ID:
		return "it is " + q.role.String() + " and has not voted so"
	case q.ballot.open != (q.role == Candidate || q.role == Prospective):
		return "it is " + q.role.String() + ", and its ballot says otherwise"
	case q.role != Leader && (len(q.lead.replicas) > 0 || len(q.lead.parked) > 0 || q.lead.change != nil):
		return "it does not lead, and has not forgotten its followers"
	case !q.manual && q.electable() && q.role != Leader && q.due() == core.Never:
		return "it waits for a leader without an end"
	}
	if !slices.IsSortedFunc(q.snapshots, func(a, b SnapshotID) int { return int(a.End - b.End) }) {
		return "its snapshots are out of order"
	}
	for i := 1; i < len(q.history.voters); i++ {
		if q.history.voters[i-1].offset >= q.history.voters[i].offset {
			return "the changes of its voters are out of order"
		}
	}
	for i, f := range q.flights {
		if slices.ContainsFunc(q.flights[:i], func(o *flight) bool { return o.to == f.to && o.endpoint == f.endpoint }) {
			return "two requests to a node are under way"
		}
	}
	for i, p := range q.lead.replicas {
		if p.end > q.log.LogEndOffset() ||
			slices.ContainsFunc(q.lead.replicas[:i], func(o *progress) bool { return o.key == p.key }) {
			return "it has a wrong notion of a follower"
		}
	}
	return q.log.Broken()
}
