package raft

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// The common offset is the largest that more than half of the voters have reached, which an oracle finds by trying all.
func TestCommonOffsetIsThatOfAMajority(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reached := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) core.Offset {
			return core.Offset(rapid.Int64Range(0, 8).Draw(t, "offset"))
		}), 1, 9).Draw(t, "reached")
		want := core.Offset(0)
		for candidate := range core.Offset(10) {
			n := 0
			for _, r := range reached {
				if r >= candidate {
					n++
				}
			}
			if 2*n > len(reached) {
				want = candidate
			}
		}
		if got := commonOffset(slices.Clone(reached)); got != want {
			t.Fatalf("common offset of %v is %d, want %d", reached, got, want)
		}
	})
}

// Two majorities meet, also of sets of voters that differ by one: the reason why they change one at a time (KIP-853).
func TestMajoritiesOfNeighbouringSetsMeet(t *testing.T) {
	for n := 1; n < 9; n++ {
		v := make(Voters, n)
		w := make(Voters, n+1)
		if v.Majority()+w.Majority() <= n+1 {
			t.Errorf("%d and %d voters have majorities that do not meet", n, n+1)
		}
	}
}

func batch(offset core.Offset, voters Voters) record.View {
	var b record.Builder
	b.Start(nil, offset)
	b.AppendKRaftVoters(1, voters)
	_, v := b.Finish()
	return v
}

// History is a stack: in force is the last change that is in the log (KIP-853).
func TestHistoryFollowsTheLog(t *testing.T) {
	one := Voters{{ID: 1, Directory: core.UUID{1}}}
	two := one.with(record.Voter{ID: 2, Directory: core.UUID{2}})
	h := History{Static: Voters{{ID: 9}}}
	h.take(batch(0, one), true)
	h.take(batch(5, two), false)
	h.take(batch(8, one), false)
	if !slices.Equal(h.Voters().ids(), one.ids()) || h.changedAt() != 8 || !slices.Equal(h.previous().ids(), two.ids()) {
		t.Fatalf("%+v", h)
	}
	if v, _ := h.at(8); !slices.Equal(v.ids(), two.ids()) {
		t.Errorf("below 8: %v", v.ids())
	}
	h.truncate(8)
	if !slices.Equal(h.Voters().ids(), two.ids()) {
		t.Errorf("after truncation: %v", h.Voters().ids())
	}
	h.compact(6)
	h.truncate(6)
	if len(h.voters) != 1 || !slices.Equal(h.Voters().ids(), two.ids()) {
		t.Errorf("after compaction: %+v", h)
	}
	h.truncate(0)
	if !slices.Equal(h.Voters().ids(), []core.BrokerID{9}) {
		t.Errorf("without changes: %v", h.Voters().ids())
	}
}

// A leader may rely on the voters in force where everybody knows the log to be committed, or on any that came later.
func TestVotersThatMayHaveElectedSomebody(t *testing.T) {
	one := Voters{{ID: 1, Directory: core.UUID{1}}}
	two := one.with(record.Voter{ID: 2, Directory: core.UUID{2}})
	three := two.with(record.Voter{ID: 3, Directory: core.UUID{3}})
	h := History{Static: Voters{{ID: 9}}}
	h.take(batch(3, one), false)
	h.take(batch(5, two), false)
	h.take(batch(8, three), false)
	for committed, want := range map[core.Offset][]int{0: {9, 1, 2, 3}, 3: {9, 1, 2, 3}, 4: {1, 2, 3}, 8: {2, 3}, 9: {3}} {
		var last []int
		for _, v := range h.claims(committed) {
			last = append(last, int(v[len(v)-1].ID))
		}
		if !slices.Equal(last, want) {
			t.Errorf("committed up to %d: the sets that end in %v, not %v", committed, last, want)
		}
	}
}

// A voter is its id and its log directory; one without a directory is any replica of its id (KIP-853, ReplicaKey).
func TestVotersAreKnownByDirectory(t *testing.T) {
	v := Voters{{ID: 1, Directory: core.UUID{1}}, {ID: 2}}
	for key, want := range map[Key]bool{
		{1, core.UUID{1}}: true, {1, core.UUID{2}}: false, {1, core.UUID{}}: false, {2, core.UUID{7}}: true,
		{2, core.UUID{}}: true, {3, core.UUID{1}}: false,
	} {
		if v.Has(key) != want {
			t.Errorf("%v: %v", key, !want)
		}
	}
}

// Every change of role that the table does not have panics.
func TestIllegalTransitionsPanic(t *testing.T) {
	roles := []Role{Unattached, Voted, Leader, Prospective, Candidate, Follower, Resigned}
	legal := map[[2]Role]bool{ // in the same epoch
		{Prospective, Unattached}: true, {Follower, Unattached}: true, {Unattached, Voted}: true, {Prospective, Voted}: true,
		{Unattached, Prospective}: true, {Voted, Prospective}: true, {Follower, Prospective}: true,
		{Candidate, Prospective}: true, {Voted, Candidate}: true, {Candidate, Leader}: true, {Unattached, Follower}: true,
		{Voted, Follower}: true, {Prospective, Follower}: true, {Candidate, Follower}: true, {Leader, Resigned}: true,
	}
	panicked := func(from, to Role, old, epoch core.LeaderEpoch) (yes bool) {
		defer func() { yes = recover() != nil }()
		transition(from, to, old, epoch)
		return false
	}
	for _, from := range roles {
		for _, to := range roles {
			if panicked(from, to, 5, 5) == legal[[2]Role{from, to}] {
				t.Errorf("%v to %v in the same epoch", from, to)
			}
			higher := to == Unattached || to == Follower || to == Voted && (from == Unattached || from == Prospective)
			if panicked(from, to, 5, 6) == higher {
				t.Errorf("%v to %v in a higher epoch", from, to)
			}
			if !panicked(from, to, 5, 4) {
				t.Errorf("%v to %v in a lower epoch", from, to)
			}
		}
	}
}

// Version 1 of quorum-state names the directory of the vote and no voters (Kafka: QuorumStateData.json).
func TestQuorumStateOfDynamicVoters(t *testing.T) {
	const text = `{"leaderId":-1,"leaderEpoch":17,"votedId":3,"votedDirectoryId":"AQAAAAAAAAAAAAAAAAAAAA",` +
		`"data_version":1,"crc32c":516632094}`
	s := ElectionState{Version: 1, Leader: core.NoBroker, Epoch: 17, Voted: 3, VotedDirectory: core.UUID{1}}
	if got := string(s.Encode()); got != text {
		t.Errorf("encoded %s", got)
	}
	back, err := DecodeState([]byte(text))
	if err != nil || !back.sameVote(&s) || back.Version != 1 {
		t.Errorf("decoded %+v, %v", back, err)
	}
	if _, err := DecodeState([]byte(`{"votedDirectoryId":"x","data_version":1}`)); err == nil {
		t.Error("no error for a directory id that is none")
	}
}

func FuzzParseSnapshotName(f *testing.F) {
	f.Add("00000000000000000012-0000000003.checkpoint")
	f.Fuzz(func(t *testing.T, name string) {
		if id, ok := ParseSnapshotName(name); ok && id.Name()+CheckpointSuffix != name {
			t.Errorf("%q is %+v, whose name is %s", name, id, id.Name())
		}
	})
}
