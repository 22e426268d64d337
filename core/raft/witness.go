package raft

import (
	"ottla.dev/core"
	"ottla.dev/core/record"
)

// witness tells whether batches of the metadata log have the leader epochs that they were written with, which their
// checksums do not cover. Every epoch begins with a LEADER_CHANGE and has one alone, so that it is there, and nowhere
// else, that epochs rise; and the record itself says which epoch it begins, if it is Ottla's.
type witness struct {
	known bool
	epoch core.LeaderEpoch
}

// takes reports whether the next batch can be what was written, and goes on behind it.
func (w *witness) takes(v record.View) bool {
	before := *w
	w.known, w.epoch = true, v.LeaderEpoch()
	m, begins := leaderChange(v)
	switch {
	case !begins:
		return !before.known || w.epoch == before.epoch
	case m.Epoch != 0 && m.Epoch != w.epoch:
		return false
	}
	return !before.known || w.epoch > before.epoch
}

// leaderChange reads the LEADER_CHANGE that a batch begins with.
func leaderChange(v record.View) (record.LeaderChange, bool) {
	if !v.IsControl() {
		return record.LeaderChange{}, false
	}
	it := record.Records(v, nil)
	if !it.Next() {
		return record.LeaderChange{}, false
	}
	if t, ok := record.ParseControlKey(it.Record.Key); !ok || t != record.ControlLeaderChange {
		return record.LeaderChange{}, false
	}
	return record.ParseLeaderChange(it.Record.Value)
}
