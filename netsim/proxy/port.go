//go:build unix

package proxy

import (
	"net"
	"syscall"
	"time"
)

// port is an address on loopback that stays ours while nobody listens on it: a socket is bound to it that never
// listens, so that dials are refused and nobody else gets the number.
type port struct {
	addr    string
	holder  int
	l       *net.TCPListener
	fillers []net.Conn // occupy the listener's queue
}

func newPort(listen string) (*port, error) {
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	a, err := net.ResolveTCPAddr("tcp4", listen)
	if err != nil {
		return nil, err
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(fd)
	sa := &syscall.SockaddrInet4{Port: a.Port, Addr: [4]byte{127, 0, 0, 1}}
	if ip := a.IP.To4(); ip != nil {
		copy(sa.Addr[:], ip)
	}
	p := &port{holder: fd}
	if err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err == nil {
		err = syscall.Bind(fd, sa)
	}
	var name syscall.Sockaddr
	if err == nil {
		name, err = syscall.Getsockname(fd)
	}
	if err != nil {
		syscall.Close(fd)
		return nil, err
	}
	bound := name.(*syscall.SockaddrInet4)
	p.addr = (&net.TCPAddr{IP: bound.Addr[:], Port: bound.Port}).String()
	return p, nil
}

// listen makes the port take dials, if it does not.
func (p *port) listen() error {
	if p.l != nil {
		return nil
	}
	l, err := net.Listen("tcp4", p.addr)
	if err == nil {
		p.l = l.(*net.TCPListener)
	}
	return err
}

// backlog sets how many dials the system answers before they are accepted.
func (p *port) backlog(n int) {
	if raw, err := p.l.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { syscall.Listen(int(fd), n) })
	}
}

// fillTime is how long filling the queue may take; it takes long only if the queue is full.
const fillTime = 100 * time.Millisecond

// hang makes dials wait without an answer: the queue of those that wait to be accepted is as short as can be, and full.
func (p *port) hang() {
	p.backlog(0)
	if c, err := net.DialTimeout("tcp4", p.addr, fillTime); err == nil {
		p.fillers = append(p.fillers, c)
	}
}

// unhang ends it. Our own connections are accepted and known by their address.
func (p *port) unhang() {
	p.backlog(syscall.SOMAXCONN)
}

// filler is true for a connection that hang made; it is over then.
func (p *port) filler(c net.Conn) bool {
	for i, own := range p.fillers {
		if own.LocalAddr().String() == c.RemoteAddr().String() {
			own.Close()
			p.fillers = append(p.fillers[:i], p.fillers[i+1:]...)
			return true
		}
	}
	return false
}

// refuse ends listening; what waits to be accepted is reset by the system.
func (p *port) refuse() {
	if p.l != nil {
		p.l.Close()
		p.l = nil
	}
	for _, c := range p.fillers {
		c.Close()
	}
	p.fillers = nil
}

// release gives the port back.
func (p *port) release() {
	p.refuse()
	syscall.Close(p.holder)
}
