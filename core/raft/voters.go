package raft

import (
	"cmp"
	"slices"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// Key names a replica of the metadata log: a node and, in quorums that know about them, its log directory, so that a
// node that lost its disk is another replica (KIP-853). A zero directory is none.
type Key struct {
	ID        core.BrokerID
	Directory core.UUID
}

// Voters is the set of voters, by id. It is never changed in place.
type Voters []record.Voter

// find returns the voter that key is. A voter without a directory is any replica of its id.
func (v Voters) find(key Key) *record.Voter {
	for i := range v {
		if v[i].ID == key.ID && (v[i].Directory.IsZero() || v[i].Directory == key.Directory) {
			return &v[i]
		}
	}
	return nil
}

// Has reports whether key is a voter.
func (v Voters) Has(key Key) bool { return v.find(key) != nil }

// byID returns the voter with an id, or nil.
func (v Voters) byID(id core.BrokerID) *record.Voter {
	for i := range v {
		if v[i].ID == id {
			return &v[i]
		}
	}
	return nil
}

// Majority is how many voters decide.
func (v Voters) Majority() int { return len(v)/2 + 1 }

// with returns the voters and one more, or with one replaced.
func (v Voters) with(x record.Voter) Voters {
	w := v.without(x.ID)
	w = append(w, x)
	slices.SortFunc(w, func(a, b record.Voter) int { return cmp.Compare(a.ID, b.ID) })
	return w
}

// without returns the voters but one.
func (v Voters) without(id core.BrokerID) Voters {
	var w Voters
	for _, x := range v {
		if x.ID != id {
			w = append(w, x)
		}
	}
	return w
}

func (v Voters) ids() []core.BrokerID {
	var ids []core.BrokerID
	for _, x := range v {
		ids = append(ids, x.ID)
	}
	return ids
}

// control gives the voters as LEADER_CHANGE has them.
func (v Voters) control(of func(*record.Voter) bool) []record.ControlVoter {
	var list []record.ControlVoter
	for i := range v {
		if of(&v[i]) {
			list = append(list, record.ControlVoter{ID: v[i].ID, Directory: v[i].Directory})
		}
	}
	return list
}

// commonOffset returns the largest offset that a majority has reached. The slice is sorted in place.
func commonOffset(reached []core.Offset) core.Offset {
	if len(reached) == 0 {
		return 0
	}
	slices.Sort(reached)
	// With n voters sorted upwards, those from (n-1)/2 on are n/2+1 many.
	return reached[(len(reached)-1)/2]
}

// History is what the log says of the voters and of the quorum's protocol version, with where it says so: a change is
// in force as soon as it is in the log, committed or not, and no longer once it is truncated (KIP-853, Raft section
// 4.1).
//
// Invariant: entries are in the order of their offsets.
type History struct {
	Static   Voters // of configuration, in force while there is no entry
	voters   []votersAt
	versions []versionAt
}

type votersAt struct {
	offset core.Offset // NoOffset: of a snapshot or bootstrap checkpoint
	voters Voters
}

type versionAt struct {
	offset  core.Offset
	version int16
}

// Voters are those in force.
func (h *History) Voters() Voters {
	if n := len(h.voters); n > 0 {
		return h.voters[n-1].voters
	}
	return h.Static
}

// Version is the kraft.version in force: 0 with fixed voters, 1 with voters in the log.
func (h *History) Version() int16 {
	if n := len(h.versions); n > 0 {
		return h.versions[n-1].version
	}
	return 0
}

// previous are the voters before the last change.
func (h *History) previous() Voters {
	if n := len(h.voters); n > 1 {
		return h.voters[n-2].voters
	}
	return h.Static
}

// claims lists the voters of whom a majority may have elected a leader that commits something, when all below committed
// is known to be: those in force there, and all that were to follow.
func (h *History) claims(committed core.Offset) []Voters {
	first := 0
	for i, v := range h.voters {
		if v.offset < committed {
			first = i + 1
		}
	}
	var all []Voters
	if first == 0 {
		all = append(all, h.Static)
	}
	for _, v := range h.voters[max(0, first-1):] {
		all = append(all, v.voters)
	}
	return all
}

// changedAt is the offset of the last change of voters, or NoOffset.
func (h *History) changedAt() core.Offset {
	if n := len(h.voters); n > 0 {
		return h.voters[n-1].offset
	}
	return core.NoOffset
}

// truncate forgets the changes at and after end.
func (h *History) truncate(end core.Offset) {
	for n := len(h.voters); n > 0 && h.voters[n-1].offset >= end; n = len(h.voters) {
		h.voters = h.voters[:n-1]
	}
	for n := len(h.versions); n > 0 && h.versions[n-1].offset >= end; n = len(h.versions) {
		h.versions = h.versions[:n-1]
	}
}

// at returns the voters and version in force below offset, as a snapshot up to there records them.
func (h *History) at(offset core.Offset) (Voters, int16) {
	c := History{Static: h.Static, voters: slices.Clone(h.voters), versions: slices.Clone(h.versions)}
	c.truncate(offset)
	return c.Voters(), c.Version()
}

// compact forgets what was superseded below committed.
func (h *History) compact(committed core.Offset) {
	for len(h.voters) > 1 && h.voters[1].offset < committed {
		h.voters = slices.Delete(h.voters, 0, 1)
	}
	for len(h.versions) > 1 && h.versions[1].offset < committed {
		h.versions = slices.Delete(h.versions, 0, 1)
	}
}

// take notes the control records of a batch at their offsets, or, of a snapshot, at NoOffset. Bytes that are no such
// records are passed over: they are the same on every replica.
func (h *History) take(v record.View, snapshot bool) {
	if !v.IsControl() {
		return
	}
	it := record.Records(v, nil)
	for it.Next() {
		at := it.Record.Offset
		if snapshot {
			at = core.NoOffset
		}
		t, _ := record.ParseControlKey(it.Record.Key)
		switch t {
		case record.ControlKRaftVoters:
			if list, ok := record.ParseKRaftVoters(it.Record.Value); ok && len(list) > 0 {
				h.voters = append(h.voters, votersAt{at, Voters(nil).with(list[0])})
				n := len(h.voters) - 1
				for _, x := range list[1:] {
					h.voters[n].voters = h.voters[n].voters.with(x)
				}
			}
		case record.ControlKRaftVersion:
			if version, ok := record.ParseKRaftVersion(it.Record.Value); ok {
				h.versions = append(h.versions, versionAt{at, version})
			}
		case record.ControlAbort, record.ControlCommit, record.ControlLeaderChange, record.ControlSnapshotHeader,
			record.ControlSnapshotFooter:
		}
	}
}
