package disk

import "ottla.dev/core"

// Crash loses what was not synced, as random decides.
func (d *Disk) Crash(random *core.PRNG) {
	seen := map[*node]bool{}
	d.crash(d.root, random, seen)
}

func (d *Disk) crash(n *node, random *core.PRNG, seen map[*node]bool) {
	if seen[n] {
		return
	}
	seen[n] = true
	if !n.dir {
		d.gone(n)
		n.crashFile(random)
		return
	}
	subset := d.Unordered && random.Chance(1, 2)
	keep := random.Below(uint64(len(n.moves)) + 1)
	for i, m := range n.moves {
		if subset && random.Chance(1, 2) || !subset && uint64(i) < keep {
			m.apply(n.stable)
		}
	}
	n.moves, n.moved = nil, n.moveMark()
	n.entries = map[string]*node{}
	for _, name := range sorted(n.stable) {
		n.entries[name] = n.stable[name]
		d.crash(n.stable[name], random, seen)
	}
}

// fate is what becomes of a file's un-synced changes.
type fate uint8

const (
	lost fate = iota
	kept
	prefix  // up to some sector of some change
	subset  // any sectors
	unsized // the size, and zeros for data
	fates
)

func (n *node) crashFile(random *core.PRNG) {
	if len(n.changes) > 0 {
		size := n.data.size
		switch fate(random.Below(uint64(fates))) {
		case lost:
		case kept:
			n.keep(func() bool { return true })
		case prefix:
			left := random.Below(uint64(n.pieces()) + 1)
			n.keep(func() bool {
				if left == 0 {
					return false
				}
				left--
				return true
			})
		case subset:
			n.keep(func() bool { return random.Chance(1, 2) })
			if random.Chance(1, 4) {
				n.durable.apply(change{pos: size})
			}
		case unsized:
			n.durable.apply(change{pos: size})
		}
	}
	n.first, n.changes = n.mark(), nil
	n.data = n.durable.beginning(n.durable.size)
	n.plain, n.shared, n.torn = true, true, false
}

// pieces counts what keep asks about.
func (n *node) pieces() int {
	count := 0
	for _, c := range n.changes {
		if c.bytes == nil {
			count++
			continue
		}
		end := c.pos + int64(len(c.bytes))
		count += int((end+Sector-1)/Sector - c.pos/Sector)
	}
	return count
}

// keep makes those sectors of the changes durable for which survives says so, in order.
func (n *node) keep(survives func() bool) {
	for _, c := range n.changes {
		if c.bytes == nil {
			if survives() {
				n.durable.apply(c)
			}
			continue
		}
		for len(c.bytes) > 0 {
			size := min(int64(len(c.bytes)), Sector-c.pos%Sector)
			if survives() {
				n.durable.apply(change{c.pos, c.bytes[:size]})
			}
			c.pos, c.bytes = c.pos+size, c.bytes[size:]
		}
	}
}

// Kill ends the processes alone: mappings go, everything else stays as it is, un-synced things un-synced.
func (d *Disk) Kill() { d.kill(d.root, map[*node]bool{}) }

func (d *Disk) kill(n *node, seen map[*node]bool) {
	if seen[n] {
		return
	}
	seen[n] = true
	d.gone(n)
	//core:unordered each file is handled alone, and which mapping is used again cannot be told
	for _, child := range n.entries {
		d.kill(child, seen)
	}
}

// SyncAll makes everything durable, as a long quiet time does.
func (d *Disk) SyncAll() { d.syncAll(d.root) }

func (d *Disk) syncAll(n *node) {
	n.settle(n.mark(), false, nil)
	n.settleMoves(n.moveMark())
	for _, name := range sorted(n.entries) {
		d.syncAll(n.entries[name])
	}
}
