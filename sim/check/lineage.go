package check

import (
	"strconv"

	"ottla.dev/core"
	"ottla.dev/core/log"
)

// lineage is the history of a log up to end, by the leader epochs that wrote it: with S3, which says that an offset of
// an epoch is one record everywhere, two logs with equal epochs are equal.
type lineage struct {
	epochs []log.EpochStart
	end    core.Offset
}

// extend takes over what a log has from the lineage's end to another.
func (l *lineage) extend(epochs *log.Epochs, to core.Offset) {
	if to <= l.end {
		return
	}
	all := epochs.All()
	for i, e := range all {
		ends := to
		if i+1 < len(all) {
			ends = min(to, all[i+1].Start)
		}
		if ends <= l.end || e.Start >= to {
			continue
		}
		if n := len(l.epochs); n == 0 || l.epochs[n-1].Epoch != e.Epoch {
			l.epochs = append(l.epochs, log.EpochStart{Epoch: e.Epoch, Start: max(e.Start, l.end)})
		}
	}
	l.end = to
}

// parts returns the first offset from start up to a limit at which a log was written by another epoch, or NoOffset.
func (l *lineage) parts(epochs *log.Epochs, start, limit core.Offset) core.Offset {
	limit = min(limit, l.end)
	for i, e := range l.epochs {
		from, to := max(e.Start, start), limit
		if i+1 < len(l.epochs) {
			to = min(to, l.epochs[i+1].Start)
		}
		switch {
		case from >= to:
		case epochs.EpochAt(from) != e.Epoch:
			return from
		case epochs.EpochAt(to-1) != e.Epoch:
			return to - 1
		}
	}
	return core.NoOffset
}

// shared is up to where, at most a limit, a log that begins at start is the same as the lineage: what it has behind
// that may be of a leader whose records were never committed.
func (l *lineage) shared(epochs *log.Epochs, start, limit core.Offset) core.Offset {
	at := l.parts(epochs, start, limit)
	if at == core.NoOffset {
		return limit
	}
	// Another epoch may have begun anywhere in what the lineage has of one.
	shared := start
	for _, e := range epochs.All() {
		if e.Start <= at {
			shared = max(shared, e.Start)
		}
	}
	return shared
}

// at is the epoch of what is committed at an offset, or NoLeaderEpoch if that is not known.
func (l *lineage) at(o core.Offset) core.LeaderEpoch {
	epoch := core.NoLeaderEpoch
	for _, e := range l.epochs {
		if e.Start <= o && o < l.end {
			epoch = e.Epoch
		}
	}
	return epoch
}

// upTo is where what was committed in epochs behind one begins, or the end if there is nothing.
func (l *lineage) upTo(epoch core.LeaderEpoch) core.Offset {
	for _, e := range l.epochs {
		if e.Epoch > epoch {
			return e.Start
		}
	}
	return l.end
}

// cut forgets what is at end and behind it.
func (l *lineage) cut(end core.Offset) {
	if end >= l.end {
		return
	}
	n := len(l.epochs)
	for n > 0 && l.epochs[n-1].Start >= end {
		n--
	}
	l.epochs, l.end = l.epochs[:n], end
}

func epochText(e core.LeaderEpoch) string { return strconv.Itoa(int(e)) }
