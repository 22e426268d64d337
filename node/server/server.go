package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ottla.dev/core"
	"ottla.dev/node/disk"
	"ottla.dev/node/run"
)

// Config is the server's settings, by their Kafka names.
type Config struct {
	// MaxRequest is socket.request.max.bytes.
	MaxRequest int32
	// MaxConnections is max.connections; MaxPerHost is max.connections.per.ip, with its overrides by address.
	MaxConnections int
	MaxPerHost     int
	HostLimits     map[string]int
	// IdleTimeout is connections.max.idle.ms: also the longest time for which a client may take no byte of its answers.
	// Negative is never.
	IdleTimeout time.Duration
	// ReceiveBuffer and SendBuffer are socket.receive.buffer.bytes and socket.send.buffer.bytes; -1 leaves the
	// system's.
	ReceiveBuffer int
	SendBuffer    int
	// QueuedBytes is the budget for requests above 64 KiB, like queued.max.request.bytes, but always on.
	QueuedBytes int64
	// Listen opens a listener, whose connections are of the kernel's or a [Stream]; nil stands for [net.Listen].
	Listen func(network, address string) (net.Listener, error)
	// RetainedBytes is how much memory of idle read buffers is kept.
	RetainedBytes int64
}

// Broker makes the machine of a connection.
type Broker interface {
	NewSession(id uint32, listener string) core.Machine
}

// Server is the listeners and connections of one broker.
type Server struct {
	config  Config
	engine  *run.Engine
	broker  Broker
	files   func(core.Address) *disk.Table
	log     *slog.Logger
	buffers buffers
	budget  *budget
	lent    atomic.Int64 // bytes of large frames that sessions have
	ranges  ranges

	// Counters. Bytes that were sent are counted by the way they took, see SentBy.
	FramesIn, FramesOut atomic.Int64
	BytesIn             atomic.Int64
	Sent                [bySendfile + 1]atomic.Int64
	Accepted, Refused   atomic.Int64

	nextID    atomic.Uint32
	listeners []*listener
	serving   sync.WaitGroup

	mu       sync.Mutex
	admitted int
	hosts    map[string]int
	conns    map[*conn]struct{} // those whose sessions have started
	closed   bool
}

type listener struct {
	name      string
	socket    net.Listener
	accepting bool
}

// New returns a server without listeners. Files gives the table of the machine that owns a file range.
func New(cfg Config, e *run.Engine, b Broker, files func(core.Address) *disk.Table, log *slog.Logger) *Server {
	return &Server{
		config: cfg, engine: e, broker: b, files: files, log: log,
		buffers: buffers{retain: cfg.RetainedBytes}, budget: newBudget(cfg.QueuedBytes),
		conns: make(map[*conn]struct{}), hosts: make(map[string]int),
	}
}

// Bind opens a listener without accepting yet, and returns its address, in which the system may have chosen the port.
func (s *Server) Bind(name, address string) (*net.TCPAddr, error) {
	listen := s.config.Listen
	if listen == nil {
		listen = net.Listen
	}
	socket, err := listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s of listener %s is in use by another program; "+
			"stop it, or choose another port with listeners", address, name)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s for listener %s: %w", address, name, err)
	}
	l := &listener{name: name, socket: socket}
	s.listeners = append(s.listeners, l)
	return l.socket.Addr().(*net.TCPAddr), nil
}

// Accept begins to take connections on the listeners whose names serves wants. It takes each listener once.
func (s *Server) Accept(serves func(name string) bool) {
	for _, l := range s.listeners {
		if l.accepting || !serves(l.name) {
			continue
		}
		l.accepting = true
		s.serving.Add(1)
		go s.accept(l)
	}
}

// acceptPauseMost bounds the pause after a failed accept, which is mostly a want of file descriptors.
const acceptPauseMost = time.Second

func (s *Server) accept(l *listener) {
	defer s.serving.Done()
	pause := 5 * time.Millisecond
	for {
		socket, err := l.socket.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.log.Warn("cannot accept a connection", "listener", l.name, "error", err)
			time.Sleep(pause)
			pause = min(2*pause, acceptPauseMost)
			continue
		}
		pause = 5 * time.Millisecond
		s.welcome(l, socket)
	}
}

// welcome starts a connection, or closes it if there are too many.
func (s *Server) welcome(l *listener, socket net.Conn) {
	host := "unknown"
	if addr, ok := socket.RemoteAddr().(*net.TCPAddr); ok {
		host = addr.IP.String()
	}
	c, err := newConn(s, socket, host)
	if err == nil {
		err = s.admit(host)
	}
	if err != nil {
		s.Refused.Add(1)
		s.log.Debug("connection refused", "client", host, "error", err)
		socket.Close()
		return
	}
	s.prepare(socket)
	s.Accepted.Add(1)
	id := s.nextID.Add(1)
	c.session = s.engine.AddSession(id, s.broker.NewSession(id, l.name), c)
	if s.config.IdleTimeout >= 0 {
		c.timeOut(s.config.IdleTimeout)
	}
	go func() {
		defer s.serving.Done()
		c.serve()
	}()
}

// prepare sets the socket's options. Go has set TCP_NODELAY and keep-alive probes already.
func (s *Server) prepare(conn net.Conn) {
	socket, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	if s.config.ReceiveBuffer > 0 {
		socket.SetReadBuffer(s.config.ReceiveBuffer)
	}
	if s.config.SendBuffer > 0 {
		socket.SetWriteBuffer(s.config.SendBuffer)
	}
}

var (
	errClosed   = errors.New("the broker is stopping")
	errTooMany  = errors.New("max.connections is reached")
	errHostFull = errors.New("max.connections.per.ip is reached")
)

// admit counts a connection that is about to start, or says why there must be no more.
func (s *Server) admit(host string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit, ok := s.config.HostLimits[host]
	if !ok {
		limit = s.config.MaxPerHost
	}
	switch {
	case s.closed:
		return errClosed
	case s.admitted >= s.config.MaxConnections:
		return errTooMany
	case s.hosts[host] >= limit:
		return errHostFull
	}
	s.admitted++
	s.hosts[host]++
	s.serving.Add(1)
	return nil
}

// opened lists a connection whose session has started. It reports false if the server was closed meanwhile.
func (s *Server) opened(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
	return !s.closed
}

// ended forgets a connection, once.
func (s *Server) ended(c *conn, reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.admitted--
	if s.hosts[c.host]--; s.hosts[c.host] == 0 {
		delete(s.hosts, c.host)
	}
	if reason != errEnd && reason != errKilled {
		s.log.Debug("connection ended", "client", c.host, "reason", reason)
	}
}

// Connections returns how many connections are open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.admitted
}

// SentBy names the ways that bytes take to clients, in the order of [Server.Sent].
func SentBy() []string { return []string{"copy", "mapping", "sendfile"} }

// QueuedBytes returns the bytes of large requests in memory.
func (s *Server) QueuedBytes() int64 { return s.budget.inUse() }

// StopAccepting closes the listeners whose names which wants. Connections live on.
func (s *Server) StopAccepting(which func(name string) bool) {
	for _, l := range s.listeners {
		if which(l.name) {
			l.socket.Close()
		}
	}
}

// Every names all listeners.
func Every(string) bool { return true }

// Close ends all connections and waits for their goroutines as long as ctx allows.
func (s *Server) Close(ctx context.Context) error {
	s.StopAccepting(Every)
	s.mu.Lock()
	s.closed = true
	open := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		open = append(open, c)
	}
	s.mu.Unlock()
	for _, c := range open {
		c.kill()
	}
	ended := make(chan struct{})
	go func() {
		s.serving.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
