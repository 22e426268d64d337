package nodetest

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"ottla.dev/node"
	"ottla.dev/node/config"
	"ottla.dev/node/nodetest/memdisk"
	"ottla.dev/node/run"
)

// broker is a machine with its disk, and the process on it.
type broker struct {
	cluster  *Cluster
	id       int
	settings *config.Config
	disk     *memdisk.Disk
	shift    atomic.Int64 // of the wall clock

	mu      sync.Mutex
	process *process // nil while there is none
	failure error    // why the last one ended by itself
}

// process is one life of a broker.
type process struct {
	node  *node.Node
	mount *memdisk.Mount
	gate  gate
}

func newBroker(c *Cluster, id int) (*broker, error) {
	settings, err := c.options.load(id)
	return &broker{cluster: c, id: id, settings: settings, disk: memdisk.New()}, err
}

// running returns the broker's node, or nil.
func (b *broker) running() *node.Node {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process == nil {
		return nil
	}
	return b.process.node
}

// start begins a life.
func (b *broker) start() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &process{mount: b.disk.Mount()}
	p.gate.init()
	network := b.cluster.network
	n, err := node.Start(node.Config{
		Settings: b.settings, Version: "nodetest", Log: b.cluster.options.log.With("broker", b.id),
		System: p.mount,
		Listen: func(_, address string) (net.Listener, error) { return network.Listen(address) },
		Dial: func(ctx context.Context, _, address string) (net.Conn, error) {
			return network.Dial(ctx, host(b.id), address)
		},
		Interference: run.Interference{
			Hold: p.gate.pass, Release: p.gate.breakDown,
			Shift: func() time.Duration { return time.Duration(b.shift.Load()) },
		},
	})
	if err != nil {
		p.mount.Kill()
		return err
	}
	p.node = n
	b.process, b.failure = p, nil
	go b.watch(p)
	return nil
}

// watch ends a process whose node has ended by itself.
func (b *broker) watch(p *process) {
	<-p.node.Done()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process == p {
		b.failure = p.node.Err()
		b.cluster.options.log.Error("a broker has ended by itself", "broker", b.id, "reason", b.failure)
		b.endProcess()
	}
}

// kill ends the broker's process, if there is one.
func (b *broker) kill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.endProcess()
}

// endProcess needs the lock.
func (b *broker) endProcess() {
	p := b.process
	if p == nil {
		return
	}
	b.process = nil
	p.mount.Kill()
	p.node.Kill()
}

// gate stops the goroutines of a process.
type gate struct {
	shut atomic.Bool
	mu   sync.Mutex
	open sync.Cond
}

func (g *gate) init() { g.open.L = &g.mu }

// pass waits while the gate is shut.
func (g *gate) pass() {
	if !g.shut.Load() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.shut.Load() {
		g.open.Wait()
	}
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut.Store(shut)
	g.open.Broadcast()
}

// breakDown lets everybody pass. The process has ended.
func (g *gate) breakDown() { g.set(false) }
