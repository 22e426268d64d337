package group

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// TellsState reports whether a finished answer tells a client how things are in a way that does harm if the
// coordinator was deposed without knowing it: an offset that another commit has replaced, with which a consumer reads
// records again; that somebody is fenced or too many, which ends a client, or that a generation is over, which costs
// it what it owns. Such an answer may leave when the leadership is confirmed. Those that something was appended for
// wait for its commit, which comes to a leader only. That a member is well, and that a rebalance is under way, need
// no confirmation: who believes a deposed coordinator in that learns better from what it asks next, and can do
// nothing for good before. Nor does what a stable group's JoinGroup and SyncGroup repeat, which was true of that
// generation.
func (c *Call) TellsState() bool {
	switch r := c.Response.(type) {
	case *kmsg.OffsetFetchResponse:
		return fetched(r)
	case *kmsg.DescribeGroupsResponse:
		for i := range r.Groups {
			if code := core.ErrorCode(r.Groups[i].ErrorCode); code == core.NoError || judges(int16(code)) {
				return true
			}
		}
	case *kmsg.HeartbeatResponse:
		return judges(r.ErrorCode)
	case *kmsg.JoinGroupResponse:
		return judges(r.ErrorCode)
	case *kmsg.SyncGroupResponse:
		return judges(r.ErrorCode)
	case *kmsg.LeaveGroupResponse:
		for i := range r.Members {
			if judges(r.Members[i].ErrorCode) {
				return true
			}
		}
		return judges(r.ErrorCode)
	case *kmsg.OffsetCommitResponse:
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				if judges(r.Topics[i].Partitions[j].ErrorCode) {
					return true
				}
			}
		}
	case *kmsg.OffsetDeleteResponse:
		return judges(r.ErrorCode)
	case *kmsg.DeleteGroupsResponse:
		for i := range r.Groups {
			if judges(r.Groups[i].ErrorCode) {
				return true
			}
		}
	}
	return false
}

// fetched reports whether offsets are answered, or that there are none.
func fetched(r *kmsg.OffsetFetchResponse) bool {
	for i := range r.Groups {
		if r.Groups[i].ErrorCode == 0 {
			return true
		}
	}
	for i := range r.Topics {
		for j := range r.Topics[i].Partitions {
			if r.Topics[i].Partitions[j].ErrorCode == 0 {
				return true
			}
		}
	}
	return len(r.Groups)+len(r.Topics) == 0 && r.ErrorCode == 0
}

// judges reports whether a code says something of the group that another coordinator may know better.
func judges(code int16) bool {
	switch core.ErrorCode(code) {
	case core.UnknownMemberID, core.IllegalGeneration, core.FencedInstanceID, core.InconsistentGroupProtocol,
		core.GroupMaxSizeReached, core.GroupIDNotFound, core.NonEmptyGroup:
		return true
	}
	return false
}
