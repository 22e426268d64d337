package group

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"ottla.dev/core"
	"ottla.dev/core/coordinator"
)

// TestPartitionFor uses hashes that are well known from Java's String.hashCode.
func TestPartitionFor(t *testing.T) {
	for _, c := range []struct {
		id   string
		n    int32
		want int32
	}{
		{"", 50, 0},
		{"hello", 50, 99162322 % 50},
		{"😀", 50, 1772899 % 50},               // two UTF-16 units: 0xd83d 0xde00
		{"polygenelubricants", 50, 0},         // -2^31, which has no absolute value
		{"console-consumer-1", 1, 0},          // one partition takes all
		{"DESIGNING WORKHOUSES", 50, 0},       // -2^31 too
		{"Aa", 50, 2112 % 50}, {"BB", 50, 12}, // a collision
		{"zzzzzzz", 50, 215481018 % 50}, // wraps around
	} {
		if got := PartitionFor(c.id, c.n); got != c.want {
			t.Errorf("PartitionFor(%q, %d) = %d, want %d", c.id, c.n, got, c.want)
		}
	}
}

// TestRecordsAreKafkas holds the bytes of our records against the schemas of Kafka's group-coordinator.
func TestRecordsAreKafkas(t *testing.T) {
	w := newWorld(DefaultSettings())
	w.now.Wall = 0x0102030405060708
	m := w.machine()
	m.begin()
	c := committed{offset: 7, leaderEpoch: 2, metadata: "m", at: 9, expireAt: core.NoTimestamp}
	m.addOffset("g", "t", 3, c)
	c.expireAt = 10
	m.addOffset("g", "t", 3, c)
	c.expireAt, c.topicID = core.NoTimestamp, core.UUID{15: 5}
	m.addOffset("g", "t", 3, c)
	instance := "I"
	g := newGroup("g")
	g.generation, g.protocol = 4, new(string)
	*g.protocol = "range"
	g.add(&member{
		id: "id", instance: &instance, clientID: "c", clientHost: "/h", sessionTimeout: 6 * time.Second,
		rebalanceTimeout: time.Second, protocols: []protocol{{name: "range", metadata: []byte("sub")}},
	}, "consumer")
	offsetKey := "0001" + "000167" + "000174" + "00000003"
	groupKey := "0002" + "000167"
	records := []struct{ key, value string }{
		{offsetKey, "0003" + "0000000000000007" + "00000002" + "00016d" + "0000000000000009"},
		{offsetKey, "0001" + "0000000000000007" + "00016d" + "0000000000000009" + "000000000000000a"},
		{offsetKey, "0004" + "0000000000000007" + "00000002" + "026d" + "0000000000000009" + "01" + "00" + "10" +
			"00000000000000000000000000000005"},
	}
	for i, want := range records {
		compareHex(t, m.batch[i].Key, want.key)
		compareHex(t, m.batch[i].Value, want.value)
	}

	w.submit("join", "c", func() kmsg.Request { // the first record of a new group
		req := kmsg.NewPtrJoinGroupRequest()
		req.Version, req.Group, req.ProtocolType, req.Protocols = 9, "g", "consumer", protocols("range:t")
		req.SessionTimeoutMillis = 10000
		return req
	}())
	key, value := lastRecord(w)
	compareHex(t, key, groupKey)
	compareHex(t, value, "0003"+"0000"+"00000000"+"ffff"+"ffff"+"0102030405060708"+"00000000")

	m.groups["g"] = g
	g.state = CompletingRebalance
	turnOf(w, func(turn turn) {
		m.writeStable(turn, g, func(*member) []byte { return []byte("part") }, func(m *member) string { return m.id })
	})
	key, value = lastRecord(w)
	compareHex(t, key, groupKey)
	compareHex(t, value, "0003"+"0008"+hex.EncodeToString([]byte("consumer"))+"00000004"+
		"0005"+hex.EncodeToString([]byte("range"))+"0002"+hex.EncodeToString([]byte("id"))+"0102030405060708"+"00000001"+
		"0002"+hex.EncodeToString([]byte("id"))+"000149"+"000163"+"00022f68"+"000003e8"+"00001770"+
		"00000003"+hex.EncodeToString([]byte("sub"))+"00000004"+hex.EncodeToString([]byte("part")))
}

func lastRecord(w *world) (key, value []byte) {
	b := w.batches[len(w.batches)-1]
	it := recordsOf(b)
	for it.Next() {
		key, value = bytes.Clone(it.Record.Key), bytes.Clone(it.Record.Value)
	}
	return key, value
}

func compareHex(t *testing.T, got []byte, want string) {
	t.Helper()
	if hex.EncodeToString(got) != want {
		t.Errorf("got  %x\nwant %s", got, want)
	}
}

// entry is a record to replay.
func entry(key, value interface{ AppendTo([]byte) []byte }) coordinator.Entry {
	e := coordinator.Entry{Key: key.AppendTo(nil), ProducerID: core.NoProducerID}
	if value != nil {
		e.Value = value.AppendTo(nil)
	}
	return e
}

// TestOldRecordVersions reads what older Kafkas have written. What a version does not have is absent, not zero
// (KAFKA-8069: an expiry time of -1 taken for a real one loses offsets).
func TestOldRecordVersions(t *testing.T) {
	m := New(DefaultSettings(), core.NewPRNG(1))
	for v := int16(0); v <= 4; v++ {
		must(m.Replay(entry(&kmsg.OffsetCommitKey{Version: v % 2, Group: "g", Topic: "t", Partition: int32(v)},
			&kmsg.OffsetCommitValue{
				Version: v, Offset: 5, LeaderEpoch: 3, Metadata: "m", CommitTimestamp: 100, ExpireTimestamp: -1,
			})))
		c, ok := m.groups["g"].offsets.get("t", int32(v))
		want := committed{offset: 5, leaderEpoch: core.NoLeaderEpoch, metadata: "m", at: 100, expireAt: core.NoTimestamp}
		if v >= 3 {
			want.leaderEpoch = 3
		}
		if !ok || c != want {
			t.Errorf("offset version %d: %+v", v, c)
		}
		must(m.Replay(entry(&kmsg.GroupMetadataKey{Version: 2, Group: "h"}, &kmsg.GroupMetadataValue{
			Version: v, ProtocolType: "consumer", Generation: 2, Protocol: kmsg.StringPtr("range"), Leader: kmsg.StringPtr("a"),
			CurrentStateTimestamp: 77,
			Members: []kmsg.GroupMetadataValueMember{{
				MemberID: "a", SessionTimeoutMillis: 9, RebalanceTimeoutMillis: 8, Subscription: subscription("t"),
			}},
		})))
		h := m.groups["h"]
		if since := h.since; since != 77 && (v >= 2 || since != core.NoTimestamp) {
			t.Errorf("group version %d: since %d", v, since)
		}
		if got := h.members[0].rebalanceTimeout; got != 8*time.Millisecond && (v >= 1 || got != 9*time.Millisecond) {
			t.Errorf("group version %d: rebalance timeout %v", v, got)
		}
		if h.state != Stable || !h.reads("t") || h.reads("u") {
			t.Errorf("group version %d: %+v", v, h)
		}
	}
}

// TestReplayTolerance: what is not known is left alone, what cannot be read is an error.
func TestReplayTolerance(t *testing.T) {
	m := New(DefaultSettings(), core.NewPRNG(1))
	offsetKey := &kmsg.OffsetCommitKey{Version: 1, Group: "g", Topic: "t"}
	groupKey := &kmsg.GroupMetadataKey{Version: 2, Group: "g"}
	for name, e := range map[string]coordinator.Entry{
		"tombstone of an unknown offset": entry(offsetKey, nil),
		"tombstone of an unknown group":  entry(groupKey, nil),
		"key of a consumer group":        {Key: []byte{0, 3, 0, 1, 'g'}, Value: []byte{0, 0, 0, 0, 0, 1}},
		"key of the future":              {Key: []byte{0, 99}, Value: []byte{0}},
	} {
		if err := m.Replay(e); err != nil || len(m.groups) != 0 {
			t.Errorf("%s: %v, %d groups", name, err, len(m.groups))
		}
	}
	for name, e := range map[string]coordinator.Entry{
		"no key":                  {},
		"short key":               {Key: []byte{0, 1, 0}, Value: []byte{0, 3}},
		"short group key":         {Key: []byte{0, 2, 0}, Value: []byte{0, 3}},
		"empty offset":            {Key: offsetKey.AppendTo(nil), Value: []byte{}},
		"offset of version 5":     {Key: offsetKey.AppendTo(nil), Value: []byte{0, 5, 0, 0}},
		"offset that is cut":      {Key: offsetKey.AppendTo(nil), Value: []byte{0, 3, 0, 0}},
		"group of version -1":     {Key: groupKey.AppendTo(nil), Value: []byte{255, 255}},
		"group that is cut":       {Key: groupKey.AppendTo(nil), Value: []byte{0, 3, 0, 0}},
		"group with many members": {Key: groupKey.AppendTo(nil), Value: append(make([]byte, 12), 0x7f, 255, 255, 255)},
	} {
		if err := m.Replay(e); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestStrangeGroupRecord: a record that breaks our rules, but can be read, does not break us.
func TestStrangeGroupRecord(t *testing.T) {
	w := newWorld(DefaultSettings())
	i := "I"
	mem := func(id string, instance *string) kmsg.GroupMetadataValueMember {
		return kmsg.GroupMetadataValueMember{MemberID: id, InstanceID: instance, SessionTimeoutMillis: -5}
	}
	must(w.machine().Replay(entry(&kmsg.GroupMetadataKey{Version: 2, Group: "g"}, &kmsg.GroupMetadataValue{
		Version: 3, Leader: kmsg.StringPtr("nobody"),
		Members: []kmsg.GroupMetadataValueMember{mem("a", nil), mem("a", nil), mem("b", &i), mem("c", &i)},
	})))
	g := w.machine().groups["g"]
	if len(g.members) != 2 || g.leader != "a" {
		t.Fatalf("%+v", g)
	}
	turnOf(w, w.machine().Loaded)
	w.machine().check()
	w.submit("describe", "x", &kmsg.DescribeGroupsRequest{Version: 5, Groups: []string{"g"}})
	w.pass(time.Minute)
	if g.state != Empty {
		t.Errorf("members with no session left in %v", g.state)
	}
}

// TestTopicIDs: an offset committed for one incarnation of a topic is not that of the next (KIP-848, OffsetFetch 10).
func TestTopicIDs(t *testing.T) {
	w := newWorld(DefaultSettings())
	first, second := core.UUID{1}, core.UUID{2}
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Version, commit.Group = 10, "g"
	commit.Topics = []kmsg.OffsetCommitRequestTopic{{
		Topic: "t", TopicID: first, Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 5, LeaderEpoch: 4}},
	}}
	w.submit("commit", "c", commit)
	fetch := func(id core.UUID) int64 {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Version = 10
		req.Groups = []kmsg.OffsetFetchRequestGroup{{
			Group: "g", Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t", TopicID: id, Partitions: []int32{0}}},
		}}
		w.submit("fetch", "c", req)
		done := w.runtime.Drain()
		topic := done[len(done)-1].Response.(*kmsg.OffsetFetchResponse).Groups[0].Topics[0]
		if topic.TopicID != id {
			t.Errorf("answer for topic id %v", topic.TopicID)
		}
		return topic.Partitions[0].Offset
	}
	deleted := func(id core.UUID) {
		w.runtime.Submit(w.now, &Call{Deleted: []DeletedTopic{{Topic: "t", ID: id}}})
		w.settle()
		w.runtime.Drain()
	}
	if got := fetch(first); got != 5 {
		t.Errorf("offset of the topic: %d", got)
	}
	if got := fetch(second); got != -1 {
		t.Errorf("offset of the topic's successor: %d", got)
	}
	if got := fetch(core.UUID{}); got != 5 {
		t.Errorf("offset by name: %d", got)
	}
	deleted(second)
	if got := fetch(first); got != 5 {
		t.Errorf("offset after another topic of the name was deleted: %d", got)
	}
	deleted(first)
	if got := fetch(first); got != -1 {
		t.Errorf("offset of a deleted topic: %d", got)
	}
}

// TestInvalidGroupID: the membership APIs need a group id; offsets can be kept under the empty one, as ever.
func TestInvalidGroupID(t *testing.T) {
	join := kmsg.NewPtrJoinGroupRequest()
	join.Version, join.SessionTimeoutMillis = 9, 10000
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Version = 9
	commit.Topics = []kmsg.OffsetCommitRequestTopic{{
		Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Timestamp: -1}},
	}}
	for _, c := range []struct {
		req  kmsg.Request
		want string
	}{
		{join, "INVALID_GROUP_ID member=-"},
		{&kmsg.SyncGroupRequest{Version: 4}, "INVALID_GROUP_ID"},
		{&kmsg.HeartbeatRequest{Version: 4}, "INVALID_GROUP_ID"},
		{&kmsg.LeaveGroupRequest{Version: 5}, "INVALID_GROUP_ID"},
		{&kmsg.OffsetDeleteRequest{}, "INVALID_GROUP_ID"},
		{commit, "t/0=NONE"},
		{&kmsg.OffsetFetchRequest{Version: 7}, "NONE t/0=0@0"},
		{&kmsg.DescribeGroupsRequest{Version: 5, Groups: []string{""}}, ` Empty type="" protocol=""`},
		{&kmsg.DeleteGroupsRequest{Version: 2, Groups: []string{""}}, "=NONE"},
	} {
		w := newWorld(DefaultSettings())
		w.submit("commit", "c", commit)
		w.runtime.Drain()
		w.submit("x", "c", c.req)
		done := w.runtime.Drain()
		if got := w.show(done[0].Response); got != c.want {
			t.Errorf("%T: %s, want %s", c.req, got, c.want)
		}
	}
}

// TestExpiryIsByState walks KIP-211's table.
func TestExpiryIsByState(t *testing.T) {
	m := New(DefaultSettings(), core.NewPRNG(1))
	week := core.Timestamp(m.settings.OffsetsRetention.Milliseconds())
	for _, c := range []struct {
		name              string
		kind              string
		state             State
		known             bool
		since             core.Timestamp
		c                 committed
		expires, expected bool
	}{
		{"simple, old commit", "", Empty, false, 2 * week, committed{at: week - 1, expireAt: -1}, true, true},
		{"simple, new commit", "", Empty, false, 0, committed{at: week + 1, expireAt: -1}, true, false},
		{"empty for a week", "consumer", Empty, true, week, committed{at: 2 * week, expireAt: -1}, true, true},
		{"empty for less", "consumer", Empty, true, week + 1, committed{at: 0, expireAt: -1}, true, false},
		{"empty, nobody knows since when", "consumer", Empty, true, -1, committed{at: week, expireAt: -1}, true, true},
		{"the same, new commit", "consumer", Empty, true, -1, committed{at: week + 1, expireAt: -1}, true, false},
		{"empty, not of consumers", "connect", Empty, false, week, committed{at: 2 * week, expireAt: -1}, true, true},
		{"own time reached", "consumer", Empty, true, 2 * week, committed{at: 2 * week, expireAt: 2 * week}, true, true},
		{"own time not reached", "consumer", Empty, true, 0, committed{at: 0, expireAt: 2*week + 1}, true, false},
		{"stable, unread topic", "consumer", Stable, true, 0, committed{at: week, expireAt: -1}, true, true},
		{"stable, nobody knows what it reads", "consumer", Stable, false, 0, committed{at: 0, expireAt: -1}, false, true},
		{"rebalancing", "consumer", PreparingRebalance, true, 0, committed{at: 0, expireAt: -1}, false, true},
		{"stable, not of consumers", "connect", Stable, false, 0, committed{at: 0, expireAt: -1}, false, true},
	} {
		g := newGroup("g")
		g.protocolType, g.state, g.subscribedKnown, g.since = c.kind, c.state, c.known, c.since
		if g.expires() != c.expires {
			t.Errorf("%s: may expire: %v", c.name, g.expires())
		}
		if got := m.expired(2*week, g, c.c); got != c.expected {
			t.Errorf("%s: expired: %v", c.name, got)
		}
	}
}

// TestCleanupIsSplit: more tombstones than a batch takes; and if the log refuses some, the group stays for them.
func TestCleanupIsSplit(t *testing.T) {
	w := newWorld(DefaultSettings())
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group = 9, "g"
	req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t"}}
	for p := range int32(2*maxRecordsPerBatch + 10) {
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, kmsg.OffsetCommitRequestTopicPartition{Partition: p})
	}
	w.submit("commit", "c", req)
	w.now.Wall += core.Timestamp(w.settings.OffsetsRetention.Milliseconds())
	w.refuse = []core.ErrorCode{core.NotEnoughReplicas}
	w.pass(w.settings.RetentionCheckInterval)
	if g := w.machine().groups["g"]; g == nil || len(g.offsets["t"]) != 2*maxRecordsPerBatch+10 {
		t.Fatalf("after a refused cleanup: %v", g)
	}
	w.pass(w.settings.RetentionCheckInterval)
	if len(w.machine().groups) != 0 {
		t.Error("the group is still there")
	}
	for _, b := range w.batches[1:] {
		if b.Count() > maxRecordsPerBatch+1 {
			t.Errorf("batch of %d", b.Count())
		}
	}
}

// TestLoadedGroupOverCapacity rebalances so that some are turned away (KIP-389).
func TestLoadedGroupOverCapacity(t *testing.T) {
	s := runScript(`settings initial-delay=0s
join a g v=3
join b g v=3
join c g v=3
pass 10ms
sync a g
`)
	if !strings.Contains(s, "a sync: assignment") {
		t.Fatal(s)
	}
	sc := &scripted{}
	for line := range strings.SplitSeq(s, "\n") {
		if line != "" && line[0] != ' ' {
			sc.run(strings.Fields(line))
		}
	}
	sc.w.settings.MaxSize = 2
	sc.run([]string{"failover"})
	var got []string
	for _, line := range []string{"heartbeat a g", "join b g", "join a g", "join c g", "pass 60s"} {
		got = append(got, sc.run(strings.Fields(line))...)
	}
	want := "a heartbeat: REBALANCE_IN_PROGRESS\n" +
		"c join: GROUP_MAX_SIZE_REACHED member=-\n" +
		"b join: generation=2 member=b#1 leader=a#1 protocol=range\n" +
		"a join: generation=2 member=a#1 leader=a#1 protocol=range members=a#1 b#1"
	gotLines, wantLines := strings.Join(got, "\n"), want
	if sortLines(gotLines) != sortLines(wantLines) {
		t.Errorf("got\n%s", gotLines)
	}
}

// TestMemberIDs are what Java clients expect to see: the client's or instance's name, and a UUID.
func TestMemberIDs(t *testing.T) {
	random := core.NewPRNG(7)
	instance := "rack-1"
	a, b := newMemberID(&random, "app", nil), newMemberID(&random, "app", &instance)
	for id, prefix := range map[string]string{a: "app-", b: "rack-1-"} {
		rest := strings.TrimPrefix(id, prefix)
		if len(rest) != 36 || rest[8] != '-' || rest[13] != '-' || rest[14] != '4' || rest[18] != '-' || rest[23] != '-' {
			t.Errorf("member id %q", id)
		}
	}
	if a == newMemberID(&random, "app", nil) {
		t.Error("the same id twice")
	}
}

// TestHeartbeatAllocatesNothing covers the whole way: submit, decide, timer, answer, drain.
func TestHeartbeatAllocatesNothing(t *testing.T) {
	s := &scripted{}
	for _, line := range []string{"settings initial-delay=0s", "join a g v=3", "pass 10ms", "sync a g", "heartbeat a g"} {
		s.run(strings.Fields(line))
	}
	w, a := s.w, s.w.client("a")
	req := &kmsg.HeartbeatRequest{Version: 4, Group: "g", MemberID: a.member, Generation: a.generation}
	c := &Call{Request: req, Response: req.ResponseKind()}
	for _, held := range []bool{false, true} {
		w.held = held
		if n := testing.AllocsPerRun(100, func() {
			w.runtime.Submit(w.now, c)
			w.settle()
			if done := w.runtime.Drain(); len(done) != 1 || done[0].Response.(*kmsg.HeartbeatResponse).ErrorCode != 0 {
				t.Fatal("no good answer")
			}
		}); n != 0 {
			t.Errorf("a heartbeat allocates %v times", n)
		}
	}
}

// TestTimersAgreeWithAList holds the heap against the dumbest thing that orders.
func TestTimersAgreeWithAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h timers
		all := make([]timer, 8)
		type due struct {
			at  time.Duration
			seq int
		}
		want := map[int]due{}
		for step := range rapid.IntRange(0, 60).Draw(t, "steps") {
			i := rapid.IntRange(0, len(all)-1).Draw(t, "timer")
			if rapid.IntRange(0, 3).Draw(t, "cancel") == 0 {
				h.cancel(&all[i])
				delete(want, i)
			} else {
				at := time.Duration(rapid.IntRange(0, 5).Draw(t, "at"))
				h.schedule(&all[i], at)
				want[i] = due{at, step}
			}
		}
		for len(want) > 0 {
			first := -1
			for i, d := range want {
				if first < 0 || d.at < want[first].at || d.at == want[first].at && d.seq < want[first].seq {
					first = i
				}
			}
			if got := h.next(); got != &all[first] {
				t.Fatalf("timer %d should be next", first)
			}
			h.cancel(h.next())
			delete(want, first)
		}
		if h.next() != nil {
			t.Fatal("a timer too many")
		}
	})
}

func FuzzReplay(f *testing.F) {
	w := newWorld(DefaultSettings())
	s := &scripted{w: w}
	for _, line := range []string{"join a g v=3 instance=I", "pass 10s", "sync a g", "commit a g t/0=1", "leave a g"} {
		s.run(strings.Fields(line))
	}
	for _, b := range w.batches {
		for it := recordsOf(b); it.Next(); {
			f.Add(it.Record.Key, it.Record.Value)
		}
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		w := newWorld(DefaultSettings())
		s := &scripted{w: w}
		s.run([]string{"join", "a", "g", "v=3"})
		s.run([]string{"pass", "10s"})
		s.run([]string{"sync", "a", "g"})
		m := New(DefaultSettings(), core.NewPRNG(1))
		for _, b := range w.batches {
			for it := recordsOf(b); it.Next(); {
				must(m.Replay(coordinator.Entry{Key: it.Record.Key, Value: it.Record.Value}))
			}
		}
		if m.Replay(coordinator.Entry{Key: key, Value: value}) != nil {
			return
		}
		w2 := newWorld(DefaultSettings())
		turnOf(w2, m.Loaded)
		m.check()
		_ = m.remembered(func(*Group) bool { return true })
	})
}

func FuzzSubscription(f *testing.F) {
	f.Add(subscription("a", "b"))
	f.Fuzz(func(t *testing.T, b []byte) {
		topics := map[string]struct{}{}
		if readSubscription(b, topics) && len(topics) > len(b) {
			t.Errorf("%d topics in %d bytes", len(topics), len(b))
		}
	})
}
