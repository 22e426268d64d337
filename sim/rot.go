package sim

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/metadata"
	"ottla.dev/core/partition"
	"ottla.dev/sim/check"
	"ottla.dev/sim/disk"
	"ottla.dev/sim/fault"
)

// rots is the budget of damage: one machine at a time is damaged, and everything that it has is elsewhere.
type rots struct {
	victim *node // until its damage is repaired
	why    string
	random core.PRNG
}

const (
	// rotPatience is how often a damage looks whether it may strike, and rotAgain the pause.
	rotPatience = 45
	rotAgain    = 300 * time.Millisecond
	page        = 4096
)

func (w *World) planRots() {
	w.rots.random = w.plan.Stream(fault.StreamRot)
	for i := range w.plan.Rots {
		r := &w.plan.Rots[i]
		w.after(r.At, func() { w.nodes[r.Node].rotPlanned(r, rotPatience) })
	}
	if len(w.plan.Rots) > 0 {
		w.after(rotAgain, w.watchRot)
	}
}

// watchRot looks again and again whether the damage is repaired.
func (w *World) watchRot() {
	w.repaired()
	if !w.finishing {
		w.after(rotAgain, w.watchRot)
	}
}

// rotPlanned stops the process, if the damage is not to strike below it, and damages its files when that may be.
func (n *node) rotPlanned(r *fault.Rot, patience int) {
	if n.healed || patience == 0 {
		n.fire(firedSoundLeft)
		return
	}
	below := r.Kind == 0 || r.Harm == fault.Lying
	early := below && n.mayRot(r) != ""
	if r.Harm == fault.Lying {
		early = !n.alive() || !n.mayLose()
	}
	if n.rots.victim != nil || n.stopping > 0 || early || !below && n.rotsSoon() {
		n.after(rotAgain, func() { n.rotPlanned(r, patience-1) })
		return
	}
	if below {
		n.rot(r)
		return
	}
	n.rotting, n.rotWait = r, rotPatience
	switch {
	case !n.alive():
	case r.Kind == fault.Clean && n.proc.listening:
		n.again, n.crashAfter = nil, 0
		n.shutdown(n.proc)
	case r.Kind != fault.Clean:
		n.again, n.crashAfter = nil, 0
		n.stop(r.Kind)
		n.restart(r.Down)
	}
}

// rotStopped damages the files of a process that is not there, if that may be. It reports false if the machine is to
// wait for that.
func (n *node) rotStopped() bool {
	why := n.mayRot(n.rotting)
	if n.healed {
		why, n.rotWait = "healed", 1
	}
	if n.rotWait--; why != "" && n.rotWait > 0 {
		n.restart(rotAgain)
		return false
	}
	r := n.rotting
	n.rotting = nil
	if why == "" {
		n.rot(r)
	} else {
		n.fire(firedSoundLeft)
	}
	return true
}

// mayRot finds what would be lost for ever with a replica of the machine's, or who is damaged already; nothing if all
// is elsewhere. It goes by what the active controller knows to be committed, and by leaders that are alive. Only where
// the damage is [fault.Led] the machine may lead itself, if another one is in sync.
func (n *node) mayRot(r *fault.Rot) string {
	if n.rots.victim != nil {
		return "another damage"
	}
	if n.proc == nil || slices.ContainsFunc(n.nodes, (*node).crippled) {
		return "directories"
	}
	if slices.ContainsFunc(n.nodes, func(o *node) bool { return o != n && o.disk.Full }) {
		return "a full disk" // whoever has it halts, and the last sound replica must not
	}
	p := n.controller()
	if p == nil {
		return "no controller"
	}
	id := core.BrokerID(n.index + 1)
	// A new topic may be placed on files that are damaged by then: by what the controller has decided, too, which is
	// not committed yet. A heartbeat of the process that is gone may have come late, and unfenced it.
	unfenced := func(b *metadata.Broker) bool { return b != nil && !b.Fenced }
	if !n.alive() && (unfenced(p.Image.Broker(id)) || unfenced(p.Draft.Broker(id))) {
		return "not fenced"
	}
	for t := range p.Image.Topics() {
		for _, part := range t.Partitions {
			tip := core.TopicIDPartition{Topic: t.ID, Partition: part.ID}
			backed := r.Harm == fault.Led && n.alive() && part.Leader == id && n.backed(part)
			if part.HasReplica(id) && (!n.survives(part, id) && !backed || !n.led(tip, part)) {
				return core.TopicPartition{Topic: t.Name, Partition: part.ID}.String()
			}
		}
	}
	return ""
}

// backed reports whether another machine than the leader is in sync, serves, and has all of its disk.
func (n *node) backed(p *metadata.Partition) bool {
	return slices.ContainsFunc(p.ISR, func(id core.BrokerID) bool {
		o := n.nodes[id-1]
		return id != p.Leader && o.alive() && o.proc.see != nil && o.proc.see.InspectControl().Serving && !o.crippled()
	})
}

// led reports whether the leader that a partition is to have is alive, has not been away since it was elected, and is
// in sync: were it a later life of it, the ISR that is known would not be that of the next moment.
func (w *World) led(id core.TopicIDPartition, p *metadata.Partition) bool {
	if p.Leader == core.NoBroker || !p.InSync(p.Leader) {
		return false
	}
	n := w.nodes[p.Leader-1]
	leads := func(r *partition.Replica) bool {
		return r.ID() == id && r.Leading() && r.LeaderEpoch() == p.LeaderEpoch
	}
	return n.alive() && n.proc.see != nil && slices.ContainsFunc(n.proc.see.Inspect().Replicas, leads)
}

// needed reports whether a damaged replica, or nobody, would be what is left in sync of some partition if the machine
// stopped now. A stop that is not clean counts as damage, too (KIP-966), and two at a time are more than is survived.
// Damaged are the machine whose files have rotted, and those that do without a log directory: one of them is in sync,
// for all that the controller knows, of a partition that it has not made yet.
func (n *node) needed() bool {
	var damaged []core.BrokerID
	for _, v := range n.nodes {
		if v != n && (v == n.rots.victim || n.net != nil && v.crippled()) {
			damaged = append(damaged, core.BrokerID(v.index+1))
		}
	}
	if len(damaged) == 0 {
		return n.awaited()
	}
	c := n.controller()
	if c == nil {
		return true
	}
	// What the controller has decided and not committed yet counts as well: a broker that it has fenced so spares nobody.
	// While it takes a damaged one that is gone for alive, those that spare it may be cut off and be fenced first.
	taken := func(id core.BrokerID) bool {
		b := c.Draft.Broker(id)
		o := n.nodes[id-1]
		return b != nil && !b.Fenced && (!o.alive() || !o.proc.listening)
	}
	if n.leaves(c.Image, damaged) && n.leaves(c.Draft, damaged) && !slices.ContainsFunc(damaged, taken) {
		return false
	}
	n.fire(firedNeeded)
	return true
}

// leaves reports whether metadata leave a sound replica to every partition of the damaged machines without this one.
func (n *node) leaves(image *metadata.Image, damaged []core.BrokerID) bool {
	for t := range image.Topics() {
		for _, p := range t.Partitions {
			if slices.ContainsFunc(damaged, p.HasReplica) && !n.spared(p, damaged) {
				return false
			}
		}
	}
	return true
}

// spared reports whether a partition with damaged replicas does without the machine: it has none there, or has a sound
// one in sync elsewhere.
func (n *node) spared(p *metadata.Partition, damaged []core.BrokerID) bool {
	self := core.BrokerID(n.index + 1)
	return n.rots.victim == nil && !p.HasReplica(self) || slices.ContainsFunc(p.ISR, func(id core.BrokerID) bool {
		return id != self && !slices.Contains(damaged, id) && n.nodes[id-1].alive() && n.nodes[id-1].proc.listening
	})
}

// rottable lists the files that may be damaged: meta.properties or its copy, of which the other is needed, not what a
// voter needs that cannot ask the others, has too few of them, or may ask one that has forgotten, too, and not
// bootstrap.checkpoint before a controller has begun the metadata: they begin with what that says.
func (n *node) rottable(r *fault.Rot) (paths []string, sizes []int64) {
	live, p := r.Kind == 0, n.controller()
	begun := p != nil && len(p.Image.Features()) > 0
	lonely := n.Controller && (n.plan.Dynamic || n.votersLeft() < leastVoters || n.othersForget())
	for _, dir := range n.plan.DirNames() {
		needed := metaFile
		if meta, ok := n.disk.Bytes(dir + metaFile); r.Even && ok && n.rots.random.Chance(1, 2) {
			if second, _ := n.disk.Bytes(dir + metaFile + ".copy"); string(second) == string(meta) {
				needed += ".copy"
			}
		}
		n.disk.Files(dir, func(path string, size int64) {
			quorum := strings.Contains(path, "/"+quorumFolder+"/")
			_, suffix, _ := log.ParseFileName(path[strings.LastIndexByte(path, '/')+1:])
			switch {
			case strings.HasSuffix(path, needed), quorum && (lonely || live):
			case !begun && strings.HasSuffix(path, "/bootstrap.checkpoint"):
			case live && suffix != log.LogSuffix && suffix != log.IndexSuffix && suffix != log.TimeIndexSuffix:
			default:
				paths, sizes = append(paths, path), append(sizes, size)
			}
		})
	}
	return paths, sizes
}

// othersForget reports whether another machine would come back as one that has forgotten what it knows: it has it
// again, and has not removed the marker yet. Two who have forgotten wait for each other.
func (n *node) othersForget() bool {
	return slices.ContainsFunc(n.nodes, func(other *node) bool {
		return other != n && slices.ContainsFunc(n.plan.DirNames(), func(dir string) bool {
			_, marked := other.disk.Bytes(dir + "/metadata-forgotten")
			return marked
		})
	})
}

// metaFile says whose a log directory is.
const metaFile = "/meta.properties"

const quorumFolder = "__cluster_metadata-0"

// leastVoters is how many voters there must be for one of them to forget what it knows.
const leastVoters = 3

// votersLeft is how many voters there are, and will be while somebody has forgotten: an operator removes none then.
func (w *World) votersLeft() int {
	p := w.controller()
	if p == nil || w.now < w.votersUntil {
		return 0
	}
	return min(len(p.Quorum.Voters()), len(w.plan.Voters()))
}

// rot damages files of the machine.
func (n *node) rot(r *fault.Rot) {
	paths, sizes := n.rottable(r)
	if len(paths) == 0 {
		n.fire(firedSoundLeft)
		return
	}
	n.rots.victim = n
	n.observer.cluster.Rotten(n.index)
	n.damage(r, paths, sizes)
	n.observer.cluster.Damaged(n.index)
	n.planSecond(r)
}

func (n *node) damage(r *fault.Rot, paths []string, sizes []int64) {
	if r.Harm != 0 {
		if !n.harm(r, paths, sizes) {
			n.fire(firedSoundLeft) // what is sound is found to be so
		}
		return
	}
	lost := map[string]bool{}
	for range r.Spots {
		i := n.target(r, paths)
		if path := paths[i]; !lost[path] {
			at, how := int(n.rots.random.Below(uint64(sizes[i]))), n.rots.random.Below(16)
			lost[path] = n.spoil(path, at, how, r.Kind == 0)
		}
	}
}

// spoil damages a file, and reports whether it is gone. Below a running process files keep their sizes.
func (n *node) spoil(path string, at int, drawn uint64, live bool) bool {
	how, bit := "flip", byte(1)<<(drawn%8)
	do := func(b []byte) []byte {
		if at < len(b) {
			b[at] ^= bit
		}
		return b
	}
	switch {
	case drawn == 0 && !live:
		how, do = "lose", nil
		n.disk.Lose(path)
	case drawn <= 2 && !live:
		how, do = "cut", func(b []byte) []byte { return b[:min(at, len(b))] }
	case drawn <= 5:
		how, do = "zero", func(b []byte) []byte {
			first := min(at/page*page, len(b))
			clear(b[first:min(len(b), first+page)])
			return b
		}
	}
	if do != nil {
		n.disk.Damage(path, do)
	}
	n.spoiled[path] = true
	n.begin("rot").Word(how).Word(path).Num("at", int64(at)).End()
	n.fire(firedRot)
	n.fire("rot in " + kindOf(path))
	if live {
		how += " live"
	}
	n.fire("rot " + how)
	return do == nil
}

// kindOf says what a file is for.
func kindOf(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	if strings.Contains(path, "/"+quorumFolder+"/") {
		return kindMetadata
	}
	if _, suffix, ok := log.ParseFileName(name); ok {
		return suffix
	}
	return name
}

// target draws a file to be damaged: any one, or one of a kind that is drawn first.
func (n *node) target(r *fault.Rot, paths []string) int {
	random := &n.rots.random
	if !r.Even {
		return int(random.Below(uint64(len(paths))))
	}
	var kinds []string
	of := map[string][]int{}
	for i, path := range paths {
		kind := fineKindOf(path)
		if of[kind] == nil {
			kinds = append(kinds, kind)
		}
		of[kind] = append(of[kind], i)
	}
	files := of[kinds[random.Below(uint64(len(kinds)))]]
	return files[random.Below(uint64(len(files)))]
}

// fineKindOf is [kindOf] with the files of the metadata apart.
func fineKindOf(path string) string {
	kind := kindOf(path)
	if kind != kindMetadata {
		return kind
	}
	name := path[strings.LastIndexByte(path, '/')+1:]
	if at := strings.LastIndexByte(name, '.'); at >= 0 {
		name = name[at:]
	}
	return kind + name
}

const kindMetadata = "metadata"

// repaired reports whether no machine is damaged.
func (w *World) repaired() bool {
	n := w.rots.victim
	if n == nil {
		return true
	}
	if w.rots.why = n.unsound(); w.rots.why != "" {
		return false
	}
	w.rots.victim, n.repairedAt = nil, w.now
	w.observer.cluster.Repaired(n.index)
	n.begin("repaired").End()
	n.fire(firedRepaired)
	return true
}

// unsound says what of a machine is still damaged.
func (n *node) unsound() string {
	who := " the damage of broker " + strconv.Itoa(n.index+1) + " is not repaired:"
	if !n.alive() || !n.proc.listening || len(n.proc.offline) > 0 {
		return who + " it is not open;"
	}
	c := n.controller()
	if c == nil {
		return " there is no controller;"
	}
	if n.disk.LiesAt != nil || n.disk.Unreadable() {
		return who + " its disk is bad;"
	}
	p := n.proc.see.Inspect()
	if p.Quorum == nil || p.Quorum.Recalling() {
		return who + " it has forgotten;"
	}
	id := core.BrokerID(n.index + 1)
	for t := range c.Image.Topics() {
		for _, part := range t.Partitions {
			name := core.TopicPartition{Topic: t.Name, Partition: part.ID}.String()
			if dir, ok := part.Directory(id); ok && (dir == metadata.LostDirectory() || !part.InSync(id)) {
				return who + " " + name + " is not in sync;"
			}
		}
	}
	for _, dir := range n.plan.DirNames() {
		if why := check.Checkpoints(n.disk, dir); why != "" {
			return who + " " + why + ";"
		}
		meta, _ := n.disk.Bytes(dir + metaFile)
		if second, ok := n.disk.Bytes(dir + metaFile + ".copy"); !ok || string(second) != string(meta) {
			return who + " " + dir + metaFile + " is not what its copy is;"
		}
	}
	for _, r := range p.Replicas {
		if r.Suspected() != nil {
			return who + " " + r.Name().String() + " is suspected;"
		}
		if !r.Online() {
			return who + " " + r.Name().String() + " is not online;"
		}
		if why := check.Sound(n.disk, r.Log().Dir(), n.plan); why != "" {
			return who + " " + why + ";"
		}
		if why := n.observer.cluster.Whole(r, n.index); why != "" {
			return who + " " + why + ";"
		}
	}
	return ""
}

// alike says in what the replicas of a partition differ when all is at rest.
func (w *World) alike() string {
	var disks []*disk.Disk
	for _, n := range w.nodes {
		disks = append(disks, n.disk)
	}
	var all []check.Holding
	for _, n := range w.nodes {
		if !n.Broker {
			continue
		}
		for _, r := range n.proc.see.Inspect().Replicas {
			if !r.Online() {
				return " " + r.Name().String() + " is not online;"
			}
			all = append(all, check.Holding{Node: n.index, ID: r.ID(), Name: r.Name(), Dir: r.Log().Dir()})
		}
	}
	return check.Alike(disks, all)
}
