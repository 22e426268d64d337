package log

import (
	"slices"
	"sort"

	"ottla.dev/core"
)

// EpochStart is where a leader epoch begins in the log.
type EpochStart struct {
	Epoch core.LeaderEpoch
	Start core.Offset
}

// Epochs is the leader-epoch cache of a log (KIP-101, KIP-279): which epoch wrote which offsets.
//
// Invariant: epochs and start offsets both strictly increase.
type Epochs struct{ list []EpochStart }

// All returns the entries in order. The slice belongs to the cache.
func (e *Epochs) All() []EpochStart { return e.list }

// Clone copies the cache.
func (e *Epochs) Clone() Epochs { return Epochs{list: slices.Clone(e.list)} }

// Latest returns the last epoch, or [core.NoLeaderEpoch].
func (e *Epochs) Latest() core.LeaderEpoch {
	if len(e.list) == 0 {
		return core.NoLeaderEpoch
	}
	return e.list[len(e.list)-1].Epoch
}

// Assign notes that epoch begins at start. Entries that contradict it, which are of the same or a later epoch or begin
// at or after start, are dropped. It reports whether anything changed (Kafka: LeaderEpochFileCache.assign).
func (e *Epochs) Assign(epoch core.LeaderEpoch, start core.Offset) bool {
	if epoch < 0 || start < 0 {
		panic("log: negative leader epoch entry")
	}
	if n := len(e.list); n > 0 && e.list[n-1].Epoch == epoch && e.list[n-1].Start <= start {
		return false
	}
	n := len(e.list)
	for n > 0 && (e.list[n-1].Epoch >= epoch || e.list[n-1].Start >= start) {
		n--
	}
	e.list = append(e.list[:n], EpochStart{epoch, start})
	return true
}

// EndOffsetFor answers OffsetForLeaderEpoch: the largest epoch at or below the one asked for and the offset at which
// it ends. For an epoch later than all, and for none, it is [core.NoLeaderEpoch] and [core.NoOffset]; for an
// epoch before all, the epoch itself and the start of the first (Kafka: LeaderEpochFileCache.endOffsetFor).
func (e *Epochs) EndOffsetFor(epoch core.LeaderEpoch, end core.Offset) (core.LeaderEpoch, core.Offset) {
	n := len(e.list)
	switch {
	case epoch < 0 || n == 0 || epoch > e.list[n-1].Epoch:
		return core.NoLeaderEpoch, core.NoOffset
	case epoch == e.list[n-1].Epoch:
		return epoch, end
	}
	higher := sort.Search(n, func(i int) bool { return e.list[i].Epoch > epoch })
	if higher == 0 {
		return epoch, e.list[0].Start
	}
	return e.list[higher-1].Epoch, e.list[higher].Start
}

// EpochAt returns the epoch that wrote offset, or [core.NoLeaderEpoch].
func (e *Epochs) EpochAt(offset core.Offset) core.LeaderEpoch {
	i := sort.Search(len(e.list), func(i int) bool { return e.list[i].Start > offset })
	if i == 0 {
		return core.NoLeaderEpoch
	}
	return e.list[i-1].Epoch
}

// TruncateEnd drops the epochs that begin at or after end. It reports whether anything changed.
func (e *Epochs) TruncateEnd(end core.Offset) bool {
	n := len(e.list)
	for n > 0 && e.list[n-1].Start >= end {
		n--
	}
	changed := n < len(e.list)
	e.list = e.list[:n]
	return changed
}

// TruncateStart drops the epochs that end at or before start, and lets the one that covers start begin there. It
// reports whether anything changed.
func (e *Epochs) TruncateStart(start core.Offset) bool {
	i := sort.Search(len(e.list), func(i int) bool { return e.list[i].Start > start })
	if i == 0 || (i == 1 && e.list[0].Start == start) {
		return false
	}
	e.list = slices.Delete(e.list, 0, i-1)
	e.list[0].Start = start
	return true
}
