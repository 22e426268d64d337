package broker

import (
	"errors"
	"time"

	"ottla.dev/core"
)

// knockPatience is how long an address may be silent that is tried.
const knockPatience = 2 * time.Second

// knock is an attempt to connect to an address, only to see whether anybody listens there.
type knock struct {
	link    core.LinkID
	expires time.Duration
	then    func(refused bool)
}

// knock tries an address, and calls then once, unless the links are closed before: whether its host says that nobody
// listens. A connection that comes about is closed at once.
func (l *links) knock(now core.Instant, out *core.Outbox, address string, then func(refused bool)) {
	l.next++
	l.knocks = append(l.knocks, knock{link: l.next, expires: now.Mono + knockPatience, then: then})
	out.Link(core.LinkOp{Kind: core.LinkOpen, Link: l.next, Address: address})
}

// knocked takes news of an attempt, and reports whether they were of one.
func (l *links) knocked(in core.Input, out *core.Outbox) bool {
	for i, k := range l.knocks {
		if k.link != in.Link {
			continue
		}
		l.knocks = append(l.knocks[:i], l.knocks[i+1:]...)
		if in.Kind == core.InputLinkUp {
			out.Link(core.LinkOp{Kind: core.LinkClose, Link: k.link})
		}
		k.then(in.Kind == core.InputLinkDown && errors.Is(in.Err, core.ErrRefused))
		return true
	}
	return false
}

// tickKnocks gives up the attempts that nobody answers.
func (l *links) tickKnocks(now core.Instant, out *core.Outbox) {
	for len(l.knocks) > 0 && now.Reached(l.knocks[0].expires) { // they expire in order
		k := l.knocks[0]
		l.knocks = l.knocks[1:]
		out.Link(core.LinkOp{Kind: core.LinkClose, Link: k.link})
		k.then(false)
	}
}

// knock tries the addresses of brokers that the controller suspects to be gone.
func (c *Control) knock() {
	for c.mayPropose() {
		b, due := c.controller.Knock(c.now, c.lead.draft)
		if !due {
			return
		}
		id, epoch := b.ID, b.Epoch
		address, ok := interBrokerAddress(b, c.cfg.Static)
		if !ok || id == c.settings.NodeID {
			c.controller.Knocked(c.now, id, epoch, false)
			continue
		}
		leadership := c.lead.epoch
		c.links.knock(c.now, &c.out, address, func(refused bool) {
			if c.leads() && c.lead.epoch == leadership {
				c.controller.Knocked(c.now, id, epoch, refused)
			}
		})
	}
}
