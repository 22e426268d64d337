package sim

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/broker"
	"ottla.dev/core/partition"
	"ottla.dev/sim/check"
	"ottla.dev/sim/disk"
	"ottla.dev/sim/fault"
)

// observer looks at the brokers from outside, after each of their steps, and has package check judge what it sees.
type observer struct {
	world     *World
	cluster   *check.Cluster
	unsettled string // what stands in the way of the end
}

func newObserver(w *World) *observer {
	o := &observer{world: w}
	var disks []*disk.Disk
	for _, n := range w.nodes {
		disks = append(disks, n.disk)
	}
	o.cluster = check.NewCluster(disks, w.ledger, w.fail)
	o.cluster.Met = func(node int, what check.Moment) { w.nodes[node].meet(moment{on: moments[what]}) }
	o.cluster.Wall = func(node int) core.Timestamp { return w.nodes[node].wall() }
	o.cluster.Followers = func(node, shard int, r *partition.Replica) []partition.FollowerSeen {
		p := w.nodes[node].proc
		return p.see.InspectFollowers(shard, w.nodes[node].instant(p), r)
	}
	o.cluster.Clock = func() time.Duration { return w.now }
	o.cluster.Books = func(node, shard int) string {
		p := w.nodes[node].proc
		return p.see.InspectBooks(shard, w.nodes[node].instant(p))
	}
	o.cluster.Sleepers = func(node, shard int) string { return w.nodes[node].proc.see.InspectSleepers(shard) }
	o.cluster.ControlBooks = func(node int) string { return w.nodes[node].proc.see.InspectControlBooks() }
	o.cluster.Lossy = func(p core.TopicPartition) {
		w.trace.Begin(w.now, "unclean").Word(p.String()).End()
		w.fire(firedUnclean)
	}
	return o
}

// stepped judges what the step of a machine has changed.
func (o *observer) stepped(n *node, a *actor) {
	p := n.proc
	if p.see == nil {
		return
	}
	switch a.address.Role {
	case core.RoleControl:
		seen := p.see.InspectControl()
		o.cluster.Control(n.index, n.starts, seen.Quorum, seen.Image)
		o.tidied(n, &seen)
		o.sessions(n, &seen)
	case core.RoleShard:
		i := int(a.address.Index)
		o.cluster.Shard(n.index, n.starts, i, p.see.InspectShard(i))
		p.see.InspectCoordinators(i, func(p *broker.CoordinatorInspection) { o.cluster.Coordinator(n.index, p) })
	case core.RoleSession:
	}
	if w := o.world; w.net != nil && w.now >= o.cluster.KeepAt() {
		o.cluster.KeepUp(w.now, w.works)
	}
}

// comes takes note of what a broker tells a controller, before the controller gets it.
func (o *observer) comes(n *node, a *actor, in *core.Input) {
	if n.net == nil || a.address.Role != core.RoleControl || in.Kind != core.InputMessage {
		return
	}
	op, ok := in.Message.(*api.ControlOp)
	if !ok {
		return
	}
	switch r := op.Request.(type) {
	case *kmsg.BrokerHeartbeatRequest:
		o.cluster.Beaten(o.world.now, n.index, core.BrokerID(r.BrokerID))
	case *kmsg.BrokerRegistrationRequest:
		o.cluster.Beaten(o.world.now, n.index, core.BrokerID(r.BrokerID))
	}
}

// sessions judges whom an active controller takes for alive.
func (o *observer) sessions(n *node, seen *broker.Inspection) {
	if n.net == nil || seen.Quorum == nil {
		return
	}
	o.cluster.Sessions(o.world.now, n.index, n.starts, seen.Quorum.Epoch(), seen.Draft, func(since time.Duration) bool {
		return o.world.works(n.index, since)
	})
}

// works reports whether a machine has been at its work since a time, neither paused nor about to end.
func (w *World) works(node int, since time.Duration) bool {
	n := w.nodes[node]
	return n.alive() && n.proc.listening && n.pausedUntil <= since && n.stopping == 0
}

// tidied judges the log directories when a start has put them in order, before anything is made or deleted.
func (o *observer) tidied(n *node, seen *broker.Inspection) {
	p := n.proc
	if p.tidied || seen.Image == nil || broker.Phases()[p.see.InspectPhase()] != "loading" {
		return
	}
	p.tidied = true
	for _, dir := range n.plan.DirNames() {
		// One that fails while it is tidied is left alone until the next start.
		if !slices.Contains(p.offline, dir) && !slices.Contains(seen.Failed, dir) && !n.inDeadDir(dir) {
			o.cluster.Tidied(n.index, dir, seen.Image)
		}
	}
}

// stopped notes that a broker's process has ended. Its disk is as it will be found.
func (o *observer) stopped(n *node, kind fault.StopKind, closing bool) {
	if kind == fault.Crash && n.net != nil && o.world.ledger.PowerCut() > 0 {
		o.world.fire(firedCaching)
	}
	o.cluster.Stopped(n.index, check.Ending{Clean: kind == fault.Clean, Served: n.proc.listening, Closing: closing})
}

// settled reports whether the cluster has come to rest (L1): one controller, everybody serving, every partition led and
// all its replicas in sync.
func (o *observer) settled() bool {
	var probes []broker.Inspection
	for _, n := range o.world.nodes {
		if !n.alive() || !n.proc.listening {
			o.unsettled = " broker " + itoa(n.index+1) + " is not open;"
			return false
		}
		probes = append(probes, n.proc.see.Inspect())
	}
	if o.unsettled = check.Settled(probes); o.unsettled == "" && !o.world.repaired() {
		o.unsettled = o.world.rots.why
	}
	if o.unsettled == "" {
		o.unsettled = o.world.alike()
	}
	if o.unsettled == "" {
		o.unsettled = o.cluster.StartsAlike()
	}
	return o.unsettled == ""
}
