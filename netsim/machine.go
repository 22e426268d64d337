package netsim

import (
	"maps"
	"time"
)

// Kill ends the process of a host: nothing listens, and the system closes its connections, some in order and some
// with a reset. The killed process is told nothing more.
func (n *Net[P]) Kill(now time.Duration, h Host) {
	n.advance(now)
	n.deafen(h)
	for _, c := range n.connections() {
		for side := range uint8(2) {
			e := makeEnd(c.id, side)
			if c.ends[side].host != h || n.conns[c.id] == nil {
				continue
			}
			if c.ends[side].state == open && c.dirs[side].rng.chance(1, 2) {
				n.Close(now, e)
			} else if c.ends[side].state <= open && !(side == 1 && c.stage != dialDone) {
				n.Abort(now, e)
			}
		}
	}
}

// Vanish takes the power from a host: nobody is told anything, and what is under way to and from it is lost.
func (n *Net[P]) Vanish(now time.Duration, h Host) {
	n.advance(now)
	n.deafen(h)
	n.down[h] = true
	n.refresh(now)
	for _, c := range n.connections() {
		for side := range uint8(2) {
			if c.ends[side].host != h || n.conns[c.id] == nil {
				continue
			}
			switch {
			case c.stage == dialDone:
				n.leave(c, side, now)
			case side == 0:
				n.forget(c)
			default:
				c.stage, c.refused = dialAsks, false // the dialer asks again
			}
		}
	}
}

// Return gives a host power again. It knows of no connection, and answers what arrives on old ones with resets.
func (n *Net[P]) Return(now time.Duration, h Host) {
	n.advance(now)
	n.down[h] = false
	n.refresh(now)
}

func (n *Net[P]) deafen(h Host) {
	maps.DeleteFunc(n.listeners, func(a Address, _ bool) bool { return a.Host == h })
}
