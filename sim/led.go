package sim

import (
	"slices"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/sim/fault"
)

// flipCommitted flips bits of batches that are committed, where their checksums see it: what the process hands to
// others they can tell to be bad.
func (n *node) flipCommitted(r *fault.Rot, paths []string) bool {
	if !n.alive() || n.proc.see == nil {
		return false
	}
	committed := map[string]core.Offset{}
	for _, replica := range n.proc.see.Inspect().Replicas {
		if replica.Online() {
			committed[replica.Log().Dir()] = replica.HighWatermark()
		}
	}
	const unchecked = 21 // bytes at the beginning of a batch
	random, struck := &n.rots.random, false
	for range r.Spots {
		path := n.oneOf(paths)
		b, _ := n.disk.Bytes(path)
		if !n.ofPartition(path) || !strings.HasSuffix(path, log.LogSuffix) {
			continue
		}
		batches := batchesOf(b)
		batches = batches[:slices.IndexFunc(append(batches, placed{}), func(v placed) bool {
			return v.View == nil || v.NextOffset() > committed[folderOf(path)]
		})]
		if len(batches) == 0 {
			continue
		}
		v := batches[random.Below(uint64(len(batches)))]
		at, bit := v.at+random.Between(unchecked, int64(len(v.View)-1)), byte(1)<<random.Below(8)
		n.disk.Damage(path, func(b []byte) []byte {
			if at < int64(len(b)) {
				b[at] ^= bit
			}
			return b
		})
		n.harmed(fault.Led, path, at)
		struck = true
	}
	return struck
}
