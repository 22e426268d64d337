package sim

import (
	"time"

	"ottla.dev/core"
	"ottla.dev/core/broker"
	"ottla.dev/sim/check"
	"ottla.dev/sim/fault"
)

// lookEvery is how many events pass between two looks at all brokers.
const lookEvery = 20

// observer looks at the brokers of a cluster from outside, between their steps, and has package check judge what it
// sees.
type observer struct {
	world     *World
	cluster   *check.Cluster
	events    int
	every     int
	scanAt    time.Duration
	unsettled string // what stands in the way of the end
}

// scanEvery is the time between two readings of all logs.
const scanEvery = 5 * time.Second

func newObserver(w *World) *observer {
	o := &observer{world: w, cluster: check.NewCluster(len(w.nodes), w.ledger, w.fail), every: lookEvery}
	for i := range w.plan.Topics {
		if w.plan.Lossy(i) {
			o.every = 1 // an election that loses something must be known before anybody is told what it has left
		}
	}
	o.cluster.Lossy = func(p core.TopicPartition) {
		w.trace.Begin(w.now, "unclean").Word(p.String()).End()
		w.fire(firedUnclean)
	}
	return o
}

// look judges what all brokers are like now.
func (o *observer) look() {
	if o.events++; o.events%o.every != 0 {
		return
	}
	w := o.world
	for _, n := range w.nodes {
		if n.alive() && n.proc.probe != nil {
			p := n.proc.probe()
			o.cluster.Look(n.index, n.starts, &p)
		}
	}
	if w.now >= o.scanAt {
		o.scanAt = w.now + scanEvery
		o.scan()
	}
}

func (o *observer) scan() {
	for _, n := range o.world.nodes {
		o.cluster.Scan(n.index, n.disk, logDir)
	}
}

// stopped notes that a broker's process has ended. Its disk is as it will be found.
func (o *observer) stopped(n *node, kind fault.StopKind) {
	if kind == fault.Crash && o.world.ledger.PowerCut() > 0 {
		o.world.fire(firedCaching)
	}
	o.cluster.Scan(n.index, n.disk, logDir)
}

// settled reports whether the cluster has come to rest (L1): one controller, everybody serving, every partition led and
// all its replicas in sync.
func (o *observer) settled() bool {
	var probes []broker.Probe
	for _, n := range o.world.nodes {
		if !n.alive() || !n.proc.listening {
			o.unsettled = " broker " + itoa(n.index+1) + " is not open;"
			return false
		}
		probes = append(probes, n.proc.probe())
	}
	if o.unsettled = check.Settled(probes); o.unsettled == "" {
		o.scan()
		return true
	}
	return false
}
