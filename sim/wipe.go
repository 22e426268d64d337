package sim

import (
	"time"

	"ottla.dev/core"
	"ottla.dev/core/broker"
	"ottla.dev/core/metadata"
	"ottla.dev/core/raft"
	"ottla.dev/core/record"
)

const (
	// wipePatience is how often a machine that is to be wiped looks whether that may be, and stays without power.
	wipePatience = 30
	wipeAgain    = 500 * time.Millisecond
)

// wipe gives the machine an empty disk, if all that must survive is on others: replicas in sync of all its partitions,
// and a majority of the voters. It reports false if the machine is to wait for that.
func (n *node) wipe() bool {
	n.wiping--
	why := n.mayWipe()
	if n.healed {
		why, n.wiping = "healed", 0
	}
	if why != "" && n.wiping > 0 {
		n.restart(wipeAgain)
		return false
	}
	n.wiping = 0
	n.begin("wipe").Word(why).End()
	if why != "" {
		n.fire(firedSpared)
		return true
	}
	n.fire(firedWipe)
	n.newDisk()
	n.before, n.dir, n.firstEnd = nil, n.random.UUID(), n.net.newest+1
	n.observer.cluster.Wiped(n.index, n.disk)
	return true
}

// mayWipe finds what would be lost for ever with the machine's disk; nothing if all is elsewhere. It goes by what the
// active controller knows to be committed, and by what it has decided, and only if there is no doubt who that is.
func (n *node) mayWipe() string {
	p := n.controller()
	if p == nil {
		return "no controller"
	}
	id := core.BrokerID(n.index + 1)
	if why := n.relies(p.Image, id); why != "" {
		return why
	}
	if why := n.relies(p.Draft, id); why != "" {
		return why
	}
	if !n.plan.Dynamic {
		return ""
	}
	if n.now < n.votersUntil {
		return "voters change"
	}
	voters, intact := p.Quorum.Voters(), 0
	for _, v := range voters {
		if v.ID != id && n.Intact(v.ID, v.Directory) {
			intact++
		}
	}
	if voters.Has(raft.Key{ID: id, Directory: n.dir}) && 2*intact <= len(voters) {
		return "majority of the voters"
	}
	return ""
}

// relies finds what metadata rely on a broker's disk for. The broker has to be fenced: while the controller takes it
// for alive, it is in ISRs, a new topic may be placed on the disk that is gone, and when the others are fenced first
// the broker that has nothing is the last known leader.
func (n *node) relies(image *metadata.Image, id core.BrokerID) string {
	if b := image.Broker(id); b != nil && !b.Fenced {
		return "not fenced"
	}
	for t := range image.Topics() {
		for _, part := range t.Partitions {
			name := core.TopicPartition{Topic: t.Name, Partition: part.ID}.String()
			if part.HasReplica(id) && !n.survives(part, id) {
				return name
			}
		}
	}
	return ""
}

// survives reports whether a partition has a leader elsewhere that serves in the life that the controller knows, with
// all of its disk: one that has crashed and has not registered again is going to leave the ISR, and has no claim to
// lead any more.
func (n *node) survives(p *metadata.Partition, id core.BrokerID) bool {
	if p.Leader == core.NoBroker || p.Leader == id || !p.InSync(p.Leader) {
		return false
	}
	leader := n.nodes[p.Leader-1]
	return leader.alive() && leader.proc.see != nil && leader.proc.see.InspectControl().Serving && !leader.crippled()
}

// controller is the active controller, nil if there is a doubt. A majority of the voters is alive and knows of no newer
// one: so there is none that has committed anything, not even one that is without power by now.
func (w *World) controller() *broker.Inspection {
	var found *broker.Inspection
	newest := core.LeaderEpoch(-1)
	for _, n := range w.nodes {
		p, ok := n.quorum()
		if !ok {
			continue
		}
		if p.Quorum.Epoch() > newest {
			newest, found = p.Quorum.Epoch(), nil
		}
		if p.Quorum.Epoch() == newest && p.Controller {
			found = &p
		}
	}
	if found == nil {
		return nil
	}
	voters, here := found.Quorum.Voters(), 0
	for _, v := range voters {
		if _, ok := w.nodes[v.ID-1].quorum(); ok {
			here++
		}
	}
	if 2*here <= len(voters) {
		return nil
	}
	return found
}

// quorum shows what a machine that is alive knows of the metadata quorum. One that is paused has not looked yet at what
// has come meanwhile, such as the heartbeat of a broker that has been killed since, which unfences it.
func (n *node) quorum() (broker.Inspection, bool) {
	if !n.alive() || n.proc.see == nil || n.pausedUntil > n.now {
		return broker.Inspection{}, false
	}
	p := n.proc.see.InspectControl()
	return p, p.Quorum != nil
}

// Intact reports whether a voter's disk is the one that the quorum knows.
func (w *World) Intact(id core.BrokerID, directory core.UUID) bool {
	return int(id) <= len(w.nodes) && w.nodes[id-1].dir == directory
}

// format makes the data folder the node's own, as an operator does for voters that are in the log (KIP-853). Those that
// come later, or with a new disk, get no voters: they observe until somebody adds them.
func (n *node) format() error {
	job := broker.FormatJob{Dirs: []string{logDir}, Metadata: logDir, Node: core.BrokerID(n.index + 1),
		ClusterID: broker.ClusterIDOf(nil), IDs: []core.UUID{n.dir}, Wall: n.wall()}
	if n.Voter && n.disks == 1 {
		for i, m := range n.plan.Machines {
			if m.Voter {
				job.Voters = append(job.Voters, record.Voter{ID: core.BrokerID(i + 1), Directory: n.nodes[i].dir,
					Endpoints: []record.Endpoint{controllerEndpoint(i)}, MaxKRaftVersion: 1})
			}
		}
	}
	job.Run(n.disk.FS(nil))
	return job.Err
}

// formatted reports whether the data folder belongs to a cluster.
func (n *node) formatted() bool {
	_, ok := n.disk.Bytes(logDir + metaFile)
	if !ok {
		_, ok = n.disk.Bytes(logDir + metaFile + ".copy")
	}
	return ok
}

const controllerName = "CONTROLLER"

func controllerEndpoint(node int) record.Endpoint {
	return record.Endpoint{Name: controllerName, Host: hostName(node), Port: controllerPort}
}

// directory returns the id of a node's data folder, for who wants to make it a voter.
func (w *World) directory(id core.BrokerID) core.UUID { return w.nodes[id-1].dir }

// votersChange notes that somebody is about to change the voters, and may be until a while from now.
func (w *World) votersChange(d time.Duration) { w.votersUntil = w.now + d }
