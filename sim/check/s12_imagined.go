package check

import (
	"slices"

	"ottla.dev/core/log"
	"ottla.dev/core/partition"
	"ottla.dev/sim/fault"
)

// watchImagined is S12 of logs that nobody has damaged: a start finds none of them damaged. Whoever takes for damage
// what a crash or its own stop has left throws away what may be the only copy, and where there are others it is
// copied again, so that nobody would ever see it.
func (c *Cluster) watchImagined(node int, r *partition.Replica) {
	if why := r.Suspected(); why != nil && log.Damaged(why) && c.unharmed {
		c.wrong("imagined-damage", node, r.Name().String()+": "+why.Error()+"; nobody has damaged anything")
	}
}

// unharmed reports whether nothing in a plan takes away what was synced. A sync or a write that fails does: what it was
// to keep may be gone after the next crash, and the page cache said that it was there.
func unharmed(p *fault.Plan) bool {
	return len(p.Rots)+len(p.DirFailures) == 0 && !slices.ContainsFunc(p.Faults, func(w fault.Window) bool {
		return w.Kind == fault.SyncError || w.Kind == fault.WriteError
	})
}
