package netsim

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// ringLeast is the size of the smallest ring in which somebody is out of reach.
const ringLeast = 4

// Window is a time during which a fault happens or may strike.
type Window struct {
	Kind Kind
	// From is when it starts, To when it is over.
	From, To time.Duration
	// Hosts and Peers are the two sides; see the kinds. No peers means all hosts that are not in Hosts.
	Hosts, Peers []Host
	// Every makes the fault flap: it is there for so long, then away for so long. 0 is steady.
	Every time.Duration
	// OneIn is how many sends there are for one that is struck, for kinds that strike.
	OneIn uint64
	// Delay and Bandwidth, in bytes a second, belong to Slow. No bandwidth is no limit.
	Delay     time.Duration
	Bandwidth int64
}

// Check tells what is wrong with a window of a network with so many hosts.
func (w *Window) Check(hosts int) error {
	if w.Kind < Partition || w.Kind >= kinds {
		return errors.New("netsim: a window without a kind")
	}
	wrong := func(format string, a ...any) error {
		return fmt.Errorf("netsim: %s: "+format, append([]any{w.Kind}, a...)...)
	}
	if w.From < 0 || w.To <= w.From {
		return wrong("from %v to %v is no time", w.From, w.To)
	}
	if w.Every < 0 || w.Every > 0 && w.Every < time.Millisecond {
		return wrong("flaps every %v, at least 1ms", w.Every)
	}
	for i, h := range slices.Concat(w.Hosts, w.Peers) {
		if h < 0 || int(h) >= hosts {
			return wrong("no host %d", h)
		}
		if i < len(w.Hosts) && slices.Contains(w.Hosts[:i], h) || i >= len(w.Hosts) &&
			slices.Contains(w.Peers[:i-len(w.Hosts)], h) {
			return wrong("host %d twice", h)
		}
	}
	if (w.OneIn > 0) != w.Kind.Strikes() {
		return wrong("one in %d", w.OneIn)
	}
	if w.Kind != Slow && (w.Delay != 0 || w.Bandwidth != 0) ||
		w.Delay < 0 || w.Delay > maxDelay || w.Bandwidth < 0 || w.Bandwidth > maxSpeed {
		return wrong("delay %v, bandwidth %d", w.Delay, w.Bandwidth)
	}
	switch {
	case w.Kind == Isolate && (len(w.Hosts) != 1 || len(w.Peers) > 0):
		return wrong("is of one host")
	case w.Kind == Bridge && (len(w.Hosts) == 0 || len(w.Peers) == 0):
		return wrong("has two groups")
	case w.Kind == Ring && (len(w.Hosts) < ringLeast || len(w.Peers) > 0):
		return wrong("has %d hosts, at least %d, and no peers", len(w.Hosts), ringLeast)
	}
	return nil
}

// ActiveAt is true while the fault is there.
func (w *Window) ActiveAt(at time.Duration) bool {
	return at >= w.From && at < w.To && (w.Every == 0 || (at-w.From)/w.Every%2 == 0)
}

// nextEdge is when the fault comes or goes next, after a time.
func (w *Window) nextEdge(after time.Duration) time.Duration {
	switch {
	case after < w.From:
		return w.From
	case after >= w.To:
		return Never
	case w.Every == 0:
		return w.To
	}
	since := after - w.From
	step := w.Every - since%w.Every
	if step >= w.To-after {
		return w.To
	}
	return after + step
}

// NextEdge is the first time after another at which one of the windows starts, ends or flaps.
func NextEdge(windows []Window, after time.Duration) (at time.Duration, ok bool) {
	at = Never
	for i := range windows {
		at = min(at, windows[i].nextEdge(after))
	}
	return at, at != Never
}

// Covers is true if the fault is on the way of bytes, or of a dial, from one host to another.
func (w *Window) Covers(from, to Host) bool {
	if from == to {
		return false
	}
	switch w.Kind {
	case Partition, Isolate, Bridge, Clog, Swizzle:
		return w.leads(from, to) || w.leads(to, from)
	case Ring:
		return w.apart(from, to)
	}
	return w.leads(from, to)
}

// leads is true for a host of Hosts and one of Peers.
func (w *Window) leads(from, to Host) bool {
	if len(w.Hosts) > 0 && !slices.Contains(w.Hosts, from) {
		return false
	}
	if len(w.Peers) > 0 {
		return slices.Contains(w.Peers, to)
	}
	return len(w.Hosts) == 0 || !slices.Contains(w.Hosts, to)
}

// apart is true for two hosts of the ring that are no neighbours. Each host reaches as many on both sides of it as make
// a majority together with it.
func (w *Window) apart(a, b Host) bool {
	i, j, n := slices.Index(w.Hosts, a), slices.Index(w.Hosts, b), len(w.Hosts)
	if i < 0 || j < 0 {
		return false
	}
	distance := max(i-j, j-i)
	return min(distance, n-distance) > (n/2+1)/2
}

// Condition is what the windows that are active at a time make of the way from one host to another.
type Condition struct {
	// Blocked is why bytes do not pass; 0 if they do.
	Blocked Kind
	// Connect is Refuse or Hang, what dialing is answered with; 0 if nothing keeps it from being answered.
	Connect Kind
	// Delay is added to that of the link, Bandwidth limits it further unless it is 0.
	Delay     time.Duration
	Bandwidth int64
	// Strikes are the indexes of the windows that may strike a send.
	Strikes []int
}

// ConditionAt finds the condition of a way at a time.
func ConditionAt(windows []Window, at time.Duration, from, to Host) (c Condition) {
	for i := range windows {
		w := &windows[i]
		if !w.ActiveAt(at) || !w.Covers(from, to) {
			continue
		}
		switch {
		case w.Kind.Blocks():
			// A partition outlasts a clog: bytes that it holds must be sent again.
			if c.Blocked == 0 || c.Blocked.keeps() {
				c.Blocked = w.Kind
			}
		case w.Kind == Refuse || w.Kind == Hang:
			c.Connect = max(c.Connect, w.Kind)
		case w.Kind == Slow:
			c.Delay = min(c.Delay+w.Delay, maxDelay)
			if c.Bandwidth == 0 || w.Bandwidth > 0 && w.Bandwidth < c.Bandwidth {
				c.Bandwidth = w.Bandwidth
			}
		case w.Kind.Strikes():
			c.Strikes = append(c.Strikes, i)
		}
	}
	return c
}

// On is a link under the condition.
func (c *Condition) On(l Link) Link {
	l.DelayMin += c.Delay / 2
	l.DelayMean += c.Delay
	if c.Bandwidth > 0 && (l.Bandwidth == 0 || c.Bandwidth < l.Bandwidth) {
		l.Bandwidth = c.Bandwidth
	}
	return l
}
