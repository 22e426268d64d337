package raft

import (
	"time"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/record"
)

// Role is what a voter is in its epoch.
type Role uint8

// The roles. A voter that has voted for itself waits for the disk before it counts its vote.
const (
	Unattached Role = iota + 1
	Voted
	Leader
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
	}
	return "role?"
}

// Quorum is this node's replica of the metadata quorum.
//
// Invariant: the high watermark is at most the synced offset of the log, and once it is above epochStart it was raised
// by a record of this epoch.
type Quorum struct {
	self      core.BrokerID
	clusterID string
	log       *log.Log
	role      Role
	state     ElectionState
	saving    *log.CheckpointJob

	epochStart    core.Offset // where this leadership's LEADER_CHANGE is
	highWatermark core.Offset
	failed        error
}

// New makes the replica of a log that has been opened. It does nothing until Campaign.
func New(self core.BrokerID, clusterID string, state ElectionState, l *log.Log) *Quorum {
	q := &Quorum{self: self, clusterID: clusterID, log: l, role: Unattached, state: state}
	q.state.Epoch = max(state.Epoch, l.Epochs().Latest(), 0)
	return q
}

// Role is what the node is in the current epoch.
func (q *Quorum) Role() Role { return q.role }

// Epoch is the current epoch.
func (q *Quorum) Epoch() core.LeaderEpoch { return q.state.Epoch }

// Active reports whether the node leads and has committed a record of its own epoch: only then does it know what is
// committed, and may decide.
func (q *Quorum) Active() bool { return q.role == Leader && q.highWatermark > q.epochStart }

// HighWatermark is the offset below which the log is committed.
func (q *Quorum) HighWatermark() core.Offset { return q.highWatermark }

// LogEndOffset is the offset of the next record.
func (q *Quorum) LogEndOffset() core.Offset { return q.log.LogEndOffset() }

// Log is the metadata log.
func (q *Quorum) Log() *log.Log { return q.log }

// Failed is why the replica can no longer be trusted, or nil.
func (q *Quorum) Failed() error {
	if q.failed != nil {
		return q.failed
	}
	return q.log.Failed()
}

// Campaign takes a new epoch and votes for itself. The vote counts when it is on disk (Raft, figure 2): otherwise two
// leaders of one epoch are a crash away.
func (q *Quorum) Campaign(out *core.Outbox) {
	if q.role != Unattached {
		panic("raft: campaign of a node that is " + q.role.String())
	}
	q.role = Voted
	q.state = ElectionState{ClusterID: q.clusterID, Leader: core.NoBroker, Epoch: q.state.Epoch + 1, Voted: q.self,
		Voters: []core.BrokerID{q.self}}
	q.saving = &log.CheckpointJob{Log: q.log.Slot(), Dir: q.log.Dir(), Name: StateFile, Data: q.state.Encode()}
	out.Run(q.saving)
}

// JobDone takes back a job of the replica or of its log. It reports false if the job is neither's.
func (q *Quorum) JobDone(now core.Instant, job core.Job, out *core.Outbox) bool {
	if c, ok := job.(*log.CheckpointJob); ok && c == q.saving {
		q.saving = nil
		switch {
		case c.Err != nil:
			q.failed = c.Err
		case q.role == Voted:
			q.lead(now, out)
		}
		return true
	}
	switch j := job.(type) {
	case *log.CheckpointJob:
		if j.Log != q.log.Slot() {
			return false
		}
	case *log.SnapshotJob:
	default:
		return false
	}
	q.log.JobDone(job, out)
	return true
}

// lead begins the leadership with its first record.
func (q *Quorum) lead(now core.Instant, out *core.Outbox) {
	q.role, q.state.Leader = Leader, q.self
	q.epochStart = q.log.LogEndOffset()
	var b record.Builder
	b.Start(nil, q.epochStart)
	me := []record.ControlVoter{{ID: q.self}}
	b.AppendLeaderChange(now.Wall, &record.LeaderChange{Leader: q.self, Voters: me, Granting: me})
	_, batch := b.Finish()
	q.append(now, batch, out)
}

// Propose appends records as one batch and returns the offset of the last. They are committed when the high watermark
// passes it.
func (q *Quorum) Propose(now core.Instant, values [][]byte, out *core.Outbox) core.Offset {
	if !q.Active() {
		panic("raft: a proposal to a node that is not the active leader")
	}
	var b record.Builder
	b.Start(nil, q.log.LogEndOffset())
	for _, v := range values {
		b.Append(now.Wall, nil, v)
	}
	_, batch := b.Finish()
	return q.append(now, batch, out)
}

func (q *Quorum) append(now core.Instant, batch record.View, out *core.Outbox) core.Offset {
	_, last := q.log.Append(now, batch, q.state.Epoch, out)
	q.log.Sync(out)
	return last
}

// Completed takes the completion of a write or sync of the log.
func (q *Quorum) Completed(in core.Input) {
	q.log.Completed(in)
	if q.log.Failed() == nil && q.role == Leader && q.log.SyncedOffset() > q.epochStart {
		q.highWatermark = max(q.highWatermark, q.log.SyncedOffset())
	}
}

// Mapped takes an [core.InputMapped] or [core.InputFailed].
func (q *Quorum) Mapped(in core.Input) { q.log.Mapped(in) }

// Tick does what is due in the log.
func (q *Quorum) Tick(now core.Instant, out *core.Outbox) { q.log.Tick(now, out) }

// Deadline is when Tick has something to do.
func (q *Quorum) Deadline() (time.Duration, bool) { return q.log.Deadline() }
