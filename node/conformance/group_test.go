package conformance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core/wire"
)

func joinOf(version int16, group, member string, instance *string) *kmsg.JoinGroupRequest {
	req := request[kmsg.JoinGroupRequest](version)
	req.Group, req.MemberID, req.InstanceID, req.ProtocolType = group, member, instance, "consumer"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 30000, 30000
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte{0}}}
	return req
}

// joined joins a group with one member, and syncs.
func joined(t *testing.T, c *client, group string, instance *string) *kmsg.JoinGroupResponse {
	t.Helper()
	resp := must(c.ask(joinOf(5, group, "", instance))).(*kmsg.JoinGroupResponse)
	if resp.ErrorCode == 79 {
		resp = must(c.ask(joinOf(5, group, resp.MemberID, instance))).(*kmsg.JoinGroupResponse)
	}
	if resp.ErrorCode != 0 {
		t.Fatalf("joining %s: code %d", group, resp.ErrorCode)
	}
	if resp.LeaderID != resp.MemberID {
		return resp
	}
	sync := request[kmsg.SyncGroupRequest](3)
	sync.Group, sync.Generation, sync.MemberID, sync.InstanceID = group, resp.Generation, resp.MemberID, instance
	sync.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: resp.MemberID, MemberAssignment: []byte{1}}}
	if code := must(c.ask(sync)).(*kmsg.SyncGroupResponse).ErrorCode; code != 0 {
		t.Fatalf("syncing %s: code %d", group, code)
	}
	return resp
}

// TestGroups has row 32, on requests without a group.
func TestGroups(t *testing.T) {
	join := func(group string, timeout int, member string) raw {
		return header(wire.JoinGroup, 1).str(group).i32(timeout).i32(1000).str(member).str("consumer").arr(1).str("range").
			i32(1).i8(0)
	}
	commit := func(group string, generation int, member, metadata string) raw {
		return header(wire.OffsetCommit, 2).str(group).i32(generation).str(member).i64(-1).arr(1).str(plain).arr(1).i32(0).
			i64(5).str(metadata)
	}
	for _, row := range []struct {
		name  string
		frame raw
		want  string
	}{
		{"32 JoinGroup without a group", join("", 10000, ""), "24"},
		{"32 SyncGroup without a group", header(wire.SyncGroup, 0).str("").i32(1).str("m").arr(0), "24"},
		{"32 Heartbeat without a group", header(wire.Heartbeat, 0).str("").i32(1).str("m"), "24"},
		{"32 LeaveGroup without a group", header(wire.LeaveGroup, 0).str("").str("m"), "24"},
		{"32 a session timeout of 0", join("g", 0, ""), "26"},
		{"32 a negative session timeout", join("g", -1, ""), "26"},
		{"32 a session timeout below the least", join("g", 5999, ""), "26"},
		{"32 a session timeout beyond the most", join("g", 1800001, ""), "26"},
		{"32 the largest session timeout", join("g", 1<<31-1, ""), "26"},
		{"32 a member of a group that is not there", join("g", 10000, "stranger"), "25"},
		{"32 no protocols", header(wire.JoinGroup, 1).str("g").i32(10000).i32(1000).str("").str("consumer").arr(0), "23"},
		{"32 no protocol type", header(wire.JoinGroup, 1).str("g").i32(10000).i32(1000).str("").str("").arr(1).str("range").
			i32(0), "23"},
		{"32 Heartbeat of a stranger", header(wire.Heartbeat, 0).str("g").i32(1).str("stranger"), "25"},
		{"32 SyncGroup of a stranger", header(wire.SyncGroup, 0).str("g").i32(1).str("stranger").arr(0), "25"},
		{"32 LeaveGroup of a stranger", header(wire.LeaveGroup, 0).str("g").str("stranger"), "25"},
		{"32 OffsetCommit of a generation to a group that is not there", commit("g", 5, "stranger", ""), "22"},
		{"32 OffsetCommit v9 of a generation to a group that is not there", flexible(wire.OffsetCommit, 9).compact("g").
			i32(5).compact("stranger").uv(0).uv(2).compact(plain).uv(2).i32(0).i64(5).i32(-1).uv(0).uv(0).uv(0).uv(0), "69"},
		{"32 offset metadata of 4097 bytes", commit("g", -1, "", strings.Repeat("x", 4097)), "12"},
		{"32 offset metadata of 4096 bytes", commit("g", -1, "", strings.Repeat("x", 4096)), ""},
		{"32 OffsetCommit for a topic that is not there", header(wire.OffsetCommit, 2).str("g").i32(-1).str("").i64(-1).
			arr(1).
			str("nowhere").arr(1).i32(0).i64(5).str(""), "3"},
		{"32 OffsetCommit for a partition that is not there", header(wire.OffsetCommit, 2).str("g").i32(-1).str("").i64(-1).
			arr(1).str(plain).arr(2).i32(9).i64(5).str("").i32(-1).i64(5).str(""), "3 3"},
		{"32 OffsetCommit by an id that nobody has", flexible(wire.OffsetCommit, 10).compact("g").i32(-1).compact("").uv(0).
			uv(2).i64(9).i64(9).uv(2).i32(0).i64(5).i32(-1).uv(0).uv(0).uv(0).uv(0), "100"},
		{"32 OffsetFetch of a group that is not there", header(wire.OffsetFetch, 1).str("none").arr(1).str(plain).arr(1).
			i32(0), ""},
		{"32 OffsetFetch by an id that nobody has", flexible(wire.OffsetFetch, 10).uv(2).compact("g").uv(0).i32(-1).uv(2).
			i64(9).i64(9).uv(2).i32(0).uv(0).uv(0).i8(0).uv(0), "100"},
		{"32 DescribeGroups of a group that is not there", header(wire.DescribeGroups, 0).arr(1).str("none"), ""},
		{"32 DescribeGroups v6 of a group that is not there", flexible(wire.DescribeGroups, 6).uv(2).compact("none").
			i8(0).uv(0),
			"69"},
		{"32 DeleteGroups of a group that is not there", header(wire.DeleteGroups, 0).arr(1).str("none"), "69"},
		{"32 OffsetDelete of a group that is not there", header(wire.OffsetDelete, 0).str("none").arr(1).str(plain).
			arr(1).i32(0),
			"69"},
		{"32 ListGroups with a state that is none", flexible(wire.ListGroups, 4).uv(2).compact("Asleep").uv(0), ""},
	} {
		t.Run(row.name, func(t *testing.T) { answers(t, row.frame, row.want) })
	}
}

// TestManyGroups: what takes a coordinator's time for each name is bounded (ours), and a name is answered once.
func TestManyGroups(t *testing.T) {
	names := raw{}.arr(10001)
	for i := range 10001 {
		names = names.str(fmt.Sprint("group-", i))
	}
	keys := flexible(wire.FindCoordinator, 4).i8(0).uv(10002)
	for i := range 10001 {
		keys = keys.compact(fmt.Sprint(i))
	}
	answers(t, keys.uv(0), "42")
	same := raw{}.arr(3).str("same").str("same").str("same")
	answers(t, append(header(wire.DescribeGroups, 0), names...), "42")
	answers(t, append(header(wire.DeleteGroups, 0), names...), strings.Repeat("69 ", 10000)+"42")
	answers(t, append(header(wire.DeleteGroups, 0), same...), "69")
	again := flexible(wire.OffsetFetch, 8).uv(3).compact("g").uv(0).uv(0).compact("g").uv(0).uv(0).i8(0).uv(0)
	answers(t, again, "42")
}

// TestMembers has row 32 on a group with a member.
func TestMembers(t *testing.T) {
	c := dial()
	defer c.Close()
	me := joined(t, c, "members", nil)
	beat := func(generation int32, member string) raw {
		return header(wire.Heartbeat, 0).str("members").i32(int(generation)).str(member)
	}
	commit := func(generation int32, member string) raw {
		return header(wire.OffsetCommit, 2).str("members").i32(int(generation)).str(member).i64(-1).arr(1).str(plain).arr(1).
			i32(0).i64(5).str("")
	}
	for _, row := range []struct {
		name  string
		frame raw
		want  string
	}{
		{"a heartbeat", beat(me.Generation, me.MemberID), ""},
		{"32 Heartbeat of another generation", beat(me.Generation+1, me.MemberID), "22"},
		{"32 Heartbeat of a generation before", beat(me.Generation-1, me.MemberID), "22"},
		{"32 Heartbeat of a stranger", beat(me.Generation, "stranger"), "25"},
		{"32 SyncGroup of another generation", header(wire.SyncGroup, 0).str("members").i32(int(me.Generation) + 7).
			str(me.MemberID).arr(0), "22"},
		{"32 OffsetCommit of another generation", commit(me.Generation+1, me.MemberID), "22"},
		{"32 OffsetCommit of a stranger", commit(me.Generation, "stranger"), "25"},
		{"32 OffsetCommit from outside while there are members", commit(-1, ""), "25"},
		{"32 JoinGroup with other protocols", header(wire.JoinGroup, 1).str("members").i32(10000).i32(1000).str("").
			str("consumer").arr(1).str("other").i32(0), "23"},
		{"32 JoinGroup with another protocol type", header(wire.JoinGroup, 1).str("members").i32(10000).i32(1000).str("").
			str("connect").arr(1).str("range").i32(0), "23"},
		{"32 DeleteGroups of a group with members", header(wire.DeleteGroups, 0).arr(1).str("members"), "68"},
		{"32 JoinGroup v4 without a member id", encode(joinOf(4, "members", "", nil), correlation), "79"},
	} {
		t.Run(row.name, func(t *testing.T) { answers(t, row.frame, row.want) })
	}
}

// TestStaticMembers has row 32's fencing (KIP-345): whoever comes later with an instance id takes the earlier one's
// place.
func TestStaticMembers(t *testing.T) {
	instance := "instance"
	first, second := dial(), dial()
	defer first.Close()
	defer second.Close()
	before := joined(t, first, "static", &instance)
	after := must(second.ask(joinOf(5, "static", "", &instance))).(*kmsg.JoinGroupResponse)
	if after.ErrorCode != 0 || after.MemberID == before.MemberID {
		t.Fatalf("code %d, member %q after %q", after.ErrorCode, after.MemberID, before.MemberID)
	}
	beat := request[kmsg.HeartbeatRequest](3)
	beat.Group, beat.Generation, beat.MemberID, beat.InstanceID = "static", after.Generation, before.MemberID, &instance
	answers(t, encode(beat, correlation), "82")
	commit := request[kmsg.OffsetCommitRequest](7)
	commit.Group, commit.Generation, commit.MemberID, commit.InstanceID = "static", after.Generation,
		before.MemberID, &instance
	commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: plain,
		Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 1, LeaderEpoch: -1}}}}
	answers(t, encode(commit, correlation), "82")
	beat.MemberID = after.MemberID
	answers(t, encode(beat, correlation), "")
	unknown := "somebody else"
	beat.InstanceID = &unknown
	answers(t, encode(beat, correlation), "25")
}

// TestFullGroup has row 32's limit: group.max.size is 2 here.
func TestFullGroup(t *testing.T) {
	first, second := dial(), dial()
	defer first.Close()
	defer second.Close()
	me := joined(t, first, "full", nil)
	// The second member's join waits until the first has joined again.
	if err := second.send(framed(encode(joinOf(3, "full", "", nil), 1))); err != nil {
		t.Fatal(err)
	}
	for {
		beat := request[kmsg.HeartbeatRequest](0)
		beat.Group, beat.Generation, beat.MemberID = "full", me.Generation, me.MemberID
		if code := must(first.ask(beat)).(*kmsg.HeartbeatResponse).ErrorCode; code == 27 {
			break
		} else if code != 0 {
			t.Fatalf("heartbeat: code %d", code)
		}
	}
	if code := must(first.ask(joinOf(3, "full", me.MemberID, nil))).(*kmsg.JoinGroupResponse).ErrorCode; code != 0 {
		t.Fatalf("joining again: code %d", code)
	}
	if _, err := second.answer(int16(wire.JoinGroup), 3, 1); err != nil {
		t.Fatal(err)
	}
	answers(t, encode(joinOf(3, "full", "", nil), correlation), "81")
}
