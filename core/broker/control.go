package broker

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/config"
	"ottla.dev/core/controller"
	"ottla.dev/core/log"
	"ottla.dev/core/metadata"
	"ottla.dev/core/raft"
)

// phase is how far control has come.
//
//	booting -> electing -> registering -> loading -> joining -> serving -> closing -> stopped
type phase uint8

const (
	booting     phase = iota // the log directories are being read
	electing                 // the quorum is finding a leader
	registering              // the broker's registration is being committed
	loading                  // the shards are opening their logs
	joining                  // the broker is being unfenced
	serving
	closing // the shards, then the metadata log, then the markers
	stopped
)

// Control is the machine that holds the quorum's replica, the controller, and the broker's own registration.
//
// Invariant: draft is committed with the records of all pending decisions applied to it, in order.
type Control struct {
	cfg       Config
	settings  config.Broker
	random    core.PRNG
	out       core.Outbox
	now       core.Instant
	phase     phase
	clusterID string

	files       log.FileIDs
	memory      *diskMemory
	directories []core.UUID
	previous    core.BrokerEpoch // of the incarnation that was shut down cleanly, or -1
	incarnation core.UUID
	epoch       core.BrokerEpoch

	quorum     *raft.Quorum
	controller *controller.Controller
	committed  *metadata.Image
	draft      *metadata.Image
	published  *metadata.Image // what shards and sessions have heard of
	cluster    *api.Cluster
	pending    []decided
	heartbeat  time.Duration // when the next one to the controller is due

	sessions []core.Address
	block    producerBlock
	points   checkpoints
	waiting  int  // shards that have not answered begin or shutdown
	want     bool // a shutdown was asked for before it could begin
	halted   bool
}

// decided is a decision whose records are not committed yet. Decisions without records wait for those before them.
type decided struct {
	last  core.Offset
	image *metadata.Image
	then  func()
}

func newControl(cfg Config, random core.PRNG) *Control {
	settings := config.ResolveBroker(config.Layers{Static: cfg.Static})
	c := &Control{cfg: cfg, settings: settings, random: random, heartbeat: core.Never}
	c.incarnation = c.random.UUID()
	c.controller = controller.New(controllerSettings(settings),
		&configs{static: cfg.Static, self: settings.NodeID}, c.random.Fork(1))
	c.points.due = core.Never
	return c
}

func controllerSettings(s config.Broker) controller.Settings {
	return controller.Settings{NumPartitions: s.NumPartitions, DefaultReplicationFactor: s.DefaultReplicationFactor,
		DeleteTopicEnable: s.DeleteTopics, SessionTimeout: time.Duration(s.Metadata.SessionTimeoutMs) * time.Millisecond,
		AutoLeaderRebalance:          s.AutoLeaderRebalance,
		LeaderImbalanceCheckInterval: time.Duration(s.LeaderImbalanceCheckSeconds) * time.Second,
		UncleanElectionInterval:      time.Duration(s.UncleanElectionIntervalMs) * time.Millisecond}
}

// Drain implements [core.Machine].
func (c *Control) Drain(out *core.Outbox) { drain(&c.out, out) }

// Deadline implements [core.Machine].
func (c *Control) Deadline() (time.Duration, bool) {
	at := min(c.heartbeat, c.points.due)
	if c.quorum != nil {
		if d, ok := c.quorum.Deadline(); ok {
			at = min(at, d)
		}
	}
	if c.phase == serving {
		if d, ok := c.controller.Deadline(c.draft); ok {
			at = min(at, d)
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
	case *api.ControlOp:
		c.decide(m)
	case *begin:
		if c.waiting--; c.waiting == 0 {
			c.phase = joining
			c.beat(true)
		}
	case *checkpoint:
		c.collect(m)
	case *wantCheckpoint:
		c.points.again = true
		c.startCheckpoint()
	case *storageFailed:
		c.halt("The log directory " + m.dir + " failed (" + m.err.Error() + "). What was acknowledged is on disk up to " +
			"there; nothing later was. Check the disk, then start the broker again: it recovers by itself.")
	case *shutdown:
		if c.waiting--; c.waiting == 0 {
			c.quorum.Log().Close(&c.out)
		}
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
	job := &bootJob{node: c.settings.NodeID, dirs: c.cfg.LogDirs, clusterID: c.random.UUID().String(), wall: c.now.Wall,
		settings: metadataLogSettings(c.settings.Metadata)}
	for range c.cfg.LogDirs {
		job.ids = append(job.ids, c.random.UUID())
	}
	job.random = c.random.Fork(2)
	c.out.Run(job)
}

// metadataLogSettings keeps the whole metadata log: there are no snapshots yet that could stand for its beginning.
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
	default:
		if !c.quorum.JobDone(c.now, job, &c.out) {
			panic("broker: control got a job that is not its own")
		}
	}
}

func (c *Control) booted(j *bootJob) {
	if j.err != nil {
		c.halt(j.err.Error())
		return
	}
	for _, n := range append(j.open.Report.Notes, j.notes...) {
		c.out.Note(core.Warn, n)
	}
	c.clusterID, c.memory, c.directories, c.previous = j.clusterID, &j.memory, j.directories, j.brokerEpoch
	l := log.New(c.now, controlLog, &c.files, j.open, &c.out)
	c.quorum = raft.New(c.settings.NodeID, c.clusterID, j.state, l)
	c.committed, c.draft = j.image, j.image
	c.phase = electing
	c.quorum.Campaign(&c.out)
}

// after draws the consequences of a step: commits, and the next phase.
func (c *Control) after() {
	if c.quorum == nil || c.halted {
		return
	}
	if err := c.quorum.Failed(); err != nil {
		c.halt("The metadata log failed (" + err.Error() + "). Check the disk, then start the broker again.")
		return
	}
	if c.phase == electing && c.quorum.Active() {
		c.lead()
	}
	c.commit()
	if c.want && c.phase == serving {
		c.shutDown() // not earlier: a start that is not complete leaves nothing that could be marked as clean
	}
	if c.allClosed() {
		c.startCheckpoint()
	}
}

// lead begins the leadership of the quorum: what is in the log is committed now, and the broker registers itself.
func (c *Control) lead() {
	end := c.quorum.HighWatermark() - 1
	image, err := c.draft.Apply(end, c.quorum.Epoch())
	if err != nil {
		panic("broker: the leader's own record does not apply: " + err.Error())
	}
	c.committed, c.draft = image, image
	c.controller.Activate(c.now)
	c.phase = registering
	if len(image.Features()) == 0 {
		c.propose(controller.Bootstrap(bootstrapFeatures()...), func() {})
	}
	if records := c.controller.Takeover(c.draft); len(records) > 0 {
		c.propose(records, func() {})
	}
	req := c.registration()
	d := c.controller.Decide(c.now, c.draft, req)
	resp := d.Response.(*kmsg.BrokerRegistrationResponse)
	if code := core.ErrorCode(resp.ErrorCode); code != core.NoError {
		c.halt("The broker cannot register: " + code.String() + " (" + code.Description() + ")")
		return
	}
	c.propose(d.Records, func() { c.registered(core.BrokerEpoch(resp.BrokerEpoch)) })
}

// bootstrapFeatures are the features that a new cluster begins with, beside metadata.version.
func bootstrapFeatures() []metadata.Feature {
	return []metadata.Feature{{Name: "eligible.leader.replicas.version", Level: 1}}
}

func (c *Control) registration() *kmsg.BrokerRegistrationRequest {
	req := kmsg.NewPtrBrokerRegistrationRequest()
	req.Version = req.MaxVersion()
	req.BrokerID, req.ClusterID, req.IncarnationID = int32(c.settings.NodeID), c.clusterID, c.incarnation
	for _, e := range c.cfg.Endpoints {
		l := kmsg.NewBrokerRegistrationRequestListener()
		l.Name, l.Host, l.Port, l.SecurityProtocol = e.Name, e.Host, e.Port, e.SecurityProtocol
		req.Listeners = append(req.Listeners, l)
	}
	add := func(name string, low, high int16) {
		f := kmsg.NewBrokerRegistrationRequestFeature()
		f.Name, f.MinSupportedVersion, f.MaxSupportedVersion = name, low, high
		req.Features = append(req.Features, f)
	}
	add(metadata.MetadataVersion, metadata.MinMetadataVersion, metadata.MaxMetadataVersion)
	for _, f := range bootstrapFeatures() {
		add(f.Name, 0, f.Level)
	}
	if c.settings.Rack != "" {
		req.Rack = &c.settings.Rack
	}
	for _, id := range c.directories {
		req.LogDirs = append(req.LogDirs, id)
	}
	req.PreviousBrokerEpoch = int64(c.previous)
	return req
}

// registered begins to load: the shards get the metadata, and open their logs.
func (c *Control) registered(epoch core.BrokerEpoch) {
	c.epoch = epoch
	c.phase = loading
	c.waiting = c.cfg.Shards
	c.publish(c.committed)
	for i := range c.cfg.Shards {
		c.out.Send(core.Shard(uint32(i)), &begin{cluster: c.cluster, disk: c.memory})
	}
}

// beat tells the controller that the broker lives (KIP-631).
func (c *Control) beat(join bool) {
	req := kmsg.NewPtrBrokerHeartbeatRequest()
	req.Version = req.MaxVersion()
	req.BrokerID, req.BrokerEpoch = int32(c.settings.NodeID), int64(c.epoch)
	req.CurrentMetadataOffset = int64(c.committed.Offset())
	d := c.controller.Decide(c.now, c.draft, req)
	c.propose(d.Records, func() {
		if join {
			c.serve()
		}
	})
	c.heartbeat = c.now.Mono + time.Duration(c.settings.Metadata.HeartbeatIntervalMs)*time.Millisecond
}

func (c *Control) serve() {
	c.phase = serving
	c.out.Listen = !c.want
	c.points.due = c.now.Mono + c.checkpointInterval()
}

func (c *Control) tick() {
	if c.quorum != nil {
		c.quorum.Tick(c.now, &c.out)
	}
	if c.phase == serving && c.now.Reached(c.heartbeat) {
		c.beat(false)
	}
	if c.phase == serving {
		// After the heartbeat: a pause of the whole process is not to fence the broker that the controller lives in.
		for records := c.controller.Tick(c.now, c.draft); len(records) > 0; records = c.controller.Tick(c.now, c.draft) {
			c.propose(records, func() {})
		}
	}
	if c.phase == serving && c.now.Reached(c.points.due) {
		c.points.due = c.now.Mono + c.checkpointInterval() // even if a round is running
		c.startCheckpoint()
	}
}
