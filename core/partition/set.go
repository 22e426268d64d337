package partition

import (
	"slices"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/config"
	"ottla.dev/core/log"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// Set holds the replicas of one shard and works the operations that the shard is asked.
type Set struct {
	self    core.Address
	files   log.FileIDs
	random  core.PRNG
	byID    map[core.TopicIDPartition]*Replica
	bySlot  map[uint32]*Replica
	ordered []*Replica // by age, for walks in a fixed order
	slots   uint32
	codecs  *record.Codecs

	located     map[*log.LocateJob]reading
	asked       map[*log.TimestampJob]asking
	parked      []core.Message // operations that wait for logs to open, by arrival
	loading     int            // logs that are being opened, but for those that are held
	reads       []*FetchOp     // parked until there is more to read, by arrival
	deletions   []*deletion    // by arrival
	readDue     time.Duration
	timed       []*Replica    // those that want a tick
	ticked      []*Replica    // memory of timed, used in turns
	due         time.Duration // no replica wants a tick before
	waiting     Checkpoint    // what waits for a checkpoint that is not begun
	saved       bool          // there was a checkpoint since the start
	fetchers    []*Fetcher    // by leader
	peers       []Peer        // by id
	replication Replication
	leaving     []*Replica // deleted, with their folder still there
	held        []*Replica // new, waiting for a folder of the same name to go
	closing     bool       // no more batches are taken
	closed      int        // how many of ordered, from the front, are known to be closed
	retained    int        // for how many of ordered, from the front, retention was looked at in this round

	scrubs scrubbing
	// ScrubRate is how many bytes a second are read again to find those that have gone bad, 0 for none; ScrubInterval
	// is the time from the beginning of a pass through all logs to that of the next.
	ScrubRate     int64
	ScrubInterval time.Duration
	// ProducerExpiryMs is producer.id.expiration.ms.
	ProducerExpiryMs int64
	// Changed collects the replicas whose high watermark moved or whose state changed, until the owner clears it.
	Changed []*Replica
	// Standings collects what the controller is to be told of replicas that are damaged, or are not any more, until the
	// owner takes and clears it.
	Standings []Standing
	// Proposals collects what leaders ask the controller for, until the owner takes and clears it.
	Proposals []*Proposal
	// Doubts collects the answers for which the controller is to confirm leaderships, until the owner takes and clears it.
	// Each is given back to [Set.Settle].
	Doubts []*Doubt
	doubts int // that are not settled
	// Failures collects the log directories that failed, each once, until the owner takes and clears it.
	Failures []DirFailure
	failed   []DirFailure // all so far
	// Reached are probes that were passed where no outbox was at hand, until the owner takes them.
	Reached probe.Set
}

// DirFailure is a log directory that can no longer be trusted, and why: one of its logs could not be opened, written
// or synced. The others in it are to be given up as well (KIP-112), see [Set.FailDir].
type DirFailure struct {
	Dir string
	Err error
}

// reading says which item a locate job works for, asking the same for a timestamp job.
type reading struct {
	op   *FetchOp
	item int
}

type asking struct {
	op   *QueryOp
	item int
}

// NewSet returns the empty set of the shard at self.
func NewSet(self core.Address, random core.PRNG) *Set {
	return &Set{
		self: self, random: random, byID: map[core.TopicIDPartition]*Replica{}, bySlot: map[uint32]*Replica{},
		located: map[*log.LocateJob]reading{}, asked: map[*log.TimestampJob]asking{}, readDue: core.Never, due: core.Never,
		codecs: record.NewCodecs(0),
	}
}

// Replica returns the replica of a partition, or nil.
func (s *Set) Replica(id core.TopicIDPartition) *Replica { return s.byID[id] }

// Replicas returns all replicas in the order in which they came. The slice belongs to the set.
func (s *Set) Replicas() []*Replica { return s.ordered }

// Opening says where and how to open a replica's log.
type Opening struct {
	ID            core.TopicIDPartition
	Name          core.TopicPartition
	Dir           string // the log directory
	Settings      config.Topic
	LeaderEpoch   core.LeaderEpoch
	Clean         bool // the broker was shut down cleanly
	RecoveryPoint core.Offset
	LogStart      core.Offset
	StartKnown    bool // nothing above LogStart was ever deleted
	// Unsure says that RecoveryPoint, LogStart and HighWatermark were to be found and were not, Emptied that there must
	// have been a folder.
	Unsure  bool
	Emptied bool
	// Lost says that the metadata do not rely on the replica: it is checked in full.
	Lost bool
	// Replicated says that Lead or Follow will appoint the replica. Until then it refuses everything.
	Replicated bool
	// Offline says why there will be no log: the log directory has failed. The replica refuses everything.
	Offline error
	// HighWatermark is what replication-offset-checkpoint says, of a replicated partition.
	HighWatermark core.Offset
}

// Replicate tells the set which broker it is in, before anything else.
func (s *Set) Replicate(r Replication) { s.replication = r }

// Open adds a replica and opens or makes its log. Operations that come before the log is open wait for it.
func (s *Set) Open(now core.Instant, o Opening, out *core.Outbox) {
	if s.byID[o.ID] != nil {
		panic("partition: " + o.Name.String() + " is opened twice")
	}
	s.slots++
	if s.scrubs.due == 0 {
		s.scrubs.due = now.Mono + scrubDelay
	}
	r := &Replica{id: o.ID, name: o.Name, slot: s.slots, dir: o.Dir, settings: o.Settings, leaderEpoch: o.LeaderEpoch,
		deadline: core.Never, restored: o.HighWatermark, points: points{o.RecoveryPoint, o.LogStart, o.HighWatermark}}
	if o.Replicated {
		r.role = unknown
	}
	r.emptied = o.Emptied
	if o.Lost && o.Replicated {
		r.suspicion = &suspicion{why: ErrLost, lost: true, goal: core.NoOffset}
	}
	r.opening = &log.OpenJob{Log: r.slot, Dir: o.Dir + "/" + log.DirName(o.Name), Parent: o.Dir, Topic: o.ID.Topic,
		Wall: now.Wall, Clean: o.Clean, Recovery: o.RecoveryPoint, LogStart: o.LogStart,
		StartKnown: o.StartKnown,
		Unsure:     o.Unsure || o.Lost,
		Settings:   LogSettings(o.Settings, s.ProducerExpiryMs, &s.random)}
	s.byID[o.ID], s.bySlot[r.slot] = r, r
	s.ordered = append(s.ordered, r)
	if o.Offline != nil {
		r.opening, r.offline = nil, o.Offline
		return
	}
	if o.Emptied && r.role == alone {
		r.opening = nil
		s.openedDamaged(now, r, &log.Damage{Dir: o.Dir + "/" + log.DirName(o.Name), At: core.NoOffset,
			Why: "it is gone"}, out)
		return
	}
	if slices.ContainsFunc(s.leaving, func(l *Replica) bool { return l.name == r.name }) {
		out.Sometimes(probe.FolderAwaited)
		s.held = append(s.held, r)
		return
	}
	s.loading++
	out.Run(r.opening)
}

// Configure changes the settings of a replica's topic. Nothing is committed by them before [Set.Configured].
func (s *Set) Configure(r *Replica, t config.Topic, out *core.Outbox) {
	cached := r.settings.WriteCaching
	r.settings = t
	if r.log == nil {
		r.reconfigured = true
		return
	}
	r.log.Configure(LogSettings(t, s.ProducerExpiryMs, &s.random))
	if cached && !t.WriteCaching {
		r.log.Sync(out)
	}
}

// Configured draws the consequences of changed settings, once the leaderships of the same metadata are known.
func (s *Set) Configured(now core.Instant, r *Replica, out *core.Outbox) {
	if r.log == nil {
		return
	}
	s.advance(now, r, out)
	s.touch(r)
}

// SetLeaderEpoch starts a leadership of a new epoch, which begins at the log end offset (KIP-101).
func (s *Set) SetLeaderEpoch(r *Replica, epoch core.LeaderEpoch, out *core.Outbox) {
	if epoch < r.leaderEpoch || r.role != alone {
		panic("partition: leader epoch of " + r.name.String() + " goes back, or it is not alone")
	}
	r.leaderEpoch = epoch
	if r.Online() && !s.closing {
		r.log.AssignEpoch(epoch, out)
	}
}

// Remove deletes a replica whose topic is deleted: everything that waits for it is told so.
func (s *Set) Remove(now core.Instant, r *Replica, out *core.Outbox) {
	r.removed = true
	s.leave(r, out)
	delete(s.byID, r.id)
	i := slices.Index(s.ordered, r)
	s.ordered = slices.Delete(s.ordered, i, i+1)
	if i < s.retained {
		s.retained--
	}
	s.leaving = append(s.leaving, r)
	s.waiting.replicas = append(s.waiting.replicas, r)
	if r.awaited() && !slices.Contains(s.held, r) {
		s.loading--
	}
	s.end(now, r, out)
	s.unpark(now, out)
}

// answerGrace is how long a session gets to pass a range of a file on to its driver, which keeps the file from then on.
// The files of a deleted topic stay open for so long after the last read.
const answerGrace = time.Second

// depart deletes the files of a removed replica, once nothing uses them any more. Whatever becomes of them, its name is
// free only when the checkpoints have forgotten it: they would vouch for what the next log of the name has not synced.
func (s *Set) depart(now core.Instant, r *Replica, out *core.Outbox) {
	switch {
	case r.log == nil && r.opening == nil:
		if r.forgotten {
			s.gone(r, out) // it could not be opened; what is on the disk is left to the operator
		}
	case r.log == nil || r.departing || !r.forgotten || r.log.Pinned() || r.writing > 0:
	case !now.Reached(r.lentUntil):
		s.due = min(s.due, r.lentUntil)
	default:
		r.departing = true
		out.Run(r.log.Delete(r.dir, r.name, s.random.UUID(), out))
	}
}

// departed takes back the job that removed a folder, and opens what waited for the folder's name. Files that could
// not be removed cost space and are looked at again by nobody but the operator.
func (s *Set) departed(j *log.DeleteJob, out *core.Outbox) {
	r := s.bySlot[j.Log]
	if j.Err != nil {
		out.Note(core.Warn, "Removing the deleted partition "+r.name.String()+" failed: "+j.Err.Error())
	}
	s.gone(r, out)
}

// gone forgets a removed replica.
func (s *Set) gone(r *Replica, out *core.Outbox) {
	delete(s.bySlot, r.slot)
	s.leaving = slices.DeleteFunc(s.leaving, func(o *Replica) bool { return o == r })
	waiting := s.held
	s.held = nil
	for _, h := range waiting {
		switch {
		case h.name != r.name:
			s.held = append(s.held, h)
		case h.removed: // deleted before it was ever made
			s.gone(h, out)
		default:
			s.loading++
			out.Run(h.opening)
		}
	}
}

// opened takes back the job that opened a log.
func (s *Set) opened(now core.Instant, j *log.OpenJob, out *core.Outbox) {
	r := s.bySlot[j.Log]
	out.Reached.Join(&j.Report.Reached)
	if r.removed {
		s.openedInVain(now, r, j, out)
		return
	}
	r.opening = nil
	if !r.reopening {
		s.loading--
	}
	s.Changed = append(s.Changed, r)
	if err := s.failureOf(r.dir); err != nil {
		j.Err = err // meanwhile
	}
	if log.Damaged(j.Err) && !r.reopening {
		if r.points.start == core.NoOffset {
			r.points.start = j.Report.Oldest // for the checkpoints, which would have it begin at 0
		}
		s.openedDamaged(now, r, j.Err, out)
	} else if j.Err != nil {
		r.offline = j.Err
		s.fail(r, j.Err)
		if r.follow != nil && r.follow.fetcher != nil {
			r.follow.fetcher.remove(r)
		}
	} else {
		s.begin(now, r, j, out)
	}
	s.unpark(now, out)
}

// begin starts to serve from a log that is open. What changed while it was being opened is made up for.
func (s *Set) begin(now core.Instant, r *Replica, j *log.OpenJob, out *core.Outbox) {
	r.log = log.New(now, r.slot, &s.files, j, out)
	if r.reopening {
		r.restored = min(max(r.points.highWatermark, r.points.start), r.log.LogEndOffset())
		s.reopened(r)
	}
	s.doubt(r, j)
	if r.highWatermark = r.log.LogEndOffset(); r.role != alone {
		// The checkpoint may be older than a truncation, and older than the log start offset.
		r.highWatermark = min(max(r.restored, r.log.LogStartOffset()), r.highWatermark)
	}
	if r.reconfigured {
		r.log.Configure(LogSettings(r.settings, s.ProducerExpiryMs, &s.random))
	}
	for _, note := range j.Report.Notes {
		out.Note(core.Warn, note)
	}
	if s.closing {
		r.log.Close(out)
		return
	}
	s.start(now, r, out)
	s.regain(r)
	s.touch(r)
}

// start begins the role that a replica was given while its log was being opened.
func (s *Set) start(now core.Instant, r *Replica, out *core.Outbox) {
	switch r.role {
	case alone:
		r.log.AssignEpoch(r.leaderEpoch, out)
	case leads:
		s.enterLead(now, r, out)
		s.reconsider(now, r, out)
	case follows:
		s.pursue(now, r, out)
	case unknown:
	}
}

// openedInVain deletes a log whose topic was deleted while it was being opened.
func (s *Set) openedInVain(now core.Instant, r *Replica, j *log.OpenJob, out *core.Outbox) {
	out.Sometimes(probe.OpenedInVain)
	r.opening = nil
	if j.Err == nil {
		r.log = log.New(now, r.slot, &s.files, j, out)
	}
	s.depart(now, r, out)
}

// Work takes one operation. It reports false if m is none of this package's.
func (s *Set) Work(now core.Instant, m core.Message, out *core.Outbox) bool {
	if s.blocked(m) {
		out.Sometimes(probe.OperationParked)
		s.park(m, out)
		return true
	}
	switch op := m.(type) {
	case *ProduceOp:
		s.produce(now, op, out)
	case *FetchOp:
		s.fetch(now, op, out)
	case *CancelOp:
		s.cancel(now, op.Fetch, out)
		out.Send(op.Reply, op)
	case *QueryOp:
		s.query(now, op, out)
	default:
		return false
	}
	return true
}

// Completed takes an [core.InputWritten] or [core.InputSynced].
func (s *Set) Completed(now core.Instant, in core.Input, out *core.Outbox) {
	r := s.bySlot[in.Ticket.Log]
	if r == nil || r.log == nil {
		return
	}
	if in.Kind == core.InputWritten {
		r.writing--
	}
	r.log.Completed(in)
	r.releaseFrames(out)
	s.settle(now, r, out)
}

// settle draws the consequences of what happened to a log: progress of those who wait, or its failure.
func (s *Set) settle(now core.Instant, r *Replica, out *core.Outbox) {
	if r.removed || r.log.Failed() != nil || r.reopening {
		s.end(now, r, out)
		s.reopen(now, r, out)
		return
	}
	s.advance(now, r, out)
	s.pursue(now, r, out)
	s.touch(r)
}

// end answers everything that waits for a replica that serves no more. Produce requests are answered when the disk has
// let go of their bytes, however the write went.
func (s *Set) end(now core.Instant, r *Replica, out *core.Outbox) {
	code := core.UnknownTopicOrPartition
	if !r.removed {
		if code = core.KafkaStorageError; !r.reopening || r.log.Failed() != nil {
			s.fail(r, r.log.Failed())
		}
		s.Changed = append(s.Changed, r)
	}
	if !r.removed && r.head < len(r.waits) {
		out.Sometimes(probe.LogFailedInFlight)
	}
	if r.writing == 0 {
		s.failWaits(r, code, out)
	}
	if r.follow != nil && r.follow.fetcher != nil {
		r.follow.fetcher.remove(r)
	}
	s.wakeAll(now, r, out)
	if r.removed {
		s.depart(now, r, out)
	}
}

// Mapped takes an [core.InputMapped] or [core.InputFailed]. The log may be gone by now.
func (s *Set) Mapped(now core.Instant, in core.Input, out *core.Outbox) {
	r := s.bySlot[log.SlotOf(in.File)]
	if r != nil && r.log != nil && r.log.Mapped(in) && r.log.Failed() != nil {
		s.settle(now, r, out)
	}
}

// JobDone takes back a job.
func (s *Set) JobDone(now core.Instant, job core.Job, out *core.Outbox) {
	switch j := job.(type) {
	case *log.OpenJob:
		s.opened(now, j, out)
	case *log.LocateJob:
		s.locatedJob(now, j, out)
	case *log.TimestampJob:
		s.timestampFound(now, j, out)
	case *log.CheckpointJob:
		s.logJob(now, j.Log, job, out)
	case *log.SnapshotJob:
		s.logJob(now, j.Log, job, out)
	case *log.TruncateJob:
		s.truncationPlanned(now, j, out)
	case *log.DeleteJob:
		s.departed(j, out)
	case *log.ScrubJob:
		s.scrubbed(now, j, out)
	}
}

func (s *Set) logJob(now core.Instant, slot uint32, job core.Job, out *core.Outbox) {
	if r := s.bySlot[slot]; r != nil && r.log != nil {
		r.log.JobDone(job, out)
		s.settle(now, r, out)
	}
}

// Tick does what is due: timeouts of produce requests and fetches, flushes, removals of deleted files.
func (s *Set) Tick(now core.Instant, out *core.Outbox) {
	if now.Reached(s.readDue) {
		s.expireReads(now, out)
	}
	s.scrub(now, out)
	if !now.Reached(s.due) {
		return
	}
	s.due = core.Never
	ticked := s.timed
	s.timed = s.ticked[:0]
	for _, r := range ticked {
		r.timed = false
		s.tick(now, r, out)
	}
	clear(ticked)
	s.ticked = ticked[:0]
	for _, r := range slices.Clone(s.leaving) {
		s.depart(now, r, out)
	}
	s.settleDeletions(now, out)
}

func (s *Set) tick(now core.Instant, r *Replica, out *core.Outbox) {
	if r.removed || r.log == nil {
		return
	}
	if r.reopening {
		s.reopen(now, r, out)
		return // what else it waits for reopens it
	}
	if now.Reached(r.deadline) {
		s.expireWaits(now, r, out)
	}
	if r.lead != nil && r.Online() {
		s.tickLead(now, r)
		s.advance(now, r, out)
	}
	s.pursue(now, r, out)
	if at, ok := r.log.Deadline(); ok && now.Reached(at) {
		r.log.Tick(now, out)
		s.settle(now, r, out)
	}
	s.touch(r)
}

// touch notes when a replica wants its next tick, so that neither Deadline nor Tick need look at those that do not.
func (s *Set) touch(r *Replica) {
	at := r.next(s.closing)
	if at == core.Never || r.removed {
		return
	}
	s.due = min(s.due, at)
	if !r.timed {
		r.timed = true
		s.timed = append(s.timed, r)
	}
}

// Deadline is when Tick has something to do. It may be early.
func (s *Set) Deadline() (time.Duration, bool) {
	at := min(s.due, s.readDue)
	if s.ScrubRate > 0 && s.scrubs.due > 0 && !s.scrubs.running && !s.closing && !s.Loading() {
		at = min(at, s.scrubs.due)
	}
	return at, at != core.Never
}

// Loading reports whether any log is still being opened. One that waits for the folder of a deleted partition is not:
// that is removed when the checkpoints have forgotten it, which those of a broker's start wait for.
func (s *Set) Loading() bool { return s.loading > 0 }

// Close readies every log for the end of the process: synced, with its snapshots and indexes in order. No replica is
// removed from now on.
func (s *Set) Close(out *core.Outbox) {
	s.closing = true
	for _, r := range s.ordered {
		if r.Online() {
			s.overtake(r) // the last checkpoint is that of the log as it is
			r.log.Close(out)
		}
	}
}

// Closed reports whether every log is closed, or failed.
func (s *Set) Closed() bool {
	for ; s.closed < len(s.ordered); s.closed++ {
		r := s.ordered[s.closed]
		if r.opening != nil || r.Online() && !r.log.Closed() {
			return false
		}
	}
	return true
}
