package nodetest

import (
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"ottla.dev/linearizability/franz"
	"ottla.dev/node/nodetest/memnet"
)

// Cluster is a cluster in this process. Its methods may be called from any goroutine of the test; those that are about
// a broker take its id, from 1 on, and panic if there is none.
type Cluster struct {
	t        testing.TB
	options  options
	network  *memnet.Network
	brokers  []*broker
	recorder *franz.Recorder
	faults   faults
}

// readyWithin is how long brokers may take to be ready, on the test's clock.
const readyWithin = time.Minute

// Start starts a cluster that ends with the test, and waits until all brokers take connections. In a bubble of
// [testing/synctest] it must be called within the bubble.
func Start(t testing.TB, opts ...Option) *Cluster {
	t.Helper()
	c := &Cluster{t: t, options: options{brokers: usualBrokers, latency: usualLatency,
		log: slog.New(slog.DiscardHandler)}}
	for _, set := range opts {
		set(&c.options)
	}
	if c.options.brokers < 1 || c.options.brokers > mostBrokers {
		t.Fatalf("nodetest: %d brokers, which are not between 1 and %d", c.options.brokers, mostBrokers)
	}
	c.network = memnet.New(c.options.latency)
	c.recorder = franz.NewRecorder(t.Name())
	c.faults = faults{recorder: c.recorder, open: map[string]func(){}}
	t.Cleanup(c.end)
	for i := range c.options.brokers {
		b, err := newBroker(c, i+1)
		if err != nil {
			t.Fatalf("nodetest: the settings are refused:\n%v", err)
		}
		c.brokers = append(c.brokers, b)
	}
	for _, b := range c.brokers {
		if err := b.start(); err != nil {
			t.Fatalf("nodetest: broker %d does not start: %v", b.id, err)
		}
	}
	for _, b := range c.brokers {
		c.AwaitReady(b.id)
	}
	return c
}

// end kills everything. Nothing is left to be read.
func (c *Cluster) end() {
	for _, b := range c.brokers {
		b.kill()
	}
}

// Brokers returns how many brokers the cluster has, dead or alive.
func (c *Cluster) Brokers() int { return len(c.brokers) }

// Addresses returns the brokers' addresses, which [Cluster.Dial] knows, and nobody else.
func (c *Cluster) Addresses() []string {
	var all []string
	for _, b := range c.brokers {
		all = append(all, net.JoinHostPort(host(b.id), fmt.Sprint(clientPort)))
	}
	return all
}

// AwaitReady waits until a broker takes connections, and ends the test if it does not within a minute.
func (c *Cluster) AwaitReady(id int) {
	c.t.Helper()
	n := c.broker(id).running()
	if n == nil {
		c.t.Fatalf("nodetest: broker %d is not running", id)
	}
	timer := time.NewTimer(readyWithin)
	defer timer.Stop()
	select {
	case <-n.Ready():
		c.faults.end(down(id))
	case <-n.Done():
		c.t.Fatalf("nodetest: broker %d has ended: %v", id, n.Err())
	case <-timer.C:
		c.t.Fatalf("nodetest: broker %d is not ready after %s", id, readyWithin)
	}
}

func (c *Cluster) broker(id int) *broker {
	if id < 1 || id > len(c.brokers) {
		panic(fmt.Sprintf("nodetest: there is no broker %d, only 1 to %d", id, len(c.brokers)))
	}
	return c.brokers[id-1]
}
