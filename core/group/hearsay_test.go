package group

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

func TestWhatTellsHowAGroupIs(t *testing.T) {
	offsets := func(version int16, f func(*kmsg.OffsetFetchResponse)) *Call {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Version, req.Groups = version, []kmsg.OffsetFetchRequestGroup{{Group: "g"}}
		req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "t", Partitions: []int32{0}}}
		c := &Call{Request: req}
		if f != nil {
			f(c.answer().(*kmsg.OffsetFetchResponse))
		}
		return c
	}
	for version := range int16(9) {
		c := offsets(version, nil)
		if c.Refuse(core.CoordinatorLoadInProgress); c.TellsState() {
			t.Errorf("OffsetFetch v%d, refused", version)
		}
	}
	found := kmsg.OffsetFetchResponseTopic{Partitions: []kmsg.OffsetFetchResponseTopicPartition{{Offset: 7}}}
	for _, c := range []*Call{
		offsets(0, func(r *kmsg.OffsetFetchResponse) { r.Topics = append(r.Topics, found) }),
		offsets(5, func(r *kmsg.OffsetFetchResponse) { r.Topics = append(r.Topics, found) }),
		offsets(5, func(*kmsg.OffsetFetchResponse) {}),
		offsets(8, func(r *kmsg.OffsetFetchResponse) { r.Groups = make([]kmsg.OffsetFetchResponseGroup, 1) }),
	} {
		if !c.TellsState() {
			t.Errorf("offsets: %+v", c.Response)
		}
	}
	for code, want := range map[core.ErrorCode]bool{
		core.NoError: false, core.RebalanceInProgress: false, core.NotCoordinator: false, core.FencedInstanceID: true,
		core.UnknownMemberID: true, core.IllegalGeneration: true, core.CoordinatorLoadInProgress: false,
	} {
		n := int16(code)
		for _, resp := range []kmsg.Response{
			&kmsg.HeartbeatResponse{ErrorCode: n}, &kmsg.JoinGroupResponse{ErrorCode: n}, &kmsg.SyncGroupResponse{ErrorCode: n},
			&kmsg.LeaveGroupResponse{ErrorCode: n}, &kmsg.OffsetDeleteResponse{ErrorCode: n},
			&kmsg.LeaveGroupResponse{Members: []kmsg.LeaveGroupResponseMember{{ErrorCode: n}}},
			&kmsg.DeleteGroupsResponse{Groups: []kmsg.DeleteGroupsResponseGroup{{ErrorCode: n}}},
			&kmsg.OffsetCommitResponse{Topics: []kmsg.OffsetCommitResponseTopic{{
				Partitions: []kmsg.OffsetCommitResponseTopicPartition{{ErrorCode: n}}}}},
		} {
			if got := (&Call{Response: resp}).TellsState(); got != want {
				t.Errorf("%T with %v: %v", resp, code, got)
			}
		}
	}
	if !(&Call{Response: &kmsg.DescribeGroupsResponse{Groups: make([]kmsg.DescribeGroupsResponseGroup, 1)}}).TellsState() {
		t.Error("a group is described")
	}
}
