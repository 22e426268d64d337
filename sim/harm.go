package sim

import (
	"slices"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/record"
	"ottla.dev/sim/disk"
	"ottla.dev/sim/fault"
)

// harm damages files in another way than [node.spoil]. It reports false if there is nothing to be damaged so.
func (n *node) harm(r *fault.Rot, paths []string, sizes []int64) bool {
	switch r.Harm {
	case fault.Lying:
		n.lie(r)
		return true
	case fault.Misdated:
		return n.misdate(r, paths)
	case fault.Aimed:
		return n.aim(r, paths)
	case fault.Amnesia:
		return n.loseMetadata(paths)
	case fault.Led:
		return n.flipCommitted(r, paths)
	}
	struck := false
	for range r.Spots {
		i := n.target(r, paths)
		switch {
		case r.Harm == fault.Misdirected:
			struck = n.misdirect(paths[i], sizes[i], r.Kind == 0) || struck
		case n.ofPartition(paths[i]) && strings.HasSuffix(paths[i], log.LogSuffix):
			n.makeUnreadable(r, paths[i], int64(n.rots.random.Below(uint64(sizes[i]))), !struck)
			struck = true
		}
	}
	return struck
}

// harmed tells of a harm. A disk that lies damages no file that is known by name.
func (n *node) harmed(h fault.Harm, path string, at int64) {
	if path != "" {
		n.spoiled[path] = true
	}
	n.begin("rot").Word(h.String()).Word(path).Num("at", at).End()
	n.fire(firedRot)
	n.fire(firedHarm + h.String())
}

// ofPartition reports whether a file is in the folder of a partition.
func (n *node) ofPartition(path string) bool {
	return slices.ContainsFunc(n.plan.DirNames(), func(dir string) bool {
		rest, in := strings.CutPrefix(path, dir+"/")
		return in && strings.Contains(rest, "/") && !strings.HasPrefix(rest, quorumFolder+"/")
	})
}

// misdirect writes what belongs to one place of a file to another one. Half of the time it is whole batches, with
// checksums that are right: not below a running process, whose clients would be told what it has looked at before.
func (n *node) misdirect(path string, size int64, live bool) bool {
	random := &n.rots.random
	unit := int64(disk.Sector)
	if size < 2*unit {
		unit = 16
	}
	if size < 2*unit {
		return false
	}
	places := uint64(size / unit)
	from, to := int64(random.Below(places))*unit, int64(random.Below(places))*unit
	most := unit * random.Between(1, 8)
	if b, _ := n.disk.Bytes(path); !live && strings.HasSuffix(path, log.LogSuffix) && random.Chance(1, 2) {
		batches := batchesOf(b)
		if len(batches) < 2 {
			return false
		}
		i, k := random.Below(uint64(len(batches))), random.Below(uint64(len(batches)))
		from, to, most = batches[i].at, batches[k].at, int64(len(batches[i].View))
	}
	if from == to {
		return false
	}
	empty := random.Chance(1, 2)
	n.disk.Damage(path, func(b []byte) []byte {
		if from >= int64(len(b)) || to >= int64(len(b)) {
			return b
		}
		written := slices.Clone(b[from:min(from+most, int64(len(b)))])
		if empty { // the place was written for the first time
			clear(b[from : from+int64(len(written))])
		}
		copy(b[to:], written)
		return b
	})
	n.harmed(fault.Misdirected, path, to)
	return true
}

type placed struct {
	record.View
	at int64
}

// batchesOf takes a segment apart, up to what is no batch.
func batchesOf(b []byte) (list []placed) {
	for at := int64(0); at < int64(len(b)); {
		v, _, err := record.Next(b[at:])
		if err != nil {
			break
		}
		list = append(list, placed{v, at})
		at += int64(len(v))
	}
	return list
}

// misdate has the last batches of leader epochs claim the next one, each in its own log.
func (n *node) misdate(r *fault.Rot, paths []string) bool {
	type end struct {
		path  string
		at    int64
		base  core.Offset
		epoch core.LeaderEpoch
	}
	var ends []end
	var last end
	starts := n.logStarts()
	for _, path := range paths {
		if !strings.HasSuffix(path, log.LogSuffix) {
			continue
		}
		start := starts[folderOf(path)]
		if last.path != "" && folderOf(last.path) != folderOf(path) {
			last = end{}
		}
		b, _ := n.disk.Bytes(path)
		for _, v := range batchesOf(b) {
			if last.path != "" && v.LeaderEpoch() > last.epoch && last.base >= start {
				ends = append(ends, end{last.path, last.at, last.base, v.LeaderEpoch()})
			}
			last = end{path, v.at, v.BaseOffset(), v.LeaderEpoch()}
		}
	}
	if len(ends) == 0 {
		return false
	}
	for range min(r.Spots, len(ends)) {
		i := n.rots.random.Below(uint64(len(ends)))
		e := ends[i]
		n.disk.Damage(e.path, func(b []byte) []byte {
			if e.at+record.HeaderSize <= int64(len(b)) {
				record.View(b[e.at:]).SetLeaderEpoch(e.epoch)
			}
			return b
		})
		n.harmed(fault.Misdated, e.path, e.at)
		ends = slices.Delete(ends, int(i), int(i)+1)
	}
	return true
}

// logStarts are the log start offsets of partitions, by folder, as far as they can be known. Nobody can tell of what
// epoch batches are that were deleted, and nobody reads them.
func (n *node) logStarts() map[string]core.Offset {
	starts := map[string]core.Offset{}
	for _, dir := range n.plan.DirNames() {
		n.disk.Files(dir, func(path string, _ int64) {
			if !strings.HasSuffix(path, "/"+log.EpochCheckpointName) {
				return
			}
			b, _ := n.disk.Bytes(path)
			if list, err := log.ReadEpochCheckpoint(b); err == nil && len(list) > 0 {
				starts[folderOf(path)] = list[0].Start
			}
		})
	}
	if n.alive() && n.proc.see != nil {
		for _, r := range n.proc.see.Inspect().Replicas {
			if r.Online() {
				starts[r.Log().Dir()] = r.Log().Start()
			}
		}
	}
	return starts
}

func folderOf(path string) string { return path[:strings.LastIndexByte(path, '/')] }

// makeUnreadable breaks a sector of a log. With the first one begins the time until the drive replaces all of them.
func (n *node) makeUnreadable(r *fault.Rot, path string, at int64, first bool) {
	n.disk.Break(path, at, at+1)
	n.harmed(fault.Unreadable, path, at)
	if first {
		n.disk.Unread = func(path string) {
			n.injected++
			n.trace.Begin(n.now, "fault").Word("unreadable").Word(path).End()
			n.fire(firedUnread)
		}
		n.after(r.For, func() {
			n.begin("replaced").End()
			n.disk.Replace()
		})
	}
}

// lie has the disk call written what it loses when the power fails, in the folders of partitions, until that happens.
func (n *node) lie(r *fault.Rot) {
	// What is cut off there, and written again by another leader, comes back with the crash: a mixture of both that no
	// protocol of Kafka's can tell from a sound log (docs/guarantees.md). From a cut on the disk says the truth of a log.
	honest := map[string]bool{}
	n.disk.LiesAt = func(path string) bool { return n.ofPartition(path) && !honest[folderOf(path)] && !honest[path] }
	n.disk.Shrunk = func(path string) {
		if strings.HasSuffix(path, log.LogSuffix) {
			honest[folderOf(path)] = true
		}
	}
	n.harmed(fault.Lying, "", 0)
	n.after(r.For, func() { n.lose(r, rotPatience) })
}

// lose has the power fail on a disk that lies, as soon as others have all of what is lost. If the process has ended
// meanwhile, it fails while the machine is off.
func (n *node) lose(r *fault.Rot, patience int) {
	healed := n.healed || patience == 0
	if !healed && (n.stopping > 0 || !n.mayLose()) {
		n.after(rotAgain, func() { n.lose(r, patience-1) })
		return
	}
	n.disk.LiesAt, n.disk.Shrunk = nil, nil
	switch {
	case healed:
		n.disk.SyncAll()
		return
	case n.alive():
		n.again, n.crashAfter = nil, 0
		n.stop(fault.Crash)
		n.restart(r.Down)
	default:
		n.disk.Crash(&n.faults)
		n.begin("power-cut").End()
	}
	n.fire(firedLost)
}

// mayLose reports whether every partition that the machine has is in sync elsewhere, too, by what the active controller
// knows to be committed, on a broker that serves in the life that it knows, and does not stand still: it would be
// fenced for that while this one is away. The machine may lead it: nothing was lost before.
func (n *node) mayLose() bool {
	c := n.controller()
	if c == nil || slices.ContainsFunc(n.nodes, func(o *node) bool { return o.crippled() || o != n && o.disk.Full }) {
		return false
	}
	self := core.BrokerID(n.index + 1)
	for t := range c.Image.Topics() {
		for _, p := range t.Partitions {
			if p.HasReplica(self) && !slices.ContainsFunc(p.ISR, func(id core.BrokerID) bool {
				o := n.nodes[id-1]
				return o != n && o.alive() && o.pausedUntil <= o.now && o.proc.see != nil &&
					o.proc.see.InspectControl().Serving
			}) {
				return false
			}
		}
	}
	return true
}
