package broker

import (
	"slices"
	"strconv"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/config"
	"ottla.dev/core/controller"
	"ottla.dev/core/log"
	"ottla.dev/core/metadata"
	"ottla.dev/core/probe"
	"ottla.dev/core/raft"
	"ottla.dev/core/record"
)

// phase is how far control has come.
//
//	booting -> registering -> catching up -> loading -> joining -> serving -> leaving -> closing -> stopped
type phase uint8

const (
	booting     phase = iota // the log directories are being read
	registering              // the quorum is finding a leader, and the controller learns of the broker
	catchingUp               // the metadata up to the broker's registration are being fetched
	loading                  // the shards are opening their logs
	joining                  // the broker is being unfenced
	serving
	leaving // others take over the broker's leaderships
	closing // the shards, then the metadata log, then the markers
	stopped
)

// Control is the machine that holds the quorum's replica, the controller, and the broker's own registration.
type Control struct {
	cfg       Config
	settings  config.Broker
	random    core.PRNG
	out       core.Outbox
	now       core.Instant
	phase     phase
	clusterID string
	joining   string // the cluster that a node without data has found
	seeking   seeking

	files       log.FileIDs
	booting     *bootJob          // what the start found, until it is tidied
	first       []metadata.Record // that a new cluster begins with, if the folder was formatted
	unfounded   error             // why first cannot be read
	tidying     bool
	deleted     map[core.UUID]bool // topics that the metadata have removed since the start, until it is tidied
	memory      *diskMemory
	dirs        []logDir
	offline     offlineDirs
	dirsMoved   bool             // and nobody has been told yet
	previous    core.BrokerEpoch // of the incarnation that was shut down cleanly, or -1
	incarnation core.UUID
	epoch       core.BrokerEpoch // of the registration, or -1

	quorum     *quorumMember
	committed  *metadata.Image // what the quorum has committed, as far as it is known here
	controller *controller.Controller
	lead       leadership
	known      core.BrokerID   // the quorum's leader as of the last step
	published  *metadata.Image // what shards and sessions have heard of
	cluster    *api.Cluster

	links         links
	questions     []*question
	reflections   []reflection
	alters        alters
	confirmations confirmations
	standings     standings
	forgetful     bool // the quorum has lost what it had, as a marker on the disk says
	block         producerBlock
	registerAt    time.Duration  // when the next registration is due
	registerBy    time.Duration  // when the first one is given up
	duplicate     bool           // another incarnation is in the way
	refused       core.ErrorCode // of the last heartbeat, if that is not about the registration
	heartbeat     time.Duration  // when the next one to the controller is due
	beating       *question      // the one under way
	leaveBy       time.Duration  // when a controlled shutdown is given up for want of an answer
	leaveLast     time.Duration  // and when it is in any case

	sessions []core.Address
	points   checkpoints
	waiting  int  // shards that have not answered begin or shutdown
	want     bool // a shutdown was asked for before it could begin
	halted   bool
}

func newControl(cfg Config, random core.PRNG) *Control {
	settings := config.ResolveBroker(config.Layers{Static: cfg.Static})
	c := &Control{cfg: cfg, settings: settings, random: random, heartbeat: core.Never, registerAt: core.Never,
		registerBy: core.Never,
		leaveBy:    core.Never, epoch: -1, known: core.NoBroker, seeking: seeking{at: core.Never}, dirs: logDirs(cfg),
		offline: offlineDirs{untold: core.Never}, standings: standings{retryAt: core.Never}}
	c.incarnation = c.random.UUID()
	c.controller = controller.New(controllerSettings(settings),
		&configs{static: cfg.Static, self: settings.NodeID}, c.random.Fork(1))
	c.points.due = core.Never
	c.links.clientID = "node-" + strconv.Itoa(int(settings.NodeID))
	return c
}

// controllerOnly reports whether the node is a voter that holds no partitions.
func (c *Control) controllerOnly() bool { return c.cfg.ControllerOnly }

// shards is how many shards there are to tell things.
func (c *Control) shards() int {
	if c.controllerOnly() {
		return 0
	}
	return c.cfg.Shards
}

func controllerSettings(s config.Broker) controller.Settings {
	return controller.Settings{NumPartitions: s.NumPartitions, DefaultReplicationFactor: s.DefaultReplicationFactor,
		DeleteTopicEnable: s.DeleteTopics, SessionTimeout: time.Duration(s.Metadata.SessionTimeoutMs) * time.Millisecond,
		AutoLeaderRebalance:          s.AutoLeaderRebalance,
		LeaderImbalanceCheckInterval: time.Duration(s.LeaderImbalanceCheckSeconds) * time.Second,
		UncleanElectionInterval:      time.Duration(s.UncleanElectionIntervalMs) * time.Millisecond}
}

// Drain implements [core.Machine].
func (c *Control) Drain(out *core.Outbox) {
	c.out.Reached.Take(&c.controller.Reached)
	if c.quorum != nil {
		c.out.Reached.Take(&c.quorum.Reached)
	}
	drain(&c.out, out)
}

// Deadline implements [core.Machine].
func (c *Control) Deadline() (time.Duration, bool) {
	if c.halted || c.phase == stopped {
		return core.Never, false
	}
	at := min(c.heartbeat, c.points.due, c.registerAt, c.registerBy, c.leaveBy, c.seeking.at, c.standings.retryAt,
		c.offline.untold, c.links.deadline(), c.askDeadline(), c.confirmations.due())
	if c.quorum != nil {
		if d, ok := c.quorum.Deadline(); ok {
			at = min(at, d)
		}
		at = min(at, c.quorum.snapshotDue(c.settings.Metadata.SnapshotIntervalMs))
		if c.mayPropose() {
			if d, ok := c.controller.Deadline(c.lead.draft); ok {
				at = min(at, d)
			}
		}
	}
	return at, at != core.Never
}

// Step implements [core.Machine].
func (c *Control) Step(now core.Instant, in core.Input) {
	c.now = now
	if c.halted {
		return
	}
	switch in.Kind {
	case core.InputStart:
		c.boot()
	case core.InputMessage:
		c.message(in)
	case core.InputJobDone:
		c.jobDone(in.Job)
	case core.InputWritten, core.InputSynced:
		c.quorum.Completed(in)
	case core.InputMapped, core.InputFailed:
		c.quorum.Mapped(in)
	case core.InputLinkDown:
		c.unheard(in.Link)
		c.links.input(now, in, &c.out)
	case core.InputLinkUp, core.InputLinkFrame:
		c.links.input(now, in, &c.out)
	case core.InputTick:
		c.tick()
	case core.InputShutdown:
		c.want = true
	default:
		panic("broker: control got an input that is not its own")
	}
	c.after()
}

func (c *Control) message(in core.Input) {
	switch m := in.Message.(type) {
	case *hello:
		c.sessions = append(c.sessions, m.from)
		if c.cluster != nil {
			c.out.Send(m.from, &news{cluster: c.cluster})
		}
	case *bye:
		c.sessions = slices.DeleteFunc(c.sessions, func(a core.Address) bool { return a == m.from })
		if c.mayPropose() {
			c.controller.Parted(c.now, c.lead.draft, m.from)
			c.knock()
		}
	case *api.ControlOp:
		c.decide(m)
	case *begin:
		c.waiting--
		c.loaded()
	case *api.QuorumOp:
		c.askQuorum(m)
	case *alterPartition:
		c.alter(m)
	case *confirmation:
		c.confirm(m)
	case *standing:
		c.stand(m.replicas)
	case *checkpoint:
		c.collect(m)
	case *wantCheckpoint:
		c.points.again = true
		c.startCheckpoint()
	case *storageFailed:
		c.dirFailed(m.dir, m.err)
	case *shutdown:
		c.waiting--
	default:
		panic("broker: control got a message that is not its own")
	}
}

func (c *Control) halt(why string) {
	c.halted = true
	c.out.Halt = why
}

// boot reads the log directories.
func (c *Control) boot() {
	job := &bootJob{node: c.settings.NodeID, dirs: slices.Clone(c.dirs), clusterID: c.newClusterID(), wall: c.now.Wall,
		settings: metadataLogSettings(c.settings.Metadata), voters: c.voters(),
		controller: len(c.cfg.ControllerEndpoints) > 0, bootstrap: len(c.cfg.Bootstrap) > 0}
	if c.founder() {
		job.founder = c.cfg.ControllerEndpoints
	}
	for range c.dirs {
		job.ids = append(job.ids, c.random.UUID())
	}
	job.random = c.random.Fork(2)
	c.out.Run(job)
}

// newClusterID is the id of a cluster that nobody has given one. Nodes that are told of each other make the same one
// of it, so that no step of formatting has to come first; a node that is alone draws one. One that has bootstrap
// servers gets that of the cluster that it joins, and has none before: see [seeking].
func (c *Control) newClusterID() string {
	switch {
	case len(c.cfg.Voters) > 0:
		return ClusterIDOf(c.cfg.Voters)
	case len(c.cfg.Bootstrap) > 0 && !c.founder():
		return c.joining
	}
	return c.random.UUID().String()
}

// voters are those of the configuration, or this node alone. With bootstrap servers they are in the log, unless it is
// that of a node that has been alone with kraft.version 0.
func (c *Control) voters() raft.Voters {
	if len(c.cfg.Voters) == 0 {
		if len(c.cfg.Bootstrap) > 0 && !c.founder() {
			return nil
		}
		return raft.Voters{{ID: c.settings.NodeID, Endpoints: c.cfg.ControllerEndpoints}}
	}
	v := make(raft.Voters, len(c.cfg.Voters))
	for i, x := range c.cfg.Voters {
		v[i] = record.Voter{ID: x.ID, Endpoints: []record.Endpoint{{Name: x.Name, Host: x.Host, Port: x.Port}}}
	}
	slices.SortFunc(v, func(a, b record.Voter) int { return int(a.ID) - int(b.ID) })
	return v
}

// replica is what the quorum knows this node's replica of the metadata log by: the node and its folder.
func (c *Control) replica() raft.Key {
	return raft.Key{ID: c.settings.NodeID, Directory: c.dirs[0].id}
}

func (c *Control) quorumSettings() raft.Settings {
	m := c.settings.Metadata
	s := raft.DefaultSettings()
	ms := func(n int32) time.Duration { return time.Duration(n) * time.Millisecond }
	s.ElectionTimeout, s.FetchTimeout = ms(m.ElectionTimeoutMs), ms(m.FetchTimeoutMs)
	s.RequestTimeout, s.RetryBackoff = ms(m.RequestTimeoutMs), ms(m.RetryBackoffMs)
	s.LogBytes = m.RetentionBytes
	if m.FetchBytes > 0 {
		s.FetchBytes, s.SnapshotBytes = min(s.FetchBytes, m.FetchBytes), min(s.SnapshotBytes, m.FetchBytes)
	}
	return s
}

// metadataLogSettings keeps the whole metadata log: the quorum cuts it where a snapshot stands for its beginning.
func metadataLogSettings(m config.MetadataSettings) log.Settings {
	s := log.DefaultSettings()
	s.SegmentBytes, s.SegmentMs = int64(m.SegmentBytes), m.SegmentMs
	s.RetentionMs, s.RetentionBytes = config.NoLimit, config.NoLimit
	s.IndexBytes = metadataIndexBytes
	return s
}

// metadataIndexBytes is the size of each index of the metadata log's active segment.
const metadataIndexBytes = 1 << 20

func (c *Control) jobDone(job core.Job) {
	switch j := job.(type) {
	case *bootJob:
		c.booted(j)
	case *checkpointJob:
		c.checkpointWritten(j)
	case *markerJob:
		c.marked(j)
	case *tidyJob:
		c.tidied(j)
	case *imageJob:
		c.imageLoaded(j)
	case *rememberedJob:
		if j.err != nil {
			c.out.Note(core.Warn, "Removing "+forgottenFile+" failed ("+j.err.Error()+"): the next start relies less on "+
				"the metadata than it could.")
		}
	default:
		if !c.quorum.JobDone(c.now, job, &c.out) {
			panic("broker: control got a job that is not its own")
		}
	}
}

func (c *Control) booted(j *bootJob) {
	switch {
	case j.err != nil:
		c.halt(j.err.Error())
		return
	case j.homeless:
		c.seek()
		return
	}
	c.out.Reached.Join(&j.open.Log.Report.Reached)
	c.links.close(c.now, &c.out) // those on which the cluster was found
	c.seeking.at = core.Never
	for _, n := range append(j.notes, j.open.Log.Report.Notes...) {
		c.out.Note(core.Warn, n)
	}
	c.clusterID, c.memory, c.previous = j.clusterID, &j.memory, j.brokerEpoch
	c.booting, c.committed, c.first, c.unfounded = j, j.image, j.first, j.unfounded
	c.deleted = map[core.UUID]bool{}
	if c.takeDirs(j.dirs); c.halted {
		return
	}
	m := &quorumMember{codecs: record.NewCodecs(0)}
	c.quorum = m
	m.due = c.now.Mono + time.Duration(c.settings.Metadata.SnapshotIntervalMs)*time.Millisecond
	m.Quorum = raft.Start(c.now, raft.Options{Self: c.replica(), Endpoints: c.cfg.ControllerEndpoints,
		ClusterID: c.clusterID, Bootstrap: c.cfg.Bootstrap, Settings: c.quorumSettings(), Random: c.random.Fork(3),
		Files: &c.files, Slot: controlLog, Deliver: true, Applied: c.committed.Offset() + 1}, j.open, &c.out)
	c.phase = registering
	if c.forgetful = j.forgetful; c.forgetful {
		m.Distrust()
	}
	c.out.ListenQuorum = true
	// There is nobody to wait for; but a voter that knows a leader of its epoch, which was removed and has led to the end
	// of its removal, gives that one up as any other does, in time.
	if m.sole() && m.Role() != raft.Follower {
		m.Campaign(&c.out)
	}
	if !c.controllerOnly() {
		c.registerBy = c.now.Mono + time.Duration(c.settings.Metadata.RegistrationMs)*time.Millisecond
		c.register()
	}
}

// after draws the consequences of a step: what the quorum says, commits, leaderships, and the next phase.
func (c *Control) after() {
	if c.quorum == nil && c.want && c.joining == "" && c.seeking.next > 0 {
		c.want, c.phase, c.seeking.at = false, stopped, core.Never
		c.links.close(c.now, &c.out)
		c.out.Stopped = true
	}
	if c.quorum == nil || c.halted {
		return
	}
	for again := true; again; {
		c.runQuorum()
		if err := c.quorum.Failed(); err != nil && !c.halted {
			c.halt("The metadata log failed (" + err.Error() + "). Check the disk, then start the broker again.")
		}
		if c.halted {
			return
		}
		again = c.commit() // whoever is answered may have asked for more
		c.stepDown()
		c.takeLead()
		if leader := c.quorum.Leader(); leader != c.known {
			c.known = leader
			c.askAgain()
		}
		c.arrive()
	}
	c.remembered()
	c.snapshot()
	c.end()
}

// end takes a shutdown further.
func (c *Control) end() {
	if c.want {
		switch {
		case c.phase == serving:
			c.leave()
		case c.quorum.sole():
			// Not earlier: a start that is not complete leaves nothing that could be marked as clean.
		case c.phase == joining:
			c.shutDown()
		case c.phase == loading && c.waiting == 0:
			c.shutDown() // the controller does not hear of what is damaged
		case c.phase < loading:
			c.want, c.phase = false, stopped // the quorum may never come about; no log has been opened
			c.dropQuestions()
			c.closeQuorum()
			c.out.Stopped = true
		}
	}
	if c.phase == leaving && c.deserted() {
		c.out.Sometimes(probe.Deserted)
		c.out.Note(core.Info, "Too few controllers are left to take this broker's leaderships; it stops with them.")
		c.shutDown()
	}
	if c.phase == closing && c.waiting == 0 && len(c.lead.pending) == 0 && !c.quorum.closed {
		c.closeQuorum()
	}
	if c.allClosed() {
		c.startCheckpoint()
	}
}

func (c *Control) tick() {
	if c.quorum == nil {
		c.links.tick(c.now, &c.out)
		if c.now.Reached(c.seeking.at) {
			c.seek()
		}
		return
	}
	c.quorum.Tick(c.now, &c.out)
	c.links.tick(c.now, &c.out)
	c.tickQuestions()
	c.sendConfirmations()
	if c.now.Reached(c.standings.retryAt) {
		c.standings.retryAt = core.Never
		c.sendStandings()
	}
	if c.phase == registering && c.now.Reached(c.registerBy) {
		c.giveUpRegistering()
		return
	}
	if c.now.Reached(c.registerAt) && c.phase <= serving {
		c.register()
	}
	if c.now.Reached(c.heartbeat) && c.epoch >= 0 && c.phase <= leaving {
		c.beat()
	}
	if c.now.Reached(c.offline.untold) && c.phase <= leaving {
		c.halt("A log directory has failed, and the controller could not be told for log.dir.failure.timeout.ms: as long " +
			"as it does not know, the partitions there have no other leader. Check the network, then start the broker again.")
		return
	}
	c.knock()
	// After the heartbeat: a pause of the whole process is not to fence the broker that the controller lives in.
	for c.mayPropose() {
		c.catchUp()
		records := c.controller.Tick(c.now, c.lead.draft)
		if len(records) == 0 {
			break
		}
		c.propose(records, func(bool) {})
	}
	if c.phase == leaving && c.now.Reached(c.leaveBy) {
		c.out.Sometimes(probe.ShutdownTimedOut)
		c.out.Note(core.Warn, "The controller did not take this broker's leaderships in time; it stops with them.")
		c.shutDown()
	}
	if c.phase == serving && c.now.Reached(c.points.due) {
		c.points.due = c.now.Mono + c.checkpointInterval() // even if a round is running
		c.startCheckpoint()
	}
}
