package broker

import (
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
	"ottla.dev/core/probe"
	"ottla.dev/core/raft"
)

// A broker's life in the cluster (KIP-631; Kafka: BrokerLifecycleManager).
const (
	registerAgain  = 500 * time.Millisecond // when an earlier incarnation still counts as alive
	beatAgain      = 100 * time.Millisecond // while the broker waits to be unfenced, or to be let go
	registerBound  = 10 * time.Second
	shutdownLeast  = 10 * time.Second // a controlled shutdown may take this, or two sessions
	shutdownSilent = 3 * time.Second  // and no longer than this without a word of the controller
	featureMinimum = 0
)

// register makes this incarnation of the broker known to the controller.
func (c *Control) register() {
	c.registerAt = core.Never
	c.ask(&question{req: c.registration(), lane: laneBroker, until: c.now.Mono + registerBound,
		then: func(resp kmsg.Response, _ core.ErrorCode) {
			r, ok := resp.(*kmsg.BrokerRegistrationResponse)
			switch {
			case c.phase > serving: // the broker is on its way out
			case !ok: // there is no controller yet
				c.registerAt = c.now.Mono
			default:
				c.registered(core.BrokerEpoch(r.BrokerEpoch), core.ErrorCode(r.ErrorCode))
			}
		}})
}

func (c *Control) registration() *kmsg.BrokerRegistrationRequest {
	req := kmsg.NewPtrBrokerRegistrationRequest()
	setNewest(req)
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
		add(f.Name, featureMinimum, f.Level)
	}
	add(KRaftVersion, featureMinimum, raft.MaxKRaftVersion)
	if c.settings.Rack != "" {
		req.Rack = &c.settings.Rack
	}
	req.LogDirs = c.onlineIDs()
	req.PreviousBrokerEpoch = int64(c.previous)
	return req
}

// registered takes the controller's answer.
func (c *Control) registered(epoch core.BrokerEpoch, code core.ErrorCode) {
	switch code {
	case core.NoError:
		c.epoch, c.duplicate, c.registerBy = epoch, false, core.Never
		if c.phase == registering {
			c.phase = catchingUp
		} else {
			c.registeredAnew()
		}
		c.beat()
	case core.DuplicateBrokerRegistration:
		if !c.duplicate {
			c.duplicate = true
			c.out.Note(core.Info, "Another process with node.id "+strconv.Itoa(int(c.settings.NodeID))+
				", perhaps an earlier run of this broker, still counts as alive; waiting for its session to end.")
		}
		c.registerAt = c.now.Mono + registerAgain
	case core.InconsistentClusterID, core.UnsupportedVersion, core.ClusterAuthorizationFailed, invalidRegistration:
		c.halt("The broker cannot register: " + code.String() + " (" + code.Description() + ")")
	default: // of the moment, as far as is known
		c.out.Note(core.Warn, "The controller refused the broker's registration: "+code.String()+". It is tried again.")
		c.registerAt = c.now.Mono + registerAgain
	}
}

// giveUpRegistering ends a broker that could not register in the time of initial.broker.registration.timeout.ms (Kafka:
// BrokerLifecycleManager.RegistrationTimeoutEvent). One that was registered once waits for as long as it takes.
func (c *Control) giveUpRegistering() {
	why := "no controller has answered. Check that most of the nodes in controller.quorum.voters run and can be reached"
	if c.duplicate {
		why = "another process with node.id " + strconv.Itoa(int(c.settings.NodeID)) + ", perhaps an earlier run of this " +
			"broker, counts as alive. If it is not this one's earlier run, give this one another id"
	}
	c.halt("The broker could not register within initial.broker.registration.timeout.ms (" +
		strconv.Itoa(int(c.settings.Metadata.RegistrationMs)) + " ms): " + why + ", then start it again.")
}

// invalidRegistration is Kafka's INVALID_REGISTRATION.
const invalidRegistration core.ErrorCode = 119

// lose takes note that the controller knows this incarnation no longer: it was unregistered, or a registration with
// its node.id came later. That may be another process, or the delayed request of an earlier run, which cannot be told
// apart from here. So the broker registers again: if the other one lives, it is refused until the session there has
// ended; and whatever either of them has led or held in sync meanwhile is fenced by the epochs. It keeps its logs open
// and goes on following the metadata, which take its leaderships away. Kafka's brokers go on beating in vain until
// somebody restarts them.
func (c *Control) lose(code core.ErrorCode) {
	c.out.Note(core.Warn, "This broker's registration is gone ("+code.String()+"): another process has registered with "+
		"node.id "+strconv.Itoa(int(c.settings.NodeID))+", or the broker was unregistered. It registers again.")
	c.out.Sometimes(probe.RegistrationLost)
	c.previous, c.epoch, c.heartbeat = c.epoch, -1, core.Never
	if c.phase == leaving {
		c.shutDown() // there is nothing left to hand over
		return
	}
	c.register()
}

// registeredAnew tells the shards their new epoch, and sends what waited for one.
func (c *Control) registeredAnew() {
	if c.phase >= loading {
		for i := range c.shards() {
			c.out.Send(core.Shard(uint32(i)), &incarnation{epoch: c.epoch})
		}
	}
	c.sendAlters()
}

// arrive follows the image of the committed metadata through the phases of a start.
func (c *Control) arrive() {
	if c.controllerOnly() {
		if c.phase == registering && c.committed.Offset() >= 0 && c.quorum.Leader() != core.NoBroker {
			c.phase = serving
			c.out.Listen = !c.want
			c.points.due = c.now.Mono + c.checkpointInterval()
		}
		return
	}
	image := c.committed.Stable()
	self := image.Broker(c.settings.NodeID)
	switch {
	case self == nil || self.Epoch != c.epoch:
	case c.phase == catchingUp && !c.tidying:
		// The committed metadata are at least as new as the registration: what they do not know is no more.
		c.tidying = true
		c.out.Run(&tidyJob{boot: c.booting, image: image, deleted: c.deleted, dirs: slices.Clone(c.dirs)})
	case c.phase == joining && !self.Fenced:
		c.serve()
	}
}

// tidied begins to load: the shards get the metadata that the folders were tidied by, and open their logs. What was
// committed meanwhile they are told right after: were it passed over, the folder of a topic that was deleted then would
// stay, in the way of the next one of its name.
func (c *Control) tidied(j *tidyJob) {
	if c.takeDirs(j.dirs); c.halted {
		return
	}
	for _, n := range j.notes {
		c.out.Note(core.Warn, n)
	}
	c.out.Reached.Join(&j.reached)
	c.booting, c.deleted = nil, nil
	c.phase = loading
	c.waiting = c.cfg.Shards
	c.publish(j.image)
	for i := range c.cfg.Shards {
		c.out.Send(core.Shard(uint32(i)), &begin{cluster: c.cluster, disk: c.memory, epoch: c.epoch,
			replicated: c.clustered()})
	}
	if c.publish(c.committed.Stable()) {
		c.out.Sometimes(probe.MetadataWhileTidying)
	}
}

// beat tells the controller that the broker lives.
func (c *Control) beat() {
	if c.epoch < 0 {
		return // there is nobody to beat for until the broker is registered
	}
	c.heartbeat = c.now.Mono + time.Duration(c.settings.Metadata.HeartbeatIntervalMs)*time.Millisecond
	if c.beating != nil {
		return
	}
	req := kmsg.NewPtrBrokerHeartbeatRequest()
	setNewest(req)
	req.BrokerID, req.BrokerEpoch = int32(c.settings.NodeID), int64(c.epoch)
	req.CurrentMetadataOffset = int64(c.committed.Offset())
	req.WantFence, req.WantShutdown = c.phase < joining, c.phase == leaving
	req.OfflineLogDirs = slices.Clone(c.offline.ids)
	c.beating = &question{req: req, lane: laneBroker, until: c.now.Mono + c.sessionTimeout(),
		then: func(resp kmsg.Response, _ core.ErrorCode) {
			c.beating = nil
			if r, ok := resp.(*kmsg.BrokerHeartbeatResponse); ok {
				c.beaten(r, req)
			}
		}}
	c.ask(c.beating)
}

// unheard has a broker whose connection to the controller breaks beat again soon, on another: the controller, which
// sees that too, may be about to take it for gone.
func (c *Control) unheard(link core.LinkID) {
	if c.epoch >= 0 && c.phase <= leaving && c.links.on(link, laneBroker) {
		c.heartbeat = min(c.heartbeat, c.now.Mono+reconnectFirst)
	}
}

func (c *Control) sessionTimeout() time.Duration {
	return time.Duration(c.settings.Metadata.SessionTimeoutMs) * time.Millisecond
}

// beaten takes the answer to a heartbeat. That of an earlier registration is of no interest; what is wrong for the
// moment, or with the request, is said, and tried again at the next interval.
func (c *Control) beaten(r *kmsg.BrokerHeartbeatResponse, req *kmsg.BrokerHeartbeatRequest) {
	code := core.ErrorCode(r.ErrorCode)
	if code == core.NoError {
		c.dirsTold(len(req.OfflineLogDirs))
	}
	switch {
	case c.phase > leaving || req.BrokerEpoch != int64(c.epoch):
		return
	case code == core.StaleBrokerEpoch || code == core.BrokerIDNotRegistered:
		c.lose(code)
		return
	case code != core.NoError:
		if c.refused != code {
			c.out.Note(core.Warn, "The controller refuses this broker's heartbeats: "+code.String()+" ("+
				code.Description()+")")
		}
		c.refused = code
		return
	}
	c.refused = core.NoError
	switch {
	case c.phase == leaving && req.WantShutdown && r.ShouldShutdown:
		c.shutDown()
	case c.phase == leaving:
		c.leaveBy = min(c.leaveLast, c.now.Mono+shutdownSilent)
		c.heartbeat = c.now.Mono + beatAgain
	case c.phase >= joining && r.IsFenced:
		c.heartbeat = c.now.Mono + beatAgain // it is unfenced when it knows of that
	}
}

// join has the broker unfenced: its logs are open. What was wrong with a checkpoint has been looked for in them, and
// until there is a sound one again another crash makes them doubtful once more.
func (c *Control) join() {
	c.phase = joining
	if c.points.again || len(c.memory.unsure) > 0 { // or a follower that has to truncate waits for one
		c.startCheckpoint()
	}
	c.beatAnew()
}

// beatAnew sends a heartbeat in the place of one that may be under way, and that wants something else.
func (c *Control) beatAnew() {
	if c.beating != nil {
		c.beating.cancelled = true
		c.drop(c.beating)
		c.beating = nil
	}
	c.beat()
}

func (c *Control) serve() {
	c.phase = serving
	c.out.Listen = !c.want
	c.points.due = c.now.Mono + c.checkpointInterval()
}

// refusalLasts is how long a connection that was refused tells that nobody is there. While there is no controller, all
// voters are tried more often.
const refusalLasts = 2 * time.Second

// deserted reports whether there can be no controller: too few of the voters for a majority take connections. When all
// nodes of a cluster are stopped at once, the last need not wait for an answer that nobody is left to give. To a voter
// that was restarted nobody connects again who is connected to by it, as the quorum's leader is.
func (c *Control) deserted() bool {
	voters := c.quorum.Voters()
	there := 0
	for i := range voters {
		v := &voters[i]
		if v.ID == c.settings.NodeID || len(v.Endpoints) == 0 {
			there++
			continue
		}
		at, refused := c.links.refused(addressOf(v.Endpoints[0]))
		if !refused || at < c.quorum.HeardFrom(v) || c.now.Reached(at+refusalLasts) {
			there++
		}
	}
	return there < len(voters)/2+1
}

// leave begins the end: with others in the cluster, they take over this broker's leaderships first.
func (c *Control) leave() {
	others := false
	for _, b := range c.committed.Brokers() {
		others = others || b.ID != c.settings.NodeID && b.Active()
	}
	if c.controllerOnly() || !others || !c.settings.ControlledShutdown || c.epoch < 0 {
		c.shutDown()
		return
	}
	c.want, c.phase = false, leaving
	c.points.due = core.Never // the end writes checkpoints of its own
	c.leaveLast = c.now.Mono + max(shutdownLeast, 2*c.sessionTimeout())
	c.leaveBy = c.now.Mono + shutdownSilent
	c.beatAnew()
}
