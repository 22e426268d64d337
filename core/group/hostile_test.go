package group

import (
	"bytes"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/wire"
)

// groupAPIs are the API keys that come here.
func groupAPIs() []int16 { return []int16{8, 9, 11, 12, 13, 14, 15, 16, 42, 47} }

// FuzzCalls takes requests as a client can send them, several in one input: the API's place in groupAPIs, the version,
// the length in two bytes, the body. Whatever they are, each is answered, and the coordinator is sound and equal to its
// log afterwards.
func FuzzCalls(f *testing.F) {
	seed := func(reqs ...kmsg.Request) {
		var b []byte
		for _, r := range reqs {
			for i, key := range groupAPIs() {
				if key == r.Key() {
					body := r.AppendTo(nil)
					b = append(b, byte(i), byte(r.GetVersion()), byte(len(body)>>8), byte(len(body)))
					b = append(b, body...)
				}
			}
		}
		f.Add(b)
	}
	join := kmsg.NewPtrJoinGroupRequest()
	join.Version, join.Group, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = 3, "g", 10000, 1000
	join.ProtocolType, join.Protocols = "consumer", protocols("range:t")
	static := *join
	static.Version, static.InstanceID = 9, kmsg.StringPtr("i")
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Version, commit.Group = 9, "g"
	commit.Topics = []kmsg.OffsetCommitRequestTopic{{
		Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 1}},
	}}
	leave := &kmsg.LeaveGroupRequest{Version: 5, Group: "g"}
	seed(join, leave, &kmsg.DescribeGroupsRequest{Version: 6, Groups: []string{"g"}}, &kmsg.ListGroupsRequest{Version: 5})
	seed(&static, &static, commit, &kmsg.OffsetFetchRequest{Version: 7, Group: "g"})
	seed(commit, &kmsg.OffsetDeleteRequest{Group: "g"}, &kmsg.DeleteGroupsRequest{Version: 2, Groups: []string{"g"}})
	seed(&kmsg.HeartbeatRequest{Version: 4, Group: "g"}, &kmsg.SyncGroupRequest{Version: 5})

	f.Fuzz(func(t *testing.T, b []byte) {
		s := DefaultSettings()
		s.InitialRebalanceDelay = 0
		w := newWorld(s)
		submitted := 0
		for len(b) >= 4 {
			h := wire.Header{Key: wire.Key(groupAPIs()[int(b[0])%len(groupAPIs())]), Version: int16(b[1])}
			n := min(int(b[2])<<8|int(b[3]), len(b)-4)
			body := bytes.Clone(b[4 : 4+n])
			b = b[4+n:]
			req := kmsg.RequestForKey(int16(h.Key))
			if !wire.Lookup(h.Key).Serves(h.Version) || wire.Decode(h, body, req) != nil {
				continue
			}
			w.submit("call", "c", req)
			submitted++
			w.pass(100_000_000)
			w.machine().check()
		}
		w.runtime.Unload()
		if got := len(w.answers()); got != submitted {
			t.Fatalf("%d answers to %d calls", got, submitted)
		}
		w.load()
		w.machine().check()
	})
}

// TestStringsThatRecordsCannotHold: compact strings of requests can be longer than the records' strings.
func TestStringsThatRecordsCannotHold(t *testing.T) {
	long := strings.Repeat("x", maxString+1)
	join := func(change func(*kmsg.JoinGroupRequest)) kmsg.Request {
		req := kmsg.NewPtrJoinGroupRequest()
		req.Version, req.Group, req.SessionTimeoutMillis = 9, "g", 10000
		req.ProtocolType, req.Protocols = "consumer", protocols("range:t")
		change(req)
		return req
	}
	commit := func(group, topic, metadata string) kmsg.Request {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Version, req.Group = 9, group
		req.Topics = []kmsg.OffsetCommitRequestTopic{{
			Topic: topic, Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Metadata: &metadata}},
		}}
		return req
	}
	for _, c := range []struct {
		name, client string
		req          kmsg.Request
		want         core.ErrorCode
	}{
		{"group", "c", join(func(r *kmsg.JoinGroupRequest) { r.Group = long }), core.InvalidGroupID},
		{"instance", "c", join(func(r *kmsg.JoinGroupRequest) { r.InstanceID = &long }), core.InvalidRequest},
		{"protocol type", "c", join(func(r *kmsg.JoinGroupRequest) { r.ProtocolType = long }), core.InvalidRequest},
		{"protocol", "c", join(func(r *kmsg.JoinGroupRequest) { r.Protocols[0].Name = long }), core.InvalidRequest},
		{"client", long[:maxString], join(func(*kmsg.JoinGroupRequest) {}), core.InvalidRequest},
		{"group of a commit", "c", commit(long, "t", ""), core.InvalidGroupID},
		{"topic", "c", commit("g", long, ""), core.UnknownTopicOrPartition},
		{"metadata", "c", commit("g", "t", long), core.OffsetMetadataTooLarge},
	} {
		settings := DefaultSettings()
		settings.OffsetMetadataMaxBytes = 1 << 20
		w := newWorld(settings)
		w.submit(c.name, c.client, c.req)
		done := w.runtime.Drain()
		if len(done) != 1 {
			t.Fatalf("%s: %d answers", c.name, len(done))
		}
		got := int16(0)
		switch resp := done[0].Response.(type) {
		case *kmsg.JoinGroupResponse:
			got = resp.ErrorCode
		case *kmsg.OffsetCommitResponse:
			got = resp.Topics[0].Partitions[0].ErrorCode
		}
		if core.ErrorCode(got) != c.want || w.end != 0 {
			t.Errorf("%s: %v, log end offset %d", c.name, core.ErrorCode(got), w.end)
		}
	}
}

func TestTextForms(t *testing.T) {
	s := &scripted{}
	for _, line := range []string{"settings initial-delay=0s", "join a g v=3", "pass 1s", "commit x solo gen=-1 t/0=1"} {
		s.run(strings.Fields(line))
	}
	id := s.w.client("a").member
	want := "g CompletingRebalance generation=1 type=consumer protocol=range leader=" + id + " members=[" + id +
		"] pending=0 offsets=0\nsolo Empty generation=0 type= protocol= leader= members=[] pending=0 offsets=1\n"
	if got := string(s.w.machine().AppendText(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	c := &Call{Request: &kmsg.HeartbeatRequest{Version: 4}, ClientID: "app"}
	if got := string(c.AppendText(nil)); got != "Heartbeat v4 from app" {
		t.Error(got)
	}
	if got := string((&Call{}).AppendText(nil)); got != "TopicsDeleted" {
		t.Error(got)
	}
}
