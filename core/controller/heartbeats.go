package controller

import (
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
	"ottla.dev/core/probe"
)

// session is what this leadership heard from an incarnation of a broker.
type session struct {
	epoch          core.BrokerEpoch
	contact        time.Duration // monotonic
	heard          bool          // a heartbeat has come, not only the registration
	via            core.Address  // the session of this node over which the last one came, if one did
	gone           bool          // nobody listens where the broker did
	metadataOffset core.Offset   // the last that the broker has applied
	// shutdownOffset is where the metadata that takes the broker's leaderships ends; it may stop once all active brokers
	// have applied that. core.NoOffset before a controlled shutdown.
	shutdownOffset core.Offset
}

// Activate begins a leadership, on the image of all that is committed. What earlier ones knew of the brokers'
// sessions is gone: brokers that the image shows unfenced get a session timeout from now on to be heard, unless nobody
// is where they should be.
func (c *Controller) Activate(now core.Instant, img *metadata.Image) {
	if c.Settings.NumPartitions < 1 || c.Settings.DefaultReplicationFactor < 1 || c.Settings.SessionTimeout <= 0 {
		panic("controller: settings that no configuration allows")
	}
	c.activated, c.activatedAt = now, img.Offset()
	c.sessions = make(map[core.BrokerID]*session)
	c.fencedAt = make(map[core.BrokerID]core.Offset)
	c.absences = make(map[core.BrokerID]*absence)
	for _, b := range img.Brokers() {
		c.suspect(now, b)
	}
	c.balanceAt = next(now, c.balanceInterval())
	c.uncleanAt = next(now, c.Settings.UncleanElectionInterval)
}

// Deactivate ends a leadership.
func (c *Controller) Deactivate() { c.sessions = nil }

func (c *Controller) touch(now core.Instant, id core.BrokerID, offset core.Offset, epoch core.BrokerEpoch) *session {
	s := c.sessions[id]
	if s == nil || s.epoch != epoch {
		s = &session{epoch: epoch, shutdownOffset: core.NoOffset}
		c.sessions[id] = s
	}
	if s.gone {
		c.Reached.Add(probe.GoneHeardAgain)
	}
	s.contact, s.metadataOffset, s.gone = now.Mono, offset, false
	delete(c.absences, id)
	return s
}

func (c *Controller) metadataOffsetOf(id core.BrokerID, epoch core.BrokerEpoch) core.Offset {
	if s := c.sessions[id]; s != nil && s.epoch == epoch {
		return s.metadataOffset
	}
	return core.NoOffset
}

// hasSession reports whether the registered incarnation was heard of lately, in this leadership. A broker that was
// killed and comes straight back with its own controller must not wait for the session of its earlier life to end; and
// if that one does live, its epoch is fenced by the new registration.
//
// One that is still fenced lives, too, if its heartbeats come: it is opening its logs, which may take long. Otherwise
// two processes with one id would take the registration from each other all that time. A late registration of a
// process that is gone is followed by no heartbeat, and keeps nobody out.
func (c *Controller) hasSession(now core.Instant, b *metadata.Broker) bool {
	s := c.sessions[b.ID]
	return s != nil && s.epoch == b.Epoch && (s.heard || !b.Fenced) && now.Mono < s.contact+c.Settings.SessionTimeout
}

// expiry is when an unfenced broker's session ends if it stays silent.
func (c *Controller) expiry(b *metadata.Broker) time.Duration {
	from := c.activated.Mono
	if s := c.sessions[b.ID]; s != nil && s.epoch == b.Epoch {
		from = s.contact
	}
	return from + c.Settings.SessionTimeout
}

// Deadline is the monotonic time at which [Controller.Tick] may have something to do if nothing else happens.
func (c *Controller) Deadline(img *metadata.Image) (time.Duration, bool) {
	if c.sessions == nil {
		return core.Never, false
	}
	deadline := min(c.balanceAt, c.uncleanAt, c.knockDue(img))
	for _, b := range img.Brokers() {
		if !b.Fenced {
			deadline = min(deadline, c.expiry(b))
		}
	}
	return deadline, deadline != core.Never
}

// Expire fences the broker whose session ended first, if one has. It fences one at a time, so that each decision sees
// the elections of the one before; the caller asks again until there are no records (Kafka: maybeFenceOneStaleBroker).
func (c *Controller) Expire(now core.Instant, img *metadata.Image) []metadata.Record {
	var stale *metadata.Broker
	for _, b := range img.Brokers() {
		if c.sessions == nil || b.Fenced || !now.Reached(c.expiry(b)) {
			continue
		}
		if stale == nil || c.expiry(b) < c.expiry(stale) {
			stale = b
		}
	}
	if stale == nil {
		return nil
	}
	c.Reached.Add(probe.BrokerFenced)
	records := c.fence(img, stale)
	c.fencedAt[stale.ID] = endOf(img, len(records))
	return atomically(records)
}

func (c *Controller) fence(img *metadata.Image, b *metadata.Broker) []metadata.Record {
	return append(c.reelect(img, removal(b.ID)), &metadata.BrokerRegistrationChangeRecord{
		Broker: b.ID, Epoch: b.Epoch, Fencing: metadata.Fence,
	})
}

func (c *Controller) unfence(img *metadata.Image, b *metadata.Broker) []metadata.Record {
	change := &metadata.BrokerRegistrationChangeRecord{Broker: b.ID, Epoch: b.Epoch, Fencing: metadata.Unfence}
	return append([]metadata.Record{change}, c.reelect(img, addition(b.ID))...)
}

func (c *Controller) beginShutdown(img *metadata.Image, b *metadata.Broker) []metadata.Record {
	change := &metadata.BrokerRegistrationChangeRecord{Broker: b.ID, Epoch: b.Epoch, ControlledShutdown: 1}
	return append([]metadata.Record{change}, c.reelect(img, removal(b.ID))...)
}

// verdict is what a heartbeat comes to.
type verdict uint8

const (
	staysFenced verdict = iota
	staysUnfenced
	staysShuttingDown
	getsFenced
	getsUnfenced
	beginsShutdown
	mayStop       // and is fenced if it is not yet
	mayStopFenced // it was fenced already
)

func (c *Controller) heartbeat(now core.Instant, img *metadata.Image, req *kmsg.BrokerHeartbeatRequest) Decision {
	resp := req.ResponseKind().(*kmsg.BrokerHeartbeatResponse)
	id, epoch := core.BrokerID(req.BrokerID), core.BrokerEpoch(req.BrokerEpoch)
	if code := c.refuseBrokerEpoch(img, id, epoch); code != core.NoError {
		resp.ErrorCode = int16(code)
		return Decision{nil, resp}
	}
	b := img.Broker(id)
	s := c.touch(now, id, core.Offset(req.CurrentMetadataOffset), epoch)
	records, allFailed := c.failDirectories(img, b, req.OfflineLogDirs)
	seen := after(img, records) // so that no replica in a failed directory is elected again
	b = seen.Broker(id)
	v := c.judge(seen, b, s, req, allFailed)
	switch v {
	case getsFenced, mayStop:
		records = append(records, c.fence(seen, b)...)
		c.fencedAt[id] = endOf(img, len(records))
	case getsUnfenced:
		c.Reached.Add(probe.BrokerUnfenced)
		records = append(records, c.unfence(seen, b)...)
	case beginsShutdown:
		c.Reached.Add(probe.ShutdownBegun)
		records = append(records, c.beginShutdown(seen, b)...)
	case staysFenced, staysUnfenced, staysShuttingDown, mayStopFenced:
	}
	if (v == beginsShutdown || v == staysShuttingDown) && s.shutdownOffset == core.NoOffset {
		s.shutdownOffset = endOf(img, len(records))
	}
	resp.IsCaughtUp = caughtUp(b, req)
	resp.IsFenced = v == staysFenced || v == getsFenced || v == mayStop || v == mayStopFenced
	if resp.ShouldShutdown = v == mayStop || v == mayStopFenced; resp.ShouldShutdown {
		c.Reached.Add(probe.ShutdownAllowed)
	}
	s.heard = !resp.ShouldShutdown && v != getsFenced // else it is leaving, and its next run need not wait
	return Decision{records, resp}
}

// caughtUp reports whether the broker has applied its own registration, so that it knows of all that came before.
func caughtUp(b *metadata.Broker, req *kmsg.BrokerHeartbeatRequest) bool {
	return req.CurrentMetadataOffset >= int64(b.Epoch)
}

// knowsItsFencing reports whether a fenced broker has sent a heartbeat since it was fenced, as far as can be known:
// it has applied the metadata that fenced it, or, if an earlier leadership did that, all from before this one.
//
// A heartbeat may be on its way for long: the broker is killed, its session ends, it is fenced, others lead; then the
// heartbeat comes out of a network that was clogged, or a controller that stood still reads it from its socket. A
// broker that is not there would be unfenced, and elected where it is eligible. If its disk is replaced meanwhile, it
// becomes the last known leader of what it has not got, in the place of the one that has it. Kafka unfences it
// (BrokerHeartbeatManager.calculateNextBrokerState asks for no more than caughtUp).
func (c *Controller) knowsItsFencing(b *metadata.Broker, req *kmsg.BrokerHeartbeatRequest) bool {
	return core.Offset(req.CurrentMetadataOffset) >= max(c.activatedAt, c.fencedAt[b.ID])
}

// judge is the broker's state machine (KIP-631; Kafka: BrokerHeartbeatManager.calculateNextBrokerState):
//
//	fenced        -- caught up, wants neither --> unfenced, unless the heartbeat may be from before it was fenced
//	unfenced      -- wants to be fenced --------> fenced
//	unfenced      -- wants to shut down, leads -> shutting down
//	unfenced      -- wants to shut down --------> may stop
//	shutting down -- leads nothing any more, and all active brokers know ---> may stop
//	fenced        -- wants to shut down --------> may stop
//
// A controlled shutdown ends only with a new registration: a broker that was fenced during one is not unfenced. Kafka
// unfences it and gives it leaderships although it counts as on its way down.
func (c *Controller) judge(
	img *metadata.Image, b *metadata.Broker, s *session, req *kmsg.BrokerHeartbeatRequest, allFailed bool,
) verdict {
	wantFence := req.WantFence || allFailed
	switch {
	case b.Fenced && req.WantShutdown:
		return mayStopFenced
	case b.Fenced && !b.InControlledShutdown && !wantFence && caughtUp(b, req):
		if !c.knowsItsFencing(b, req) {
			c.Reached.Add(probe.OldHeartbeat)
			return staysFenced
		}
		return getsUnfenced
	case b.Fenced:
		return staysFenced
	case b.InControlledShutdown:
		// Without an offset the shutdown began under another leadership. The offset of this heartbeat covers it.
		if s.shutdownOffset == core.NoOffset || leads(img, b.ID) || s.shutdownOffset > c.lowestActiveOffset(img) {
			return staysShuttingDown
		}
		return mayStop
	case wantFence && req.WantShutdown:
		return mayStop
	case wantFence:
		return getsFenced
	case req.WantShutdown && leads(img, b.ID):
		return beginsShutdown
	case req.WantShutdown:
		return mayStop
	}
	return staysUnfenced
}

func leads(img *metadata.Image, id core.BrokerID) bool {
	for t := range img.Topics() {
		for _, p := range t.Partitions {
			if p.Leader == id {
				return true
			}
		}
	}
	return false
}

// lowestActiveOffset is what all active brokers have applied; without active brokers there is nobody to wait for.
func (c *Controller) lowestActiveOffset(img *metadata.Image) core.Offset {
	lowest := core.Offset(math.MaxInt64)
	for _, b := range img.Brokers() {
		if b.Active() {
			lowest = min(lowest, c.metadataOffsetOf(b.ID, b.Epoch))
		}
	}
	return lowest
}
