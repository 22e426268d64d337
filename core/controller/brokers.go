package controller

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
	"ottla.dev/core/probe"
)

// invalidRegistration is Kafka's INVALID_REGISTRATION.
const invalidRegistration core.ErrorCode = 119

// registerBroker makes an incarnation of a broker known, fenced until its heartbeats show that it has caught up. Its
// epoch is the offset of its registration record.
func (c *Controller) registerBroker(
	now core.Instant, img *metadata.Image, req *kmsg.BrokerRegistrationRequest,
) Decision {
	resp := req.ResponseKind().(*kmsg.BrokerRegistrationResponse)
	if code := c.refuseRegistration(now, img, req); code != core.NoError {
		resp.ErrorCode = int16(code)
		return Decision{nil, resp}
	}
	id := core.BrokerID(req.BrokerID)
	record := registration(req)
	before := img.Broker(id)
	var records []metadata.Record
	if before != nil && before.Incarnation == record.Incarnation {
		c.Reached.Add(probe.RegistrationRepeated)
		// The same process again: it may have changed its listeners, not its state.
		record.Epoch, record.Fenced = before.Epoch, before.Fenced
		record.InControlledShutdown = before.InControlledShutdown
		c.touch(now, id, c.metadataOffsetOf(id, before.Epoch), before.Epoch)
	} else {
		records = c.endIncarnation(img, id, before, req)
		record.Epoch = core.BrokerEpoch(offsetOf(img, len(records), len(records)+1))
		delete(c.sessions, id)
		c.touch(now, id, core.NoOffset, record.Epoch)
	}
	resp.BrokerEpoch = int64(record.Epoch)
	return Decision{append(records, record), resp}
}

func registration(req *kmsg.BrokerRegistrationRequest) *metadata.RegisterBrokerRecord {
	r := &metadata.RegisterBrokerRecord{
		Broker: core.BrokerID(req.BrokerID), Incarnation: req.IncarnationID, Rack: req.Rack, Fenced: true,
	}
	for _, l := range req.Listeners {
		r.Endpoints = append(r.Endpoints, metadata.Endpoint{
			Name: l.Name, Host: l.Host, Port: l.Port, SecurityProtocol: l.SecurityProtocol,
		})
	}
	for _, f := range req.Features {
		r.Features = append(r.Features, metadata.FeatureRange{
			Name: f.Name, Min: f.MinSupportedVersion, Max: f.MaxSupportedVersion,
		})
	}
	for _, dir := range req.LogDirs {
		r.LogDirs = append(r.LogDirs, dir)
	}
	return r
}

// endIncarnation takes the earlier incarnation's leaderships, and its places in ISRs unless it proves with the epoch
// that it left on disk that it stopped cleanly; then it stays eligible to lead (KIP-966), except where its replica was
// in a directory that it no longer has: what it has of that partition will be new.
func (c *Controller) endIncarnation(
	img *metadata.Image, id core.BrokerID, before *metadata.Broker, req *kmsg.BrokerRegistrationRequest,
) []metadata.Record {
	clean := before != nil && req.Version >= 3 && req.PreviousBrokerEpoch == int64(before.Epoch)
	if before != nil {
		c.Reached.Add(probe.BrokerReregistered)
		c.Reached.Add(map[bool]probe.Point{true: probe.CleanReturn, false: probe.UncleanReturn}[clean])
	}
	if clean || img.FeatureLevel(eligibleLeaderReplicas) == 0 {
		o := removal(id)
		o.lost = lostTo(registration(req).LogDirs)
		return c.reelect(img, o)
	}
	return c.reelect(img, uncleanReturn(id))
}

func (c *Controller) refuseRegistration(
	now core.Instant, img *metadata.Image, req *kmsg.BrokerRegistrationRequest,
) core.ErrorCode {
	id := core.BrokerID(req.BrokerID)
	before := img.Broker(id)
	switch {
	case req.ClusterID != img.ClusterID():
		return core.InconsistentClusterID
	case id < 0:
		return invalidRegistration
	case before != nil && before.Incarnation != core.UUID(req.IncarnationID) && c.hasSession(now, before):
		c.Reached.Add(probe.DuplicateRefused)
		return core.DuplicateBrokerRegistration
	case req.IsMigratingZkBroker:
		return core.BrokerIDNotRegistered
	case !fits(req):
		return invalidRegistration
	}
	if code := refuseDirectories(img, id, req.LogDirs); code != core.NoError {
		return code
	}
	return refuseFeatures(img, req.Features)
}

// fits reports whether records can hold the request's strings.
func fits(req *kmsg.BrokerRegistrationRequest) bool {
	short := func(s string) bool { return len(s) <= metadata.MaxStringLength }
	for _, l := range req.Listeners {
		if !short(l.Name) || !short(l.Host) {
			return false
		}
	}
	for _, f := range req.Features {
		if !short(f.Name) {
			return false
		}
	}
	return req.Rack == nil || short(*req.Rack)
}

// refuseDirectories checks the log directories' ids: some, none reserved or repeated, none another broker's (KIP-858).
func refuseDirectories(img *metadata.Image, id core.BrokerID, dirs [][16]byte) core.ErrorCode {
	if len(dirs) == 0 {
		return invalidRegistration
	}
	again := repeated(dirs, func(dir [16]byte) [16]byte { return dir })
	for _, dir := range dirs {
		if again[dir] || metadata.ReservedDirectory(dir) {
			return invalidRegistration
		}
		for _, b := range img.Brokers() {
			if b.ID != id && slices.Contains(b.LogDirs, dir) {
				return invalidRegistration
			}
		}
	}
	return core.NoError
}

// refuseFeatures checks that the broker supports the level that each feature is finalized at. A broker that is silent
// about a feature supports level 0 of it, or the oldest metadata.version.
func refuseFeatures(img *metadata.Image, supported []kmsg.BrokerRegistrationRequestFeature) core.ErrorCode {
	for _, f := range img.Features() {
		low, high := int16(0), int16(0)
		if f.Name == metadata.MetadataVersion {
			low, high = 1, 1
		}
		for _, s := range supported {
			if s.Name == f.Name {
				low, high = s.MinSupportedVersion, s.MaxSupportedVersion
			}
		}
		if f.Level < low || f.Level > high {
			return core.UnsupportedVersion
		}
	}
	return core.NoError
}

// unregisterBroker forgets a broker. Kafka forgets live ones too, which then serve nobody until they are restarted.
func (c *Controller) unregisterBroker(
	now core.Instant, img *metadata.Image, req *kmsg.UnregisterBrokerRequest,
) Decision {
	resp := req.ResponseKind().(*kmsg.UnregisterBrokerResponse)
	id := core.BrokerID(req.BrokerID)
	b := img.Broker(id)
	var refused *refusal
	switch {
	case b == nil:
		refused = refuse(core.BrokerIDNotRegistered, "Broker ID %d is not currently registered", id)
	case c.hasSession(now, b), !b.Fenced && now.Mono < c.expiry(b): // this controller may not have heard of it yet
		c.Reached.Add(probe.UnregisterRefused)
		refused = refuse(core.InvalidRequest, "Broker ID %d is alive: stop it before it is unregistered", id)
	}
	if refused != nil {
		resp.ErrorCode, resp.ErrorMessage = refused.fields()
		return Decision{nil, resp}
	}
	c.Reached.Add(probe.BrokerUnregistered)
	// An unregistered broker has no incarnation left that could prove anything, so it is not eligible to lead either.
	o := removal(id)
	o.unclean = id
	records := c.reelect(img, o)
	delete(c.sessions, id)
	return Decision{append(records, &metadata.UnregisterBrokerRecord{Broker: id, Epoch: b.Epoch}), resp}
}
