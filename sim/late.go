package sim

import (
	"encoding/binary"
	"time"

	"ottla.dev/core"
	"ottla.dev/netsim"
	"ottla.dev/sim/fault"
)

func (w *World) planLates() {
	lates := w.plan.Stream(fault.StreamLates)
	w.lates = lates.Fork(1)
}

// late reports whether what arrives at a session is to come later, with all that comes behind it. Whether it is a
// request that may be late is drawn when it arrives, if it comes alone: it is in the network until then.
func (w *World) late(x *wired, e *netsim.Event[[]byte]) bool {
	switch {
	case x.kept == nil:
	case e == x.kept:
		x.kept = nil
		return false
	default:
		later := *e
		w.after(max(x.held-w.now, 0), func() { w.happens(&later) })
		return true
	}
	const apiEnds = 6
	if len(w.plan.Lates) == 0 || x.conn == nil || e.Kind != netsim.Arrived || w.healed ||
		len(x.conn.stream) > 0 || len(e.Payload) < apiEnds ||
		int(binary.BigEndian.Uint32(e.Payload)) != len(e.Payload)-4 {
		return false
	}
	api := int16(binary.BigEndian.Uint16(e.Payload[apiEnds-2:]))
	for _, l := range w.plan.Lates {
		if l.API != api || !w.lates.Chance(1, l.OneIn) {
			continue
		}
		d, later := time.Duration(w.lates.Between(1, int64(l.For))), *e
		x.held, x.kept = w.now+d, &later
		w.fire(firedLate)
		if int(e.Peer) >= len(w.nodes) {
			w.fire(firedClientLate)
		}
		w.trace.Begin(w.now, "late").Num("end", int64(e.End)).Num("api", int64(api)).Num("us", d.Microseconds()).End()
		w.after(d, func() { w.happens(&later) })
		if from := w.net.wires[e.End.Peer()]; from != nil && !from.orphan() {
			// It hears of no answer. Its end stays, for what is in the network.
			w.net.wires[from.end] = &wired{end: from.end, host: from.host, up: true}
			w.broken(from, core.ErrNotExist)
		}
		return true
	}
	return false
}
