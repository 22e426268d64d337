package memnet

import (
	"net"
	"sync"
)

// backlog is how many connections a listener keeps that nobody has accepted.
const backlog = 128

// Listener takes connections at an address. Those that come before somebody accepts wait, as TCP's do.
type Listener struct {
	network  *Network
	name     string
	address  *net.TCPAddr
	incoming chan *Conn
	closed   chan struct{}
	once     sync.Once
}

// Accept waits for a connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	case c := <-l.incoming:
		return c, nil
	}
}

// Close ends the listener and the connections that nobody has accepted.
func (l *Listener) Close() error {
	l.once.Do(func() {
		l.network.mu.Lock()
		delete(l.network.listeners, l.name)
		l.network.mu.Unlock()
		close(l.closed)
		for {
			select {
			case c := <-l.incoming:
				c.Close()
			default:
				return
			}
		}
	})
	return nil
}

// Addr returns the address.
func (l *Listener) Addr() net.Addr { return l.address }
