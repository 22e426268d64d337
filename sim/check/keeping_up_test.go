package check

import (
	"testing"
	"time"

	"ottla.dev/core"
)

func TestALeaderDoesNotKnowWhatAMemberLostWhenItWasCutOff(t *testing.T) {
	seen := &seenReplica{}
	for i, c := range []struct {
		life    int
		epoch   core.LeaderEpoch
		end     core.Offset
		by0by2  [2]core.Offset // what it had for the leaders of epochs 0 and 2
		because string
	}{
		{1, 0, 8, [2]core.Offset{8, 8}, "it has it"},
		{1, 0, 6, [2]core.Offset{6, 6}, "it has cut that off"},
		{2, 0, 3, [2]core.Offset{6, 3}, "a power cut took the rest"},
		{2, 0, 4, [2]core.Offset{6, 4}, "and it has not all of that again"},
		{2, 0, 7, [2]core.Offset{7, 7}, "it has it again"},
		{3, 2, 0, [2]core.Offset{7, 0}, "another leader knows nothing of before"},
		{3, 2, 1, [2]core.Offset{7, 1}, "and hears what it has"},
	} {
		s := Sighting{Life: c.life, Epoch: c.epoch, Synced: c.end}
		seen.reach(&s)
		seen.Sighting = s
		if got := [2]core.Offset{seen.had(0), seen.had(2)}; got != c.by0by2 {
			t.Errorf("%d: %v, want %v: %s", i, got, c.by0by2, c.because)
		}
	}
}

func TestAMemberHasWhatTheLeaderHadBeforeItsLogWentOn(t *testing.T) {
	const second = time.Second
	k := keeping{since: 2 * second, ends: []endAt{{second, 10}, {3 * second, 20}, {5 * second, 30}}}
	for _, c := range []struct {
		end  core.Offset
		want time.Duration
	}{
		{30, 9 * second}, // all
		{40, 9 * second},
		{29, 5 * second},
		{20, 5 * second},
		{10, 3 * second},
		{9, 2 * second}, // not longer than the leadership is known
	} {
		if got := k.had(c.end, 9*second); got != c.want {
			t.Errorf("below %d: what the leader had at %v, want %v", c.end, got, c.want)
		}
	}
}
