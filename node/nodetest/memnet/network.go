package memnet

import (
	"context"
	"errors"
	"maps"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Network is the hosts and what is between them.
type Network struct {
	latency time.Duration

	mu        sync.Mutex
	listeners map[string]*Listener
	pipes     map[*pipe]struct{}
	cuts      map[way]bool
	extra     map[string]time.Duration // of a host
	off       map[string]bool          // hosts without power
	lastPort  int
	changed   chan struct{} // closed when cuts or off change
}

// way is from one host to another.
type way struct{ from, to string }

// New returns a network in which bytes need the latency from one host to another.
func New(latency time.Duration) *Network {
	return &Network{latency: latency, listeners: map[string]*Listener{}, pipes: map[*pipe]struct{}{},
		cuts: map[way]bool{}, extra: map[string]time.Duration{}, off: map[string]bool{}, lastPort: firstPort,
		changed: make(chan struct{})}
}

// firstPort is where the ports of those who connect begin.
const firstPort = 32768

// Cut keeps what goes from one host to another from arriving.
func (n *Network) Cut(from, to string) {
	n.change(func() { n.cuts[way{from, to}] = true })
}

// Heal ends all cuts.
func (n *Network) Heal() { n.change(func() { clear(n.cuts) }) }

// Delay lets everything to and from a host need more time.
func (n *Network) Delay(host string, more time.Duration) {
	n.change(func() { n.extra[host] = more })
}

// PowerOff takes a host off the network: nobody hears of it.
func (n *Network) PowerOff(host string) { n.change(func() { n.off[host] = true }) }

// PowerOn brings a host back, which knows nothing of its old connections.
func (n *Network) PowerOn(host string) {
	n.mu.Lock()
	was := n.off[host]
	delete(n.off, host)
	pipes := maps.Clone(n.pipes)
	n.mu.Unlock()
	if !was {
		return
	}
	for p := range pipes {
		if p.way.from == host || p.way.to == host {
			p.reset()
		}
	}
	n.change(func() {})
}

// change changes what is between hosts and tells those who wait for it.
func (n *Network) change(do func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	do()
	close(n.changed)
	n.changed = make(chan struct{})
	for p := range n.pipes {
		p.update(n.heldLocked(p.way), n.delayLocked(p.way))
	}
}

func (n *Network) heldLocked(w way) bool { return n.cuts[w] || n.off[w.from] || n.off[w.to] }

func (n *Network) delayLocked(w way) time.Duration {
	return n.latency + n.extra[w.from] + n.extra[w.to]
}

// Dial connects a host to an address. A plain one with a host and a port is all that there is.
func (n *Network) Dial(ctx context.Context, from, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, failed("dial", address, err)
	}
	for range 2 { // there and back
		if err := n.cross(ctx, way{from, host}); err != nil {
			return nil, failed("dial", address, err)
		}
		from, host = host, from
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.listeners[address]
	if l == nil {
		return nil, failed("dial", address, syscall.ECONNREFUSED)
	}
	n.lastPort++
	there, back := n.pipeLocked(way{from, host}), n.pipeLocked(way{host, from})
	near, far := l.address, tcp(from, n.lastPort)
	select {
	case l.incoming <- &Conn{in: there, out: back, local: near, remote: far}:
	default:
		return nil, failed("dial", address, syscall.ECONNREFUSED)
	}
	n.pipes[there], n.pipes[back] = struct{}{}, struct{}{}
	return &Conn{in: back, out: there, local: far, remote: near}, nil
}

// cross waits for as long as a packet needs from one host to another.
func (n *Network) cross(ctx context.Context, w way) error {
	for {
		n.mu.Lock()
		held, delay, changed := n.heldLocked(w), n.delayLocked(w), n.changed
		n.mu.Unlock()
		var arrives <-chan time.Time
		if !held {
			if delay == 0 {
				return ctx.Err()
			}
			timer := time.NewTimer(delay)
			defer timer.Stop()
			arrives = timer.C
			changed = nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-arrives:
			return nil
		case <-changed:
		}
	}
}

// Listen opens a listener at an address: a host and a port.
func (n *Network) Listen(address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, failed("listen", address, err)
	}
	number, err := strconv.Atoi(port)
	if err != nil || number == 0 {
		return nil, failed("listen", address, errors.New("a port is needed"))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[address] != nil {
		return nil, failed("listen", address, syscall.EADDRINUSE)
	}
	l := &Listener{network: n, name: address, address: tcp(host, number), incoming: make(chan *Conn, backlog),
		closed: make(chan struct{})}
	n.listeners[address] = l
	return l, nil
}

func tcp(host string, port int) *net.TCPAddr { return &net.TCPAddr{IP: net.ParseIP(host), Port: port} }

func failed(op, address string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: name(address), Err: err}
}

// name is an address that nobody was found at.
type name string

func (n name) Network() string { return "tcp" }
func (n name) String() string  { return string(n) }
