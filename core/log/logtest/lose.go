package logtest

import (
	"maps"
	"slices"
)

// Lose is the crash that loses everything that was not synced.
func (d *Disk) Lose() {
	lose(d.root)
	d.CrashAt = 0
}

func lose(n *node) {
	if !n.dir {
		n.data, n.changes = slices.Clone(n.durable), nil
		return
	}
	n.moves = nil
	n.entries = maps.Clone(n.stable)
	for _, name := range sorted(n.entries) {
		lose(n.entries[name])
	}
}
