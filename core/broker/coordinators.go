package broker

import (
	"slices"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/config"
	"ottla.dev/core/coordinator"
	"ottla.dev/core/group"
	"ottla.dev/core/log"
	"ottla.dev/core/metadata"
	"ottla.dev/core/partition"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// coordinatorHost is the group coordinator of one partition of __consumer_offsets, on the shard that owns the
// partition.
type coordinatorHost struct {
	shard   *Shard
	replica *partition.Replica
	runtime *coordinator.Runtime[*group.Call]
	epoch   core.LeaderEpoch // of the leadership that it lives on
	behind  core.Offset      // what must be committed before it can be loaded; 0: nothing
	machine *group.Machine
	ops     map[*group.Call]*api.GroupOp // under way
	reload  time.Duration                // when to load again what could not be read, 0 if it could
}

// reloadDelay is how long after a failed load of a coordinator the next one is tried: a disk that could not be read
// once may be read later, and until then nobody else can serve the groups.
const reloadDelay = time.Second

// loadJob replays the partition's log into a fresh machine.
type loadJob struct {
	id      core.TopicIDPartition
	dir     string
	start   core.Offset
	limit   core.Offset
	epoch   core.LeaderEpoch
	machine *group.Machine
	loader  *coordinator.Loader[*group.Call]
	err     error
}

// Run implements [core.Job].
func (j *loadJob) Run(fs core.FS) {
	j.loader = coordinator.NewLoader[*group.Call](j.machine, j.start)
	j.err = log.ReadBatches(fs, j.dir, j.start, j.limit, func(v record.View) error { return j.loader.LoadBatch(v) })
}

// AppendText implements [core.Job].
func (j *loadJob) AppendText(dst []byte) []byte { return append(append(dst, "load "...), j.dir...) }

// Append implements [coordinator.Appender]. The batch is copied because the disk keeps it until it is written.
func (h *coordinatorHost) Append(now core.Instant, batch []byte) (base, last core.Offset, code core.ErrorCode) {
	return h.shard.set.AppendInternal(now, h.replica, record.View(slices.Clone(batch)), &h.shard.out)
}

// coordinate follows a replica that has changed: a coordinator is loaded when its log is open, and told the high
// watermark.
func (s *Shard) coordinate(r *partition.Replica) {
	if r.Name().Topic != api.ConsumerOffsetsTopic || s.closing != nil || s.set.Replica(r.ID()) != r {
		return
	}
	h := s.coordinatorOf(r)
	if h != nil && (!r.Leading() || h.epoch != r.LeaderEpoch() && s.replicated) {
		s.dropCoordinator(r) // the leadership that it lived on is over
		h = nil
	}
	switch {
	case !r.Leading():
	case !r.Online():
		if h != nil {
			h.runtime.Fail(core.KafkaStorageError)
			s.settleCoordinator(h)
		}
	case h == nil:
		h = &coordinatorHost{shard: s, replica: r, epoch: r.LeaderEpoch(), ops: map[*group.Call]*api.GroupOp{}}
		timeout := time.Duration(s.cluster.Settings.Group.OffsetsCommitTimeoutMs) * time.Millisecond
		h.runtime = coordinator.New[*group.Call](h, timeout)
		s.coordinators = append(s.coordinators, h)
		s.load(h)
	case h.behind > 0:
		s.out.Sometimes(probe.LoadAwaitsCommit)
		s.load(h)
	default:
		h.runtime.Advance(r.HighWatermark())
		s.settleCoordinator(h)
	}
}

// load replays the log. A new leader first waits until all that was in it is committed: what its predecessor has
// answered for is among that.
func (s *Shard) load(h *coordinatorHost) {
	r := h.replica
	if h.behind == 0 {
		h.runtime.BeginLoad(r.LeaderEpoch())
		h.behind = r.Log().LogEndOffset()
	}
	if r.HighWatermark() < h.behind {
		return
	}
	h.behind = 0
	settings := groupSettings(s.cluster.Settings.Group)
	s.out.Run(&loadJob{id: r.ID(), dir: r.Log().Dir(), start: r.Log().LogStartOffset(), limit: r.HighWatermark(),
		epoch: r.LeaderEpoch(), machine: group.New(settings, s.random.Fork(s.random.Uint64()))})
}

func (s *Shard) coordinatorLoaded(j *loadJob) {
	i := slices.IndexFunc(s.coordinators, func(h *coordinatorHost) bool { return h.replica.ID() == j.id })
	if i < 0 {
		return
	}
	h := s.coordinators[i]
	if j.err != nil {
		s.out.Note(core.Fail, "Loading the groups of "+h.replica.Name().String()+" failed: "+j.err.Error())
		h.runtime.LoadFailed(j.epoch)
		h.reload = s.now.Mono + reloadDelay
		s.coordDue = min(s.coordDue, h.reload)
		return
	}
	if h.runtime.FinishLoad(s.now, j.epoch, j.loader, h.replica.HighWatermark()) {
		h.machine = j.machine
	}
	s.settleCoordinator(h)
}

func (s *Shard) coordinatorOf(r *partition.Replica) *coordinatorHost {
	for _, h := range s.coordinators {
		if h.replica == r {
			return h
		}
	}
	return nil
}

// group takes a request for the coordinator of a partition.
func (s *Shard) group(op *api.GroupOp) {
	for _, h := range s.coordinators {
		if h.replica.ID().Partition == op.Partition {
			h.ops[&op.Call] = op
			h.runtime.Submit(s.now, &op.Call)
			s.settleCoordinator(h)
			return
		}
	}
	code := core.NotCoordinator
	if s.closing == nil && s.opensCoordinator(op.Partition) {
		code = core.CoordinatorLoadInProgress
	}
	op.Call.Refuse(code)
	s.out.Send(op.Reply, op)
}

// opensCoordinator reports whether the log of a coordinator's partition is still being opened. Where only a follower of
// it is, the coordinator is elsewhere.
func (s *Shard) opensCoordinator(p core.PartitionID) bool {
	if s.cluster == nil {
		return true
	}
	t := s.cluster.Image.TopicByName(api.ConsumerOffsetsTopic)
	if t == nil {
		return true
	}
	r := s.set.Replica(core.TopicIDPartition{Topic: t.ID, Partition: p})
	return r != nil && r.Leading()
}

// settleCoordinator sends back the calls that are complete, and notes when the coordinator wants to be woken.
func (s *Shard) settleCoordinator(h *coordinatorHost) {
	s.out.Reached.Take(&h.runtime.Reached)
	for _, call := range h.runtime.Drain() {
		op := h.ops[call]
		delete(h.ops, call)
		switch {
		case op == nil:
		case call.TellsState():
			s.confirmCall(h, op)
		default:
			s.out.Send(op.Reply, op)
		}
	}
	if at, ok := h.runtime.Deadline(); ok {
		s.coordDue = min(s.coordDue, at)
	}
}

// confirmCall sends a call back when the controller has confirmed that its coordinator was not deposed.
func (s *Shard) confirmCall(h *coordinatorHost, op *api.GroupOp) {
	then := func(_ core.Instant, confirmed bool, out *core.Outbox) {
		if !confirmed {
			op.Call.Refuse(core.NotCoordinator)
		}
		out.Send(op.Reply, op)
	}
	if s.replicated && h.epoch != h.replica.LeaderEpoch() {
		then(s.now, false, &s.out) // of an earlier leadership than the one that would be confirmed
		return
	}
	s.set.Confirm(s.now, h.replica, &s.out, then)
}

func (s *Shard) tickCoordinators() {
	s.coordDue = core.Never
	for _, h := range s.coordinators {
		if at, ok := h.runtime.Deadline(); ok && s.now.Reached(at) {
			h.runtime.Tick(s.now)
		}
		switch {
		case h.reload == 0:
		case !s.now.Reached(h.reload):
			s.coordDue = min(s.coordDue, h.reload)
		case h.replica.Online():
			h.reload = 0
			s.load(h)
		}
		s.settleCoordinator(h)
	}
}

// dropCoordinator ends the coordinator of a partition that is deleted.
func (s *Shard) dropCoordinator(r *partition.Replica) {
	if h := s.coordinatorOf(r); h != nil {
		h.runtime.Unload()
		s.settleCoordinator(h)
		s.coordinators = slices.DeleteFunc(s.coordinators, func(o *coordinatorHost) bool { return o == h })
	}
}

func (s *Shard) unloadAll() {
	for _, h := range s.coordinators {
		h.runtime.Unload()
		s.settleCoordinator(h)
	}
	s.coordinators = nil
}

// forgetTopic has every coordinator drop the offsets of a topic that was deleted.
func (s *Shard) forgetTopic(t *metadata.Topic) {
	for _, h := range s.coordinators {
		h.runtime.Submit(s.now, &group.Call{Deleted: []group.DeletedTopic{{Topic: t.Name, ID: t.ID}}})
		s.settleCoordinator(h)
	}
}

func (s *Shard) configureCoordinators() {
	for _, h := range s.coordinators {
		if h.machine != nil {
			h.machine.SetSettings(groupSettings(s.cluster.Settings.Group))
		}
	}
}

func groupSettings(g config.GroupSettings) group.Settings {
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	return group.Settings{
		MinSessionTimeout:      ms(int64(g.SessionTimeoutMinMs)),
		MaxSessionTimeout:      ms(int64(g.SessionTimeoutMaxMs)),
		InitialRebalanceDelay:  ms(int64(g.InitialRebalanceDelayMs)),
		MaxSize:                int(g.SizeMax),
		OffsetsRetention:       ms(g.OffsetsRetentionMs),
		RetentionCheckInterval: ms(g.OffsetsRetentionCheckMs),
		OffsetMetadataMaxBytes: int(g.OffsetMetadataMaxBytes),
	}
}
