package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/broker"
	"ottla.dev/core/wire"
	"ottla.dev/node/config"
	"ottla.dev/node/disk"
	"ottla.dev/node/metrics"
	"ottla.dev/node/peer"
	"ottla.dev/node/run"
	"ottla.dev/node/server"
)

// Config is what a node is started with.
type Config struct {
	Settings *config.Config
	Version  string
	// Metrics is the address for Prometheus, empty for none.
	Metrics string
	Log     *slog.Logger
	// Dial makes the connections to other nodes; nil stands for a plain net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Listen opens the listeners; nil stands for [net.Listen]. See [server.Stream].
	Listen func(network, address string) (net.Listener, error)
	// System holds the data folders; nil stands for this machine's.
	System disk.System
	// Interference is for tests.
	Interference run.Interference

	// compose replaces the machines in tests.
	compose func(settings *config.Config, version string, told []config.Listener) Machines
}

// Node is a running broker.
type Node struct {
	log      *slog.Logger
	dirs     []string
	offline  atomic.Int64 // data folders that are not used any more
	disk     *disk.Disk
	engine   *run.Engine
	server   *server.Server
	metrics  *metrics.Metrics
	links    []*peer.Links
	machines Machines
	bound    []config.Listener
	// controllers are the names of the listeners that serve the metadata quorum.
	controllers []string
	address     net.Addr // of the metrics

	ready   chan struct{}
	stopped chan struct{}
	done    chan struct{}
	end     sync.Once

	mu       sync.Mutex
	identity broker.Identity
	err      error
}

// Start locks the data folders, opens the listeners and starts the broker, which is Ready some time later. An error is
// a sentence that says what to do.
func Start(cfg Config) (*Node, error) {
	dirs := cfg.Settings.DataDirs
	system := cfg.System
	if system == nil {
		system = disk.Kernel{}
	}
	d, err := disk.OpenOn(system, cfg.Settings.MetadataDir, dirs...)
	if err != nil {
		return nil, err
	}
	n := &Node{log: cfg.Log, dirs: dirs, disk: d,
		ready: make(chan struct{}), stopped: make(chan struct{}), done: make(chan struct{})}
	n.engine = run.New((*host)(n), d.FS())
	n.engine.Interfere(cfg.Interference)
	serve := serverConfig(cfg.Settings, d.Connections())
	serve.Listen = cfg.Listen
	n.server = server.New(serve, n.engine, sessions{n}, n.table, cfg.Log)
	if err := n.open(cfg); err != nil {
		n.server.StopAccepting(server.Every)
		d.Close()
		return nil, err
	}
	n.engine.Start()
	return n, nil
}

// open binds the listeners, makes the machines, and gives each its files.
func (n *Node) open(cfg Config) error {
	for i, l := range slices.Concat(cfg.Settings.Listeners, cfg.Settings.Controllers) {
		addr, err := n.server.Bind(l.Name, l.Address())
		if err != nil {
			return err
		}
		if l.Port = uint16(addr.Port); i < len(cfg.Settings.Listeners) {
			n.bound = append(n.bound, l)
		} else {
			n.controllers = append(n.controllers, l.Name)
		}
	}
	n.metrics = metrics.New(n.engine, n.disk, n.server, n.OfflineDirs)
	if cfg.Metrics != "" {
		addr, err := n.metrics.Listen(cfg.Metrics)
		if err != nil {
			return err
		}
		n.address = addr
	}
	makeMachines := compose
	if cfg.compose != nil {
		makeMachines = cfg.compose
	}
	n.machines = makeMachines(cfg.Settings, cfg.Version, n.told(cfg.Settings.Advertised))
	n.engine.AddControl(n.machines.Control(), n.disk.Table(n.engine))
	for i := range uint32(n.machines.Shards()) {
		n.engine.AddShard(n.machines.Shard(i), n.disk.Table(n.engine))
	}
	for _, a := range append([]*run.Actor{n.engine.Control()}, n.engine.Shards()...) {
		links := peer.New(func(in core.Input) { n.engine.Deliver(a, in) }, cfg.Dial)
		a.Connect(links)
		n.links = append(n.links, links)
	}
	return nil
}

// told gives the advertised listeners the ports that the system chose for listeners with port 0.
func (n *Node) told(advertised []config.Listener) []config.Listener {
	told := make([]config.Listener, 0, len(advertised))
	for _, l := range advertised {
		for _, b := range n.bound {
			if l.Port == 0 && l.Name == b.Name {
				l.Port = b.Port
			}
		}
		told = append(told, l)
	}
	return told
}

// serverConfig reads the server's settings. The system allows no more than most connections.
//
// Kafka's default for the buffers of sockets, 100 KiB, turns the system's own tuning off; they are set only if somebody
// has asked for it, which saves a fifth of the broker's time on large records.
func serverConfig(c *config.Config, most int) server.Config {
	b := &c.Broker
	limits := make(map[string]int)
	for _, l := range b.ConnectionsPerIPOverrides {
		for _, address := range addresses(l.Host) {
			limits[address] = int(l.Max)
		}
	}
	idle := time.Duration(b.ConnectionsMaxIdleMs) * time.Millisecond
	if b.ConnectionsMaxIdleMs > int64(time.Duration(1<<63-1)/time.Millisecond) {
		idle = -1
	}
	return server.Config{
		MaxRequest:     b.SocketRequestMaxBytes,
		MaxConnections: min(int(b.ConnectionsMax), most),
		MaxPerHost:     int(b.ConnectionsPerIPMax),
		HostLimits:     limits,
		IdleTimeout:    idle,
		ReceiveBuffer:  asked(c, "socket.receive.buffer.bytes", b.SocketReceiveBufferBytes),
		SendBuffer:     asked(c, "socket.send.buffer.bytes", b.SocketSendBufferBytes),
		QueuedBytes:    memory() / queuedShare,
		RetainedBytes:  retainedMost,
	}
}

// addresses returns the addresses of a host, which may be one itself, in the form in which clients' addresses come.
func addresses(host string) []string {
	if ip := net.ParseIP(host); ip != nil {
		return []string{ip.String()}
	}
	found, err := net.LookupHost(host)
	if err != nil {
		return nil
	}
	return found
}

// asked returns a setting's value if it was given, and -1 otherwise.
func asked(c *config.Config, key string, value int32) int {
	if _, ok := c.Static[key]; !ok {
		return -1
	}
	return int(value)
}

// sessions makes machines for connections, whatever listener they came by.
type sessions struct{ node *Node }

func (s sessions) NewSession(id uint32, listener string) core.Machine {
	classes := wire.ClassClient
	if slices.Contains(s.node.controllers, listener) {
		classes |= wire.ClassBroker | wire.ClassRaft
	}
	return s.node.machines.NewSession(id, classes)
}

// table returns the files of a machine.
func (n *Node) table(owner core.Address) *disk.Table { return n.engine.Files(owner).(*disk.Table) }

// Ready is closed when the broker accepts connections.
func (n *Node) Ready() <-chan struct{} { return n.ready }

// Done is closed when the node has ended, or must: see Err.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err says why the node ended without being asked, or nil.
func (n *Node) Err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

// Identity says who the broker is, once it is Ready.
func (n *Node) Identity() broker.Identity {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.identity
}

// Listeners returns the listeners with their ports.
func (n *Node) Listeners() []config.Listener { return n.bound }

// MetricsAddress returns where the metrics are served, or nil.
func (n *Node) MetricsAddress() net.Addr { return n.address }

// DataDirs returns the data folders.
func (n *Node) DataDirs() []string { return n.dirs }

// OfflineDirs returns how many data folders are not used any more, because they have failed.
func (n *Node) OfflineDirs() int64 { return n.offline.Load() }

// errUnclean is the error of a shutdown that the broker did not finish in time. Nothing acknowledged is lost by it; the
// next start checks the logs as after a crash.
var errUnclean = errors.New("the broker did not stop in time; it will check its logs at the next start")

// Shutdown asks the broker to stop and waits for it as long as ctx allows. After an error the process must end.
func (n *Node) Shutdown(ctx context.Context) error {
	// The other nodes need this one until it has handed over what it led.
	n.server.StopAccepting((*host)(n).clientListener)
	n.engine.Shutdown()
	select {
	case <-n.stopped:
	case <-n.done:
		return n.Err()
	case <-ctx.Done():
		return errUnclean
	}
	if err := n.server.Close(ctx); err != nil {
		n.log.Warn("connections did not end in time", "error", err)
	}
	n.metrics.Close(ctx)
	for _, l := range n.links {
		l.Close()
	}
	n.engine.Stop()
	n.disk.Close()
	n.finish(nil)
	return nil
}

// Kill ends the node as the end of its process does, and waits for its goroutines. What it has written stays, synced or
// not. It is for tests that have several nodes in one process, and for nodes that have ended by themselves: see Done.
func (n *Node) Kill() {
	ctx := context.Background()
	n.engine.Kill()
	n.server.Close(ctx)
	n.metrics.Close(ctx)
	for _, l := range n.links {
		l.Close()
	}
	n.disk.Close()
	n.finish(nil)
}

func (n *Node) finish(err error) {
	n.end.Do(func() {
		n.mu.Lock()
		n.err = err
		n.mu.Unlock()
		close(n.done)
	})
}

// host is what the engine tells the node.
type host Node

// Listen opens the broker for clients.
func (h *host) Listen() {
	h.mu.Lock()
	h.identity = h.machines.Identity()
	h.mu.Unlock()
	h.server.Accept(h.clientListener)
	close(h.ready)
}

// ListenQuorum opens the listeners of the controller.
func (h *host) ListenQuorum() {
	h.server.Accept(func(name string) bool { return !h.clientListener(name) })
}

func (h *host) clientListener(name string) bool { return !slices.Contains(h.controllers, name) }

// Stopped ends the wait of Shutdown.
func (h *host) Stopped() { close(h.stopped) }

// Halt ends the node with a machine's reason.
func (h *host) Halt(from core.Address, why string) {
	n := (*Node)(h)
	n.log.Error("the broker stops at once", "machine", from.String(), "reason", why)
	n.finish(errors.New(why))
}

// Offline counts a data folder that is not used any more. A note says why.
func (h *host) Offline(string) { h.offline.Add(1) }

// Note writes a machine's sentence to the log.
func (h *host) Note(from core.Address, note core.Note) {
	h.log.Log(context.Background(), level(note.Severity), note.Text, "machine", from.String())
}

func level(s core.Severity) slog.Level {
	switch s {
	case core.Info:
		return slog.LevelInfo
	case core.Warn:
		return slog.LevelWarn
	case core.Fail:
		return slog.LevelError
	}
	return slog.LevelError
}
