package group

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"ottla.dev/core"
)

// TestStateIsReplayOfItsLog drives groups at random, with failovers, refused appends and a lagging high watermark, and
// holds after every step: what the machine has in memory of what the log remembers is what replaying the log gives. At
// the end everything heals, and clients that do as they are told must get a stable group. Every call is answered once.
func TestStateIsReplayOfItsLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		settings := DefaultSettings()
		settings.MaxSize = rapid.IntRange(2, 6).Draw(t, "max size")
		settings.InitialRebalanceDelay = time.Duration(rapid.IntRange(0, 3).Draw(t, "delay")) * time.Second
		settings.OffsetsRetention = time.Hour
		w := newWorld(settings)
		r := &random{w: w, answered: map[uint64]int{}}
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			r.act(t)
			r.collect()
			w.machine().check()
			compare(t, w)
		}
		r.heal(t)
		w.runtime.Unload()
		r.collect()
		for slot := uint64(1); slot <= w.slot; slot++ {
			if r.answered[slot] != 1 {
				t.Fatalf("%s, call %d, was answered %d times", w.names[slot], slot, r.answered[slot])
			}
		}
	})
}

// compare holds the machine against one that has read its log. A group in the middle of a rebalance is more than its
// log says, so that only its existence and its offsets count.
func compare(t *rapid.T, w *world) {
	live := w.machine()
	settled := func(g *Group) bool {
		l := live.groups[g.id]
		return l != nil && (l.state == Stable || l.state == Empty)
	}
	l := w.replayed()
	w2 := newWorld(w.settings)
	w2.runtime.BeginLoad(2)
	w2.runtime.FinishLoad(w.now, 2, l, w.end)
	if got, want := live.remembered(settled), w2.machine().remembered(settled); got != want {
		t.Fatalf("in memory:\n%s\nin the log:\n%s", got, want)
	}
	w2.machine().check()
}

type random struct {
	w        *world
	answered map[uint64]int
}

func (r *random) collect() []*Call {
	done := r.w.runtime.Drain()
	for _, c := range done {
		r.answered[c.Slot]++
		r.w.learn(c)
		c.Response.AppendTo(nil)
	}
	return done
}

func (r *random) act(t *rapid.T) {
	w := r.w
	c := w.client(fmt.Sprintf("c%d", rapid.IntRange(0, 5).Draw(t, "client")))
	group := fmt.Sprintf("g%d", rapid.IntRange(0, 1).Draw(t, "group"))
	var instance *string
	if n := rapid.IntRange(0, 5).Draw(t, "instance"); n < 2 {
		s := fmt.Sprintf("i%d", n)
		instance = &s
	}
	id := c.member
	if rapid.IntRange(0, 9).Draw(t, "id") == 0 {
		id = ""
	}
	generation := c.generation
	if rapid.IntRange(0, 9).Draw(t, "generation") == 0 {
		generation = rapid.Int32Range(-1, 3).Draw(t, "other generation")
	}
	switch rapid.SampledFrom([]string{
		"join", "join", "join", "join", "sync", "sync", "sync", "sync", "heartbeat", "leave", "commit", "commit", "pass",
		"pass", "pass", "long", "failover", "refuse", "hold", "release", "release", "delete", "offset-delete", "topics",
		"fetch",
	}).Draw(t, "action") {
	case "join":
		w.submit(c.name+" join", c.name, joinOf(t, group, id, instance))
	case "sync":
		w.submit(c.name+" sync", c.name, syncOf(w, c, group, id, generation, instance))
	case "heartbeat":
		req := kmsg.NewPtrHeartbeatRequest()
		req.Version, req.Group, req.MemberID, req.Generation, req.InstanceID = 4, group, id, generation, instance
		w.submit(c.name+" heartbeat", c.name, req)
	case "leave":
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Version, req.Group = 5, group
		req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: id, InstanceID: instance}}
		w.submit(c.name+" leave", c.name, req)
	case "commit":
		topic, partition := rapid.IntRange(1, 3).Draw(t, "topic"), rapid.IntRange(0, 1).Draw(t, "partition")
		where := fmt.Sprintf("t%d/%d=%d", topic, partition, w.slot)
		a := args{words: []string{c.name, group, where}, named: map[string]string{}}
		if rapid.Bool().Draw(t, "own retention") {
			a.named = map[string]string{"v": "3", "retention": "60000"}
			instance = nil
		}
		w.submit(c.name+" commit", c.name, commitRequest(a, group, id, generation))
	case "pass":
		w.pass(time.Duration(rapid.IntRange(0, 12_000).Draw(t, "ms")) * time.Millisecond)
	case "long":
		w.pass(time.Duration(rapid.IntRange(1, 90).Draw(t, "minutes")) * time.Minute)
	case "failover":
		w.runtime.Unload()
		w.load()
	case "refuse":
		w.refuse = []core.ErrorCode{core.NotEnoughReplicas}
	case "hold":
		w.held = true
	case "release":
		w.held = false
		w.settle()
	case "delete":
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Version, req.Groups = 2, []string{group, "g0", "nobody"}
		w.submit("delete", "admin", req)
	case "offset-delete":
		req := kmsg.NewPtrOffsetDeleteRequest()
		req.Group = group
		req.Topics = []kmsg.OffsetDeleteRequestTopic{{
			Topic: "t1", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{}},
		}}
		w.submit("offset-delete", "admin", req)
	case "topics":
		w.slot++
		w.names[w.slot] = "topics deleted"
		w.runtime.Submit(w.now, &Call{
			Slot: w.slot, Deleted: []DeletedTopic{{Topic: "t2"}}, Response: &kmsg.HeartbeatResponse{},
		})
		w.settle()
	case "fetch":
		w.submit("fetch", "admin", fetchRequest(args{words: []string{group, "all"}, named: map[string]string{}}))
	}
}

func joinOf(t *rapid.T, group, id string, instance *string) kmsg.Request {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version = rapid.SampledFrom([]int16{0, 3, 5, 8, 9}).Draw(t, "version")
	req.Group, req.MemberID = group, id
	if req.Version >= 5 {
		req.InstanceID = instance
	}
	req.SessionTimeoutMillis = rapid.SampledFrom([]int32{6000, 10000, 30000}).Draw(t, "session")
	req.RebalanceTimeoutMillis = rapid.SampledFrom([]int32{-1, 0, 5000, 60000}).Draw(t, "rebalance")
	req.ProtocolType = rapid.SampledFrom([]string{"consumer", "consumer", "consumer", "connect"}).Draw(t, "type")
	req.Protocols = protocols(rapid.SampledFrom([]string{
		"range:t1", "range:t1,sticky:t1", "sticky:t2,range:t2", "sticky:t2",
	}).Draw(t, "protocols"))
	return req
}

func syncOf(w *world, c *client, group, id string, generation int32, instance *string) kmsg.Request {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version, req.Group, req.MemberID, req.Generation, req.InstanceID = 4, group, id, generation, instance
	for n := range 6 {
		if other := w.clients[fmt.Sprintf("c%d", n)]; other != nil && other.member != "" {
			req.GroupAssignment = append(req.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{
				MemberID: other.member, MemberAssignment: fmt.Appendf(nil, "%s-%d", other.name, w.slot),
			})
		}
	}
	return req
}

// heal ends all faults and lets three good clients form a group. What others have left behind must not be in their way
// for longer than timeouts allow.
func (r *random) heal(t *rapid.T) {
	w := r.w
	w.refuse, w.held = nil, false
	w.settle()
	w.settings.MaxSize = 100
	w.machine().SetSettings(w.settings)
	good := map[string]*goodClient{}
	for n := range 2 {
		name := fmt.Sprintf("good%d", n)
		good[name] = &goodClient{client: w.client(name)}
	}
	for until := w.now.Mono + 15*time.Minute; w.now.Mono < until; {
		for n := range 2 {
			good[fmt.Sprintf("good%d", n)].act(w)
		}
		for _, c := range r.collect() {
			if g := good[cut(w.names[c.Slot])]; g != nil {
				g.heard(c)
			}
		}
		w.pass(time.Second)
		for _, c := range r.collect() {
			if g := good[cut(w.names[c.Slot])]; g != nil {
				g.heard(c)
			}
		}
		g := w.machine().groups["g0"]
		if g != nil && g.state == Stable && len(g.members) == 2 {
			return
		}
		w.machine().check()
	}
	g := w.machine().groups["g0"]
	t.Fatalf("the good clients have no stable group: %+v", g)
}

func cut(name string) string {
	for i := range name {
		if name[i] == ' ' {
			return name[:i]
		}
	}
	return name
}

// goodClient is a consumer that follows the protocol.
type goodClient struct {
	*client
	busy   bool
	synced bool
	leads  bool
	others []string
	joined bool
}

func (g *goodClient) act(w *world) {
	if g.busy {
		return
	}
	switch {
	case !g.joined:
		g.busy = true
		req := kmsg.NewPtrJoinGroupRequest()
		req.Version, req.Group, req.MemberID = 9, "g0", g.member
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 10000, 30000
		req.ProtocolType = "consumer"
		if old := w.machine().groups["g0"]; old != nil && old.protocolType != "" && old.state != Empty {
			req.ProtocolType = old.protocolType // a group of another type has to die first; that is as it should be
		}
		req.Protocols = protocols("range:t1,sticky:t1")
		w.submit(g.name+" join", g.name, req)
	case !g.synced:
		g.busy = true
		req := kmsg.NewPtrSyncGroupRequest()
		req.Version, req.Group, req.MemberID, req.Generation = 4, "g0", g.member, g.generation
		if g.leads {
			for _, id := range g.others {
				req.GroupAssignment = append(req.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{
					MemberID: id, MemberAssignment: []byte("part"),
				})
			}
		}
		w.submit(g.name+" sync", g.name, req)
	default:
		req := kmsg.NewPtrHeartbeatRequest()
		req.Version, req.Group, req.MemberID, req.Generation = 4, "g0", g.member, g.generation
		w.submit(g.name+" heartbeat", g.name, req)
	}
}

func (g *goodClient) heard(c *Call) {
	switch resp := c.Response.(type) {
	case *kmsg.JoinGroupResponse:
		g.busy, g.synced = false, false
		g.joined = resp.ErrorCode == 0
		if core.ErrorCode(resp.ErrorCode) == core.UnknownMemberID {
			g.member = ""
		}
		g.leads, g.others = g.joined && resp.LeaderID == resp.MemberID, nil
		for i := range resp.Members {
			g.others = append(g.others, resp.Members[i].MemberID)
		}
	case *kmsg.SyncGroupResponse:
		g.busy = false
		g.synced = resp.ErrorCode == 0
		g.again(resp.ErrorCode)
	case *kmsg.HeartbeatResponse:
		g.again(resp.ErrorCode)
	}
}

func (g *goodClient) again(code int16) {
	if code != 0 {
		g.joined = false
	}
	if core.ErrorCode(code) == core.UnknownMemberID {
		g.member = ""
	}
}
