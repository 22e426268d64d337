package proxy

import (
	"net"
	"sync"
	"sync/atomic"

	"ottla.dev/netsim"
)

// socketBuffer is what the system may hold for one side of a connection, in bytes each way.
const socketBuffer = 64 << 10

// tunnel is a connection of the dialer, side 0, with one of ours to the target, side 1.
type tunnel struct {
	path  *path
	conns [2]*net.TCPConn
	pumps [2]*pump
	dark  atomic.Bool      // swallows everything
	ended [2]atomic.Bool   // by us: the other side is not to learn it from here
	doom  [2]atomic.Uint32 // the kind that strikes the next bytes of a side
}

// carry connects an accepted dialer with the target.
func (p *path) carry(c *net.TCPConn) {
	p.fabric.running.Add(1)
	p.fabric.tunnels.Add(1)
	go func() {
		defer p.fabric.running.Done()
		defer p.fabric.tunnels.Add(-1)
		timeout := p.fabric.schedule.Settings.ConnectTimeout
		if timeout == 0 {
			timeout = netsim.DefaultConnectTimeout
		}
		d := net.Dialer{Timeout: timeout}
		server, err := d.DialContext(p.fabric.done, "tcp", p.target)
		if err != nil {
			c.SetLinger(0)
			c.Close()
			return
		}
		t := &tunnel{path: p, conns: [2]*net.TCPConn{c, server.(*net.TCPConn)}}
		for side := range t.pumps {
			t.conns[side].SetReadBuffer(socketBuffer)
			t.conns[side].SetWriteBuffer(socketBuffer)
			t.pumps[side] = newPump(t, side)
		}
		t.run()
	}()
}

// run carries bytes both ways until both are over.
func (t *tunnel) run() {
	p := t.path
	p.mu.Lock()
	p.tunnels[t] = struct{}{}
	p.mu.Unlock()
	var both sync.WaitGroup
	for _, pump := range t.pumps {
		both.Go(pump.read)
		both.Go(pump.write)
	}
	over := make(chan struct{})
	p.fabric.running.Go(func() {
		select {
		case <-p.fabric.done.Done():
			t.reset(0)
			t.reset(1)
		case <-over:
		}
	})
	both.Wait()
	close(over)
	p.mu.Lock()
	delete(p.tunnels, t)
	p.mu.Unlock()
	t.conns[0].Close()
	t.conns[1].Close()
}

// reset ends one side with a reset.
func (t *tunnel) reset(side int) {
	if !t.ended[side].Swap(true) {
		t.conns[side].SetLinger(0)
		t.conns[side].Close()
	}
}

// darken makes the connection swallow everything.
func (t *tunnel) darken() {
	t.dark.Store(true)
	for _, p := range t.pumps {
		nudge(p.kick)
		nudge(p.room)
	}
}

// strike hits the connection as a whole.
func (t *tunnel) strike(k netsim.Kind, side int) {
	switch k {
	case netsim.Reset:
		t.reset(0)
		t.reset(1)
	case netsim.ResetOne:
		t.reset(side)
	case netsim.HalfOpen:
		t.darken()
	}
}
