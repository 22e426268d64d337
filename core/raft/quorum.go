package raft

import (
	"errors"
	"math"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// Quorum is this node's replica of the metadata quorum.
//
// Invariant: the high watermark is at most the log end offset, and once a leader's is above epochStart it was raised
// by a record of its epoch. Neither it nor the epoch goes back. A truncation never goes below the high watermark.
type Quorum struct {
	self      Key
	endpoints []record.Endpoint
	bootstrap []record.Endpoint
	clusterID string
	settings  Settings
	random    core.PRNG
	manual    bool // campaigns only when it is told to

	log       *log.Log
	files     *log.FileIDs
	opened    *OpenJob // how the log was opened
	history   History
	snapshots []SnapshotID // in order
	tail      tail
	deliver   bool
	delivered core.Offset
	reading   *ReadJob // of batches to deliver
	// writingSnapshot is a job that the owner has or runs.
	writingSnapshot *SnapshotJob

	recall *recall // what was promised is forgotten
	// spent is the largest epoch in which a vote may have been given and forgotten.
	spent   core.LeaderEpoch
	role    Role
	state   ElectionState
	saved   ElectionState // what is on disk of it
	saving  *log.CheckpointJob
	writing ElectionState // what saving writes

	inbox       []letter
	mail        Outbox // what was said
	ready       Outbox // what may leave of it
	flights     []*flight
	correlation uint64
	silence     time.Duration // how long a healthy leader was not heard of lately, at most
	again       bool          // Poll has something to do whatever the time
	polled      time.Duration // when Poll ran last

	electionAt    time.Duration // when an unattached, voted, prospective, candidate or resigned node loses patience
	ballot        ballot
	follow        following
	lead          leading
	epochStart    core.Offset // where this leadership's LEADER_CHANGE is
	highWatermark core.Offset
	failed        error
	closed        bool
	// Reached are the probes that were passed, until the owner takes them.
	Reached probe.Set
}

// New makes the replica of the only voter, on a log that has been opened. It does nothing until Campaign.
func New(self core.BrokerID, clusterID string, state ElectionState, l *log.Log) *Quorum {
	q := newQuorum(Key{ID: self}, clusterID, state, l)
	q.manual = true
	q.history.Static = Voters{{ID: self}}
	return q
}

func newQuorum(self Key, clusterID string, state ElectionState, l *log.Log) *Quorum {
	q := &Quorum{self: self, clusterID: clusterID, log: l, role: Unattached, state: state, settings: DefaultSettings(),
		electionAt: core.Never}
	q.state.ClusterID = clusterID
	q.state.Epoch = max(state.Epoch, l.Epochs().Latest(), 0)
	q.saved = q.state
	q.tail.next = l.LogEndOffset()
	return q
}

// Role is what the node is in the current epoch.
func (q *Quorum) Role() Role { return q.role }

// Epoch is the current epoch.
func (q *Quorum) Epoch() core.LeaderEpoch { return q.state.Epoch }

// Leader is the leader of the current epoch, or NoBroker if it is not known.
func (q *Quorum) Leader() core.BrokerID { return q.state.Leader }

// Self is the replica's own key.
func (q *Quorum) Self() Key { return q.self }

// Voters are the voters in force, and Version the kraft.version.
func (q *Quorum) Voters() Voters { return q.history.Voters() }

// Version is the kraft.version in force.
func (q *Quorum) Version() int16 { return q.history.Version() }

// Observer reports whether the node is no voter.
func (q *Quorum) Observer() bool { return !q.Voters().Has(q.self) }

// electable reports whether the node may ask for votes: a voter, or one that a change removes which is not known to
// be committed. The log with that change may be needed to elect anybody at all (Ongaro's dissertation, section
// 4.2.2): with the voters 1 and 2, of which 1 has removed itself in its own log alone, 2 has the shorter log and does
// not get the vote of 1, which it needs because it has not heard of the change.
func (q *Quorum) electable() bool {
	if q.recall != nil {
		return false
	}
	return !q.Observer() || q.history.changedAt() >= q.highWatermark && q.history.previous().Has(q.self)
}

// Active reports whether the node leads and has committed a record of its own epoch: only then does it know what is
// committed, and may decide.
func (q *Quorum) Active() bool { return q.role == Leader && q.highWatermark > q.epochStart }

// HighWatermark is the offset below which the log is committed.
func (q *Quorum) HighWatermark() core.Offset { return q.highWatermark }

// LogEndOffset is the offset of the next record.
func (q *Quorum) LogEndOffset() core.Offset { return q.log.LogEndOffset() }

// Log is the metadata log. Another one takes its place when a snapshot is loaded.
func (q *Quorum) Log() *log.Log { return q.log }

// State is the election state that is on disk.
func (q *Quorum) State() ElectionState { return q.saved }

// Failed is why the replica can no longer be trusted, or nil.
func (q *Quorum) Failed() error {
	if q.failed != nil {
		return q.failed
	}
	if q.follow.installing != nil {
		return nil // the log is closed on purpose
	}
	return q.log.Failed()
}

// lastEpoch is the epoch of the last record in the log.
func (q *Quorum) lastEpoch() core.LeaderEpoch {
	for _, s := range q.snapshots {
		if s.End == q.log.LogEndOffset() {
			return s.Epoch
		}
	}
	return max(q.log.Epochs().Latest(), 0)
}

// become changes role and epoch. In a new epoch nothing is voted and no leader known.
func (q *Quorum) become(role Role, epoch core.LeaderEpoch) {
	transition(q.role, role, q.state.Epoch, epoch)
	if q.role == Leader {
		q.stepDown()
	}
	if epoch > q.state.Epoch {
		q.state.Epoch, q.state.Leader = epoch, core.NoBroker
		q.state.Voted, q.state.VotedDirectory = core.NoBroker, core.UUID{}
	}
	q.role = role
	q.follow.forget()
	q.ballot = ballot{}
	q.ground()
	q.again = true
}

// errEpochs is why a node stops that has no epoch left. It takes 2^31 elections, or a peer that makes epochs up.
var errEpochs = errors.New("the quorum's epochs are used up")

// nextEpoch returns the epoch that this node may campaign in. It reports false, and the replica has failed, if there
// is none.
func (q *Quorum) nextEpoch() (core.LeaderEpoch, bool) {
	last := max(q.state.Epoch, q.spent)
	if last == math.MaxInt32 {
		q.failed = errEpochs
		return 0, false
	}
	return last + 1, true
}

// unsaved reports whether the node's vote and epoch are not on disk yet: until they are, nothing it says may leave and
// nothing it hears may count (Raft, figure 2; KIP-595).
func (q *Quorum) unsaved() bool { return !q.saved.sameVote(&q.state) }

// busy reports whether messages have to wait.
func (q *Quorum) busy() bool { return q.unsaved() || q.follow.installing != nil }

// persist writes the election state if it has changed. That a leader is known is written too, but nothing waits for
// it: it only makes a restart quicker.
func (q *Quorum) persist(out *core.Outbox) {
	same := q.saved.sameVote(&q.state) && q.saved.Leader == q.state.Leader
	if same || q.saving != nil || q.follow.installing != nil || q.Failed() != nil {
		return
	}
	q.state.Version, q.state.ClusterID, q.state.Voters = q.Version(), q.clusterID, q.Voters().ids()
	q.writing = q.state
	q.saving = &log.CheckpointJob{Log: q.log.Slot(), Dir: q.log.Dir(), Name: StateFile, Data: q.state.Encode()}
	out.Run(q.saving)
}

// Poll does what is to be done: whatever has changed, arrived, or come due. The owner calls it after every input that
// it gives to the quorum other than by [Quorum.Receive], [Quorum.Respond], [Quorum.JobDone] and [Quorum.Tick], which
// do it themselves.
func (q *Quorum) Poll(now core.Instant, out *core.Outbox) {
	if q.Failed() != nil || q.closed {
		return
	}
	// A round may change the role, which the next one acts upon. There are fewer roles than rounds.
	const rounds = 16
	q.polled = now.Mono
	for range rounds {
		q.again = false
		q.persist(out)
		if q.busy() {
			q.install(now, out)
			break
		}
		q.read(now, out)
		if !q.busy() {
			q.expire(now)
			q.act(now, out)
		}
		q.persist(out)
		if !q.again || q.failed != nil {
			break
		}
	}
	q.handOver(out)
	q.invariants()
}

// read opens what has arrived, until something has to be written first.
func (q *Quorum) read(now core.Instant, out *core.Outbox) {
	for len(q.inbox) > 0 && !q.busy() {
		q.release()
		l := q.inbox[0]
		q.inbox = append(q.inbox[:0], q.inbox[1:]...)
		q.open(now, l, out)
	}
}

// act does what the role asks for.
func (q *Quorum) act(now core.Instant, out *core.Outbox) {
	if q.forgetful() {
		q.askEpochs(now)
	}
	switch q.role {
	case Unattached, Voted:
		q.pollUnattached(now)
	case Prospective, Candidate:
		q.pollBallot(now, out)
	case Follower:
		q.pollFollower(now, out)
	case Leader:
		q.pollLeader(now, out)
	case Resigned:
		q.pollResigned(now)
	}
}

// JobDone takes back a job of the replica or of its log. It reports false if the job is neither's.
func (q *Quorum) JobDone(now core.Instant, job core.Job, out *core.Outbox) bool {
	switch j := job.(type) {
	case *log.CheckpointJob:
		if j == q.saving {
			q.savedState(j, now)
			break
		}
		if j.Log != q.log.Slot() {
			return false
		}
		q.log.JobDone(job, out)
	case *log.SnapshotJob:
		q.log.JobDone(job, out)
	case *log.TruncateJob:
		q.truncated(now, j, out)
	case *ReadJob:
		q.readDone(now, j, out)
	case *ChunkJob:
		q.chunkDone(now, j)
	case *StoreJob:
		q.stored(now, j)
	case *SnapshotJob:
		q.snapshotDone(now, j, out)
	case *SweepJob:
	case *OpenJob:
		q.installed(now, j, out)
	default:
		return false
	}
	q.Poll(now, out)
	return true
}

// savedState takes note that a vote and an epoch are on disk.
func (q *Quorum) savedState(j *log.CheckpointJob, now core.Instant) {
	q.saving = nil
	if j.Err != nil {
		q.failed = j.Err
		return
	}
	q.saved = q.writing
	if !q.unsaved() && q.role == Voted && q.ballot.campaign {
		q.candidate(now)
	}
}

// Completed takes the completion of a write or sync of the log.
func (q *Quorum) Completed(in core.Input) {
	q.log.Completed(in)
	if q.log.Failed() != nil {
		return
	}
	switch q.role {
	case Leader:
		q.advance()
	case Follower:
		q.followWatermark()
	case Unattached, Voted, Prospective, Candidate, Resigned:
	}
	q.again = !q.manual || len(q.lead.parked) > 0 || q.lead.change != nil
}

// raise moves the high watermark, which never goes back.
func (q *Quorum) raise(to core.Offset) {
	if to > q.highWatermark {
		q.highWatermark = to
		q.again = q.again || !q.manual
	}
}

// Mapped takes an [core.InputMapped] or [core.InputFailed].
func (q *Quorum) Mapped(in core.Input) { q.log.Mapped(in) }

// Tick does what is due.
func (q *Quorum) Tick(now core.Instant, out *core.Outbox) {
	if q.Failed() == nil && q.follow.installing == nil {
		q.log.Tick(now, out)
	}
	q.Poll(now, out)
}

// Deadline is when Tick has something to do.
func (q *Quorum) Deadline() (time.Duration, bool) {
	if q.Failed() != nil || q.closed {
		return 0, false
	}
	at := core.Never
	if q.follow.installing == nil {
		if d, ok := q.log.Deadline(); ok {
			at = min(at, d)
		}
	}
	if q.again {
		at = 0
	}
	if !q.busy() {
		at = min(at, q.due())
	}
	return at, at != core.Never
}

// due is when the role has something to do.
func (q *Quorum) due() time.Duration {
	at := core.Never
	switch q.role {
	case Leader:
		at = q.leaderDue()
	case Follower:
		at = q.followerDue()
	case Unattached, Voted, Prospective, Candidate, Resigned:
		if !q.manual && (q.electable() || q.role == Resigned) {
			at = q.electionAt
		}
	}
	for _, f := range q.flights {
		switch {
		case f.correlation != 0:
			at = min(at, f.expires)
		case f.again > q.polled:
			at = min(at, f.again)
		}
	}
	return at
}

func (q *Quorum) invariants() {
	if q.follow.installing != nil || q.log.Failed() != nil {
		return
	}
	switch {
	case q.highWatermark > q.log.LogEndOffset():
		panic("raft: the high watermark is beyond the log end offset")
	case q.role == Leader && q.state.Leader != q.self.ID:
		panic("raft: a leader that does not know itself")
	case q.role == Follower && (q.state.Leader == core.NoBroker || q.state.Leader == q.self.ID):
		panic("raft: a follower without a leader")
	case q.saved.Epoch > q.state.Epoch:
		panic("raft: the epoch went back")
	}
}

// Close asks the log for everything that a clean shutdown needs: see [log.Log.Close]. The replica takes part in
// nothing any more. A leader should have resigned before.
//
// Where a snapshot is about to take the log's place, what is on the disk is for the next start, which does the same.
// Where the log has been given up for it already, the one that follows is closed when it is there.
func (q *Quorum) Close(out *core.Outbox) {
	q.closed = true
	if j := q.follow.installing; j != nil && j.running {
		return
	}
	q.follow.installing = nil
	q.log.Close(out)
}
