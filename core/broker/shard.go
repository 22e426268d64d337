package broker

import (
	"slices"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/metadata"
	"ottla.dev/core/partition"
)

// maxDelayMs is ten years, which is never.
const maxDelayMs = 10 * 365 * 24 * 3600 * 1000

// Shard owns partitions, and the group coordinators that live on the partitions of __consumer_offsets.
type Shard struct {
	index        uint32
	self         core.Address
	out          core.Outbox
	now          core.Instant
	random       core.PRNG
	set          *partition.Set
	cluster      *api.Cluster
	disk         *diskMemory
	begun        *begin     // to be sent back when all logs are open
	unplaced     []unplaced // nil when all are placed
	replicated   bool       // other brokers have replicas too, and leaders are appointed
	links        links      // to the leaders that are followed
	replication  partition.Replication
	addresses    []peerAddress // of the leaders that are followed
	resolved     resolved      // the last settings that were asked for
	coordinators []*coordinatorHost
	coordDue     time.Duration
	retainAt     time.Duration
	closing      *shutdown
	closed       bool // control was told so
	asked        bool // a checkpoint was asked for
}

func newShard(index uint32, random core.PRNG) *Shard {
	self := core.Shard(index)
	return &Shard{index: index, self: self, random: random, set: partition.NewSet(self, random.Fork(1)),
		coordDue: core.Never, retainAt: core.Never}
}

// Drain implements [core.Machine].
func (s *Shard) Drain(out *core.Outbox) {
	s.out.Reached.Take(&s.set.Reached)
	drain(&s.out, out)
}

// Deadline implements [core.Machine].
func (s *Shard) Deadline() (time.Duration, bool) {
	at := min(s.coordDue, s.retainAt, s.links.deadline())
	if d, ok := s.set.Deadline(); ok {
		at = min(at, d)
	}
	return at, at != core.Never
}

// Step implements [core.Machine].
func (s *Shard) Step(now core.Instant, in core.Input) {
	s.now = now
	switch in.Kind {
	case core.InputMessage:
		s.message(in.Message)
	case core.InputWritten, core.InputSynced:
		s.set.Completed(now, in, &s.out)
	case core.InputMapped, core.InputFailed:
		s.set.Mapped(now, in, &s.out)
	case core.InputJobDone:
		s.jobDone(in.Job)
	case core.InputLinkUp, core.InputLinkDown, core.InputLinkFrame:
		s.links.input(now, in, &s.out)
	case core.InputTick:
		s.tick()
	default:
		panic("broker: a shard got an input that is not its own")
	}
	s.after()
}

func (s *Shard) message(m core.Message) {
	if m, ok := m.(*placing); ok {
		s.placeSome(placedTogether)
		if len(s.unplaced) > 0 {
			s.out.Send(s.self, m)
		}
		return
	}
	if _, ok := m.(*retaining); ok {
		s.retain()
		return
	}
	s.placeSome(len(s.unplaced)) // whoever says something counts on what the metadata place here
	switch m := m.(type) {
	case *begin:
		s.begin(m)
	case *incarnation:
		s.reincarnate(m)
	case *news:
		s.learn(m)
	case *checkpoint:
		s.checkpoint(m)
	case *shutdown:
		s.closing = m
		s.unloadAll()
		s.set.Close(&s.out)
	case *api.GroupOp:
		s.group(m)
	case *alterPartition:
		s.altered(m)
	case *confirmation:
		s.confirmed(m)
	default:
		if !s.set.Work(s.now, m, &s.out) {
			panic("broker: a shard got a message that is not its own")
		}
	}
}

func (s *Shard) jobDone(job core.Job) {
	if l, ok := job.(*loadJob); ok {
		s.coordinatorLoaded(l)
		return
	}
	s.set.JobDone(s.now, job, &s.out)
}

func (s *Shard) tick() {
	s.links.tick(s.now, &s.out)
	s.set.Tick(s.now, &s.out)
	if s.now.Reached(s.coordDue) {
		s.tickCoordinators()
	}
	if s.now.Reached(s.retainAt) {
		s.retain()
		s.retainAt = s.now.Mono + time.Duration(s.cluster.Settings.RetentionCheckMs)*time.Millisecond
	}
}

// retain has retention looked at for some logs, and sends itself a message to go on, so that others get their turn.
func (s *Shard) retain() {
	if s.set.Retain(s.now, &s.out) {
		s.out.Send(s.self, &retaining{})
	}
}

// after draws the consequences of a step that concern more than one partition.
func (s *Shard) after() {
	for len(s.set.Changed) > 0 {
		changed := s.set.Changed
		s.set.Changed = nil
		for _, r := range changed {
			s.coordinate(r)
		}
		if s.set.Changed == nil {
			clear(changed)
			s.set.Changed = changed[:0]
		}
	}
	s.replicate()
	for _, f := range s.set.Failures {
		s.out.Send(core.Control(), &storageFailed{dir: f.Dir, err: f.Err})
	}
	s.set.Failures = nil
	if len(s.set.Standings) > 0 {
		s.out.Send(core.Control(), &standing{replicas: s.set.Standings})
		s.set.Standings = nil
	}
	if s.set.WantsCheckpoint() && !s.asked {
		s.asked = true
		s.out.Send(core.Control(), &wantCheckpoint{})
	}
	if s.begun != nil && !s.set.Loading() && len(s.unplaced) == 0 {
		s.out.Send(core.Control(), s.begun)
		s.begun = nil
	}
	if s.closing != nil && !s.closed && s.set.Closed() {
		s.closed = true
		s.out.Send(core.Control(), s.closing)
	}
}

// begin opens the logs of all partitions that the metadata place here.
func (s *Shard) begin(m *begin) {
	s.cluster, s.disk, s.begun = m.cluster, m.disk, m
	s.set.ProducerExpiryMs = m.cluster.Settings.ProducerIDExpirationMs
	s.retainAt = s.now.Mono + time.Duration(min(m.cluster.Settings.InitialTaskDelayMs, maxDelayMs))*time.Millisecond
	s.set.ScrubRate = m.cluster.Settings.ScrubBytesPerSecond
	s.set.ScrubInterval = time.Duration(min(m.cluster.Settings.ScrubIntervalMs, maxDelayMs)) * time.Millisecond
	s.joinCluster(m)
	s.unplaced = []unplaced{}
	for t := range m.cluster.Image.Topics() {
		for _, p := range t.Partitions {
			if s.cluster.ShardOf(t.Name, p.ID) == s.self {
				s.unplaced = append(s.unplaced, unplaced{t, p})
			}
		}
	}
	if s.placeSome(placedTogether); len(s.unplaced) > 0 {
		s.out.Send(s.self, &placing{})
	}
}

// placedTogether is how many partitions of the start are placed in a step. With ten thousand of them others would wait
// for tens of milliseconds.
const placedTogether = 16

// unplaced is a partition of the start whose log is still to be opened.
type unplaced struct {
	topic     *metadata.Topic
	partition *metadata.Partition
}

// placeSome places the next partitions of the start.
func (s *Shard) placeSome(most int) {
	if s.unplaced == nil {
		return
	}
	now := s.unplaced[:min(most, len(s.unplaced))]
	for _, x := range now {
		s.place(x.topic, x.partition, false)
	}
	if s.unplaced = s.unplaced[len(now):]; len(s.unplaced) == 0 {
		// What the disk remembers is of the partitions of the start. A topic that is created again has a new log.
		s.unplaced, s.disk = nil, &diskMemory{}
	}
}

// lost reports whether the metadata do not rely on this broker's replica.
func (s *Shard) lost(p *metadata.Partition) bool {
	dir, _ := p.Directory(s.cluster.Self)
	return dir == metadata.LostDirectory()
}

// learn applies what has changed in the metadata.
func (s *Shard) learn(m *news) {
	s.cluster = m.cluster
	for _, d := range m.cluster.LogDirs {
		if d.Offline != nil {
			s.set.FailDir(s.now, d.Path, d.Offline, &s.out)
		}
	}
	if s.closing != nil {
		return
	}
	s.set.ProducerExpiryMs = m.cluster.Settings.ProducerIDExpirationMs
	// First what goes: a topic that was deleted and created again comes as two changes, in any order.
	for _, change := range m.delta.Topics {
		change.Partitions(func(before, after *metadata.Partition) {
			if after == nil {
				s.removePartition(change.Before, before.ID)
			}
		})
		if change.After == nil {
			s.forgetTopic(change.Before)
		}
	}
	// Settings before leaderships: a leader that heard of a smaller ISR first would judge it by the min.insync.replicas
	// of before, and commit without those whom the controller has kept eligible by the new one. And nothing is committed
	// by the new ones before the leaderships are known: they may be from after another leader was elected, when those who
	// lack it were eligible by the settings of before.
	for _, r := range m.delta.Configs {
		s.configure(r)
	}
	for _, change := range m.delta.Topics {
		change.Partitions(func(before, after *metadata.Partition) {
			if after != nil {
				s.place(change.After, after, before == nil || !before.HasReplica(s.cluster.Self))
			}
		})
	}
	for _, r := range m.delta.Configs {
		s.configured(r)
	}
	// Brokers last: a follower that is fenced holds nothing back any more, and what it held back would be committed by
	// the ISR of before although these very news take another one out of it.
	if len(m.delta.Brokers) > 0 {
		s.meetPeers()
	}
}

// place opens a partition that is new here, or tells one that is known its leader epoch. fresh says that the broker has
// only now become a replica.
func (s *Shard) place(t *metadata.Topic, p *metadata.Partition, fresh bool) {
	id := core.TopicIDPartition{Topic: t.ID, Partition: p.ID}
	if s.cluster.ShardOf(t.Name, p.ID) != s.self {
		return
	}
	if !slices.Contains(p.Replicas, s.cluster.Self) {
		s.removePartition(t, p.ID) // it was reassigned
		return
	}
	if r := s.set.Replica(id); r != nil {
		s.appoint(r, p)
		return
	}
	name := core.TopicPartition{Topic: t.Name, Partition: p.ID}
	folder := name.String()
	dir := s.directory(p, folder, fresh)
	path := dir.Path + "/" + folder
	found := slices.Contains(s.disk.holders[folder], dir.Path)
	// A folder that is not there was never made if no checkpoint knows of it, even after a clean stop: the broker may
	// have stopped before it heard of the topic. Were that called a loss, and all replicas were stopped so, none could
	// lead. A directory that is gone has taken its replicas with it, and what another one has of them is old.
	moved := !fresh && s.away(p)
	// A clean stop has closed the logs that its checkpoint knows. One that was about to be removed, and is the broker's
	// again by now, it has not.
	_, closed := s.disk.recovery[path]
	s.set.Open(s.now, partition.Opening{ID: id, Name: name, Dir: dir.Path, LeaderEpoch: p.LeaderEpoch,
		Settings: s.settings(t.Name), Clean: closed && s.disk.clean[dir.Path],
		RecoveryPoint: s.disk.recovery[path], LogStart: s.disk.startOf(dir.Path, path),
		StartKnown: s.disk.ahead[dir.Path], HighWatermark: s.disk.marks[path],
		Unsure:  s.disk.unsure[dir.Path] && !fresh || found && moved,
		Emptied: !found && (s.disk.lost[folder] || moved),
		Lost:    s.lost(p), Replicated: s.replicated, Offline: dir.Offline}, &s.out)
	s.locate(p, id, dir, moved)
	if s.replicated {
		s.appoint(s.set.Replica(id), p)
	}
}

func (s *Shard) removePartition(t *metadata.Topic, p core.PartitionID) {
	if r := s.set.Replica(core.TopicIDPartition{Topic: t.ID, Partition: p}); r != nil {
		s.dropCoordinator(r)
		s.set.Remove(s.now, r, &s.out)
	}
}

// checkpoint fills in the offsets to write, or answers those who waited for them to be written.
func (s *Shard) checkpoint(m *checkpoint) {
	if m.written {
		for _, d := range m.dirs {
			if d.err != nil { // nothing may go on there as if it were written
				s.set.FailDir(s.now, d.path, d.err, &s.out)
			}
		}
		s.set.Checkpointed(s.now, m.waiting, &s.out)
		return
	}
	s.asked = false
	m.waiting = s.set.TakeCheckpoint()
	for _, r := range s.set.Replicas() {
		if r.Fresh() {
			continue
		}
		e := checkpointEntry{dir: r.Dir(), name: r.Name()}
		e.recovery, e.logStart, e.highWatermark = r.Points()
		m.entries = append(m.entries, e)
	}
	s.out.Send(core.Control(), m)
}
