package controller

import (
	"time"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
	"ottla.dev/core/probe"
)

// A broker's process may be gone when the connection of its heartbeats ends, and nobody knows of any when a leadership
// begins. Then its address is tried: where the process is gone, the host itself says so, by refusing the connection.
const (
	// refusalsOfAbsence is how many refusals in a row, without a heartbeat between them, end a session.
	refusalsOfAbsence = 3
	// knockInterval lies between them: a broker that lives beats again within it.
	knockInterval = 100 * time.Millisecond
	// knocksMost is how often an address is tried that answers, or is silent. The system closes what a process has open
	// one after the other: its connection may be gone when somebody is still connected to where it listened.
	knocksMost = 10
)

// absence is the suspicion that an incarnation of a broker is gone.
type absence struct {
	epoch    core.BrokerEpoch
	at       time.Duration // of the next attempt to reach it; core.Never while one is under way
	refusals int           // the last ones in a row
	others   int           // attempts that came to something else
}

// Came notes over which session of this node a heartbeat came that was decided just now.
func (c *Controller) Came(id core.BrokerID, epoch core.BrokerEpoch, via core.Address) {
	if s := c.sessions[id]; s != nil && s.epoch == epoch {
		s.via = via
	}
}

// Parted takes note of the end of a session over which heartbeats may have come. A broker that is fenced listens to
// nobody yet, or does not matter any more.
func (c *Controller) Parted(now core.Instant, img *metadata.Image, via core.Address) {
	for _, b := range img.Brokers() {
		if s := c.sessions[b.ID]; s != nil && s.epoch == b.Epoch && s.via == via {
			s.via = core.Address{}
			c.suspect(now, b)
		}
	}
}

func (c *Controller) suspect(now core.Instant, b *metadata.Broker) {
	if !b.Fenced && c.absences[b.ID] == nil {
		c.absences[b.ID] = &absence{epoch: b.Epoch, at: now.Mono}
	}
}

// Knock names a broker whose address is to be tried now. The owner asks until there is none, and says of each with
// [Controller.Knocked] what came of it.
func (c *Controller) Knock(now core.Instant, img *metadata.Image) (b *metadata.Broker, due bool) {
	for _, b := range img.Brokers() {
		a := c.absences[b.ID]
		switch {
		case a == nil || !now.Reached(a.at):
		case b.Fenced || a.epoch != b.Epoch:
			delete(c.absences, b.ID)
		default:
			a.at = core.Never
			return b, true
		}
	}
	return nil, false
}

// Knocked takes what came of an attempt to reach an incarnation of a broker. Anything but a refusal says nothing, and
// leaves it to the session's timeout: a host without power, or behind a broken network, is silent.
//
// Whoever is refused by a broker that lives, because something between them refuses in its name, takes it for gone for
// as long as it takes a heartbeat to come. No harm is done by that but elections: fencing is always safe.
func (c *Controller) Knocked(now core.Instant, id core.BrokerID, epoch core.BrokerEpoch, refused bool) {
	a := c.absences[id]
	if a == nil || a.epoch != epoch || a.at != core.Never {
		return // it was heard, or this was asked before that
	}
	if !refused {
		a.refusals, a.at = 0, now.Mono+knockInterval
		if a.others++; a.others == knocksMost {
			delete(c.absences, id)
		}
		return
	}
	if a.refusals++; a.refusals < refusalsOfAbsence {
		a.at = now.Mono + knockInterval
		return
	}
	delete(c.absences, id)
	c.Reached.Add(probe.BrokerPresumedGone)
	s := c.sessions[id]
	if s == nil || s.epoch != epoch {
		s = &session{epoch: epoch, metadataOffset: core.NoOffset, shutdownOffset: core.NoOffset}
		c.sessions[id] = s
	}
	s.contact, s.heard, s.gone = now.Mono-c.Settings.SessionTimeout, false, true
}

// knockDue is when the next broker is to be tried.
func (c *Controller) knockDue(img *metadata.Image) time.Duration {
	at := core.Never
	for _, b := range img.Brokers() {
		if a := c.absences[b.ID]; a != nil {
			at = min(at, a.at)
		}
	}
	return at
}
