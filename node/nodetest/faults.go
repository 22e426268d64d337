package nodetest

import (
	"context"
	"fmt"
	"time"
)

// Kill ends a broker's process at once, as kill -9 does. What it has written stays, synced or not.
func (c *Cluster) Kill(id int) {
	c.faults.begin(down(id), "kill")
	c.broker(id).kill()
}

// PowerOff ends a broker's machine, as a power cut does: what it has not synced is gone, and nobody gets an answer from
// it until it is restarted, not even that it is down.
func (c *Cluster) PowerOff(id int) {
	c.faults.begin(down(id), "power-cut")
	b := c.broker(id)
	c.network.PowerOff(host(id))
	b.kill()
	b.disk.Crash()
}

// Stop shuts a broker down in order, and waits until it has ended.
func (c *Cluster) Stop(id int) {
	c.t.Helper()
	c.faults.begin(down(id), "stop")
	b := c.broker(id)
	n := b.running()
	if n == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if err := n.Shutdown(ctx); err != nil {
		c.t.Errorf("nodetest: broker %d does not stop: %v", id, err)
	}
	b.kill()
}

// stopWithin is how long a broker may take to stop.
const stopWithin = time.Minute

// Restart starts a broker that was ended, on its disk as it is now, and waits until it takes connections. One that runs
// is killed before.
func (c *Cluster) Restart(id int) {
	c.t.Helper()
	c.Begin(id)
	c.AwaitReady(id)
}

// Begin is Restart without waiting: for brokers that cannot be ready before others are there.
func (c *Cluster) Begin(id int) {
	c.t.Helper()
	b := c.broker(id)
	b.kill()
	c.network.PowerOn(host(id))
	if err := b.start(); err != nil {
		c.t.Fatalf("nodetest: broker %d does not start: %v", id, err)
	}
}

// Failure says why a broker has ended by itself, as one does whose disk has failed, or nil.
func (c *Cluster) Failure(id int) error {
	b := c.broker(id)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failure
}

// Running reports whether a broker has a process.
func (c *Cluster) Running(id int) bool { return c.broker(id).running() != nil }

// Partition cuts brokers off from the cluster's other brokers, both ways. They reach each other, and clients reach
// everybody: no program must lose anything by talking to the wrong side.
func (c *Cluster) Partition(ids ...int) {
	c.faults.begin("cut", "partition")
	inside := map[int]bool{}
	for _, id := range ids {
		inside[c.broker(id).id] = true
	}
	for _, a := range c.brokers {
		for _, b := range c.brokers {
			if inside[a.id] != inside[b.id] {
				c.network.Cut(host(a.id), host(b.id))
			}
		}
	}
}

// Isolate cuts a broker off from everybody, clients among them.
func (c *Cluster) Isolate(id int) {
	c.Partition(id)
	c.network.Cut(host(id), clientHost)
	c.network.Cut(clientHost, host(id))
}

// Heal ends Partition and Isolate. What was on its way arrives.
func (c *Cluster) Heal() {
	c.network.Heal()
	c.faults.end("cut")
}

// Delay lets everything to and from a broker take so much longer, until it is called with 0.
func (c *Cluster) Delay(id int, more time.Duration) {
	c.faults.set(fmt.Sprint("delay ", id), "delay", more > 0)
	c.network.Delay(host(c.broker(id).id), more)
}

// Pause stops a broker's process as SIGSTOP does, or a long garbage collection: its connections stay, and nothing moves
// until Resume.
func (c *Cluster) Pause(id int) {
	c.faults.begin(fmt.Sprint("pause ", id), "pause")
	c.shut(id, true)
}

// Resume ends Pause.
func (c *Cluster) Resume(id int) {
	c.shut(id, false)
	c.faults.end(fmt.Sprint("pause ", id))
}

func (c *Cluster) shut(id int, shut bool) {
	b := c.broker(id)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process != nil {
		b.process.gate.set(shut)
	}
}

// ClockJump sets a broker's wall clock forward, or back if by is negative. It stays wrong over restarts; jumps add up.
func (c *Cluster) ClockJump(id int, by time.Duration) {
	defer c.recorder.Fault("clock-jump")()
	c.broker(id).shift.Add(int64(by))
}

// FailFsync lets the next sync of a broker's disk fail. The broker must believe nothing of that disk any more: it
// ends by itself, and [Cluster.Failure] says why.
func (c *Cluster) FailFsync(id int) {
	defer c.recorder.Fault("fsync")()
	c.broker(id).disk.FailSyncs(1)
}

// SlowFsync lets each sync of a broker's disk take so long, until it is called with 0.
func (c *Cluster) SlowFsync(id int, each time.Duration) {
	c.faults.set(fmt.Sprint("sync ", id), "slow-disk", each > 0)
	c.broker(id).disk.SlowSyncs(each)
}
