package check

import (
	"testing"
	"time"

	"ottla.dev/core"
)

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
