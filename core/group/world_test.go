package group

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/coordinator"
	"ottla.dev/core/record"
)

// world is one coordinator partition with its log in memory, and the clients of a test.
type world struct {
	now      core.Instant
	settings Settings
	random   core.PRNG
	runtime  *coordinator.Runtime[*Call]
	epoch    core.LeaderEpoch

	batches []record.View
	end     core.Offset
	refuse  []core.ErrorCode // what the next appends are refused with
	held    bool             // the high watermark does not move by itself

	names   map[uint64]string // what was submitted, by slot
	slot    uint64
	clients map[string]*client
	aliases []alias // of member ids, in the order of their appearance
}

type alias struct{ id, name string }

// client is what a consumer remembers.
type client struct {
	name       string
	member     string
	generation int32
	protocol   *string
}

func newWorld(settings Settings) *world {
	w := &world{
		settings: settings, random: core.NewPRNG(1), names: map[uint64]string{}, clients: map[string]*client{},
		now: core.Instant{Mono: time.Hour, Wall: 1_000_000_000},
	}
	w.runtime = coordinator.New[*Call](w, CommitTimeout)
	w.load()
	return w
}

func (w *world) Append(_ core.Instant, batch []byte) (base, last core.Offset, code core.ErrorCode) {
	if len(w.refuse) > 0 {
		code, w.refuse = w.refuse[0], w.refuse[1:]
		return 0, 0, code
	}
	v := record.View(bytes.Clone(batch))
	if !v.ValidCRC() {
		panic("a batch with a wrong checksum")
	}
	v.SetBaseOffset(w.end)
	w.batches = append(w.batches, v)
	base, last = w.end, v.LastOffset()
	w.end = v.NextOffset()
	return base, last, core.NoError
}

// load makes the partition's leader load its log, as after a failover.
func (w *world) load() {
	w.epoch++
	w.runtime.BeginLoad(w.epoch)
	if !w.runtime.FinishLoad(w.now, w.epoch, w.replayed(), w.end) {
		panic("load of the current epoch not taken")
	}
}

// replayed is a loader that has replayed the log.
func (w *world) replayed() *coordinator.Loader[*Call] {
	l := coordinator.NewLoader[*Call](New(w.settings, w.random.Fork(uint64(w.epoch))), 0)
	for _, b := range w.batches {
		if err := l.LoadBatch(b); err != nil {
			panic(err)
		}
	}
	return l
}

func (w *world) machine() *Machine {
	m, _ := w.runtime.Machine().(*Machine)
	return m
}

// submit sends a request and returns its slot.
func (w *world) submit(name, clientID string, req kmsg.Request) uint64 {
	w.slot++
	w.names[w.slot] = name
	w.runtime.Submit(w.now, &Call{
		Slot: w.slot, Request: req, ClientID: clientID, ClientHost: "/10.0.0.1",
	})
	w.settle()
	return w.slot
}

func (w *world) settle() {
	if !w.held {
		w.runtime.Advance(w.end)
	}
}

// pass lets time go by, with a tick at every deadline.
func (w *world) pass(d time.Duration) {
	until := w.now.Mono + d
	for {
		at, ok := w.runtime.Deadline()
		if !ok || at > until {
			break
		}
		w.step(max(at-w.now.Mono, 0))
	}
	w.step(until - w.now.Mono)
}

func (w *world) step(d time.Duration) {
	w.now.Mono += d
	w.now.Wall += core.Timestamp(d.Milliseconds())
	w.runtime.Tick(w.now)
	w.settle()
}

func (w *world) client(name string) *client {
	c := w.clients[name]
	if c == nil {
		c = &client{name: name}
		w.clients[name] = c
	}
	return c
}

// name gives a member id the name under which the test's reader knows it: client#1, client#2.
func (w *world) name(id string) string {
	if id == "" {
		return "-"
	}
	for _, a := range w.aliases {
		if a.id == id {
			return a.name
		}
	}
	if len(id) < 37 {
		return id
	}
	prefix, n := id[:len(id)-37], 1
	for _, a := range w.aliases {
		if strings.HasPrefix(a.name, prefix+"#") {
			n++
		}
	}
	w.aliases = append(w.aliases, alias{id: id, name: fmt.Sprintf("%s#%d", prefix, n)})
	return w.aliases[len(w.aliases)-1].name
}

// learn is what clients do with an answer.
func (w *world) learn(c *Call) {
	join, ok := c.Response.(*kmsg.JoinGroupResponse)
	if !ok {
		return
	}
	who := w.client(strings.Fields(w.names[c.Slot])[0])
	if join.MemberID != "" {
		who.member = join.MemberID
	}
	if join.ErrorCode == 0 {
		who.generation, who.protocol = join.Generation, join.Protocol
	}
}

// answers returns the answers that have come out since, one line each.
func (w *world) answers() []string {
	var lines []string
	for _, c := range w.runtime.Drain() {
		w.learn(c)
		c.Response.AppendTo(nil) // must be encodable in its version
		lines = append(lines, w.names[c.Slot]+": "+w.show(c.Response))
	}
	return lines
}

func (w *world) show(resp kmsg.Response) string {
	switch r := resp.(type) {
	case *kmsg.JoinGroupResponse:
		if r.ErrorCode != 0 {
			return code(r.ErrorCode) + " member=" + w.name(r.MemberID)
		}
		s := fmt.Sprintf("generation=%d member=%s leader=%s protocol=%s", r.Generation, w.name(r.MemberID),
			w.name(r.LeaderID), text(r.Protocol))
		if r.SkipAssignment {
			s += " skip"
		}
		if len(r.Members) > 0 {
			s += " members="
			for i := range r.Members {
				s += w.name(r.Members[i].MemberID) + " "
			}
		}
		return strings.TrimSpace(s)
	case *kmsg.SyncGroupResponse:
		if r.ErrorCode != 0 {
			return code(r.ErrorCode)
		}
		return fmt.Sprintf("assignment=%q protocol=%s", r.MemberAssignment, text(r.Protocol))
	case *kmsg.HeartbeatResponse:
		return code(r.ErrorCode)
	case *kmsg.LeaveGroupResponse:
		s := code(r.ErrorCode)
		for i := range r.Members {
			s += fmt.Sprintf(" %s/%s=%s", w.name(r.Members[i].MemberID), text(r.Members[i].InstanceID),
				code(r.Members[i].ErrorCode))
		}
		return s
	case *kmsg.OffsetCommitResponse:
		var s []string
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				s = append(s, fmt.Sprintf("%s/%d=%s", t.Topic, p.Partition, code(p.ErrorCode)))
			}
		}
		return strings.Join(s, " ")
	case *kmsg.OffsetFetchResponse:
		s := []string{code(r.ErrorCode)}
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				s = append(s, showOffset(t.Topic, kmsg.OffsetFetchResponseGroupTopicPartition(p)))
			}
		}
		for _, g := range r.Groups {
			s = append(s, g.Group+"="+code(g.ErrorCode))
			for _, t := range g.Topics {
				for _, p := range t.Partitions {
					s = append(s, showOffset(t.Topic, p))
				}
			}
		}
		return strings.Join(s, " ")
	case *kmsg.DescribeGroupsResponse:
		var s []string
		for _, g := range r.Groups {
			s = append(s, w.showDescribed(g))
		}
		return strings.Join(s, "; ")
	case *kmsg.ListGroupsResponse:
		s := code(r.ErrorCode)
		for _, g := range r.Groups {
			s += fmt.Sprintf(" %s(%s,%s,%s)", g.Group, g.ProtocolType, g.GroupState, g.GroupType)
		}
		return s
	case *kmsg.DeleteGroupsResponse:
		var s []string
		for _, g := range r.Groups {
			s = append(s, g.Group+"="+code(g.ErrorCode))
		}
		return strings.Join(s, " ")
	case *kmsg.OffsetDeleteResponse:
		s := code(r.ErrorCode)
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				s += fmt.Sprintf(" %s/%d=%s", t.Topic, p.Partition, code(p.ErrorCode))
			}
		}
		return s
	}
	return fmt.Sprintf("%T", resp)
}

func showOffset(topic string, p kmsg.OffsetFetchResponseGroupTopicPartition) string {
	s := fmt.Sprintf("%s/%d=%d", topic, p.Partition, p.Offset)
	if p.LeaderEpoch >= 0 {
		s += fmt.Sprintf("@%d", p.LeaderEpoch)
	}
	if p.Metadata != nil && *p.Metadata != "" {
		s += fmt.Sprintf("(%s)", *p.Metadata)
	}
	if p.ErrorCode != 0 {
		s += "(" + code(p.ErrorCode) + ")"
	}
	return s
}

func (w *world) showDescribed(g kmsg.DescribeGroupsResponseGroup) string {
	s := fmt.Sprintf("%s %s type=%q protocol=%q", g.Group, g.State, g.ProtocolType, g.Protocol)
	if g.ErrorCode != 0 {
		s += " " + code(g.ErrorCode) + " " + text(g.ErrorMessage)
	}
	for _, m := range g.Members {
		s += fmt.Sprintf(" %s/%s@%s%s=%q", w.name(m.MemberID), text(m.InstanceID), m.ClientID, m.ClientHost,
			m.MemberAssignment)
	}
	return s
}

// records returns the log from an offset on, one line a record.
func (w *world) records(from core.Offset) []string {
	var lines []string
	for _, b := range w.batches {
		if b.BaseOffset() < from {
			continue
		}
		for it := record.Records(b, nil); it.Next(); {
			lines = append(lines, fmt.Sprintf("%d %s", it.Record.Offset, w.showRecord(it.Record)))
		}
	}
	return lines
}

func (w *world) showRecord(r record.Record) string {
	var offsetKey kmsg.OffsetCommitKey
	if r.Key[1] < 2 && offsetKey.ReadFrom(r.Key) == nil {
		s := fmt.Sprintf("offset %s %s/%d", offsetKey.Group, offsetKey.Topic, offsetKey.Partition)
		if r.Value == nil {
			return s + " tombstone"
		}
		var v kmsg.OffsetCommitValue
		must(v.ReadFrom(r.Value))
		if len(v.Metadata) > 20 {
			v.Metadata = fmt.Sprintf("%d bytes", len(v.Metadata))
		}
		return s + fmt.Sprintf(" = %d v%d %q", v.Offset, v.Version, v.Metadata)
	}
	var groupKey kmsg.GroupMetadataKey
	must(groupKey.ReadFrom(r.Key))
	if r.Value == nil {
		return "group " + groupKey.Group + " tombstone"
	}
	var v kmsg.GroupMetadataValue
	must(v.ReadFrom(r.Value))
	s := fmt.Sprintf("group %s generation=%d type=%q protocol=%s leader=%s", groupKey.Group, v.Generation,
		v.ProtocolType, text(v.Protocol), w.name(deref(v.Leader)))
	for _, m := range v.Members {
		s += fmt.Sprintf(" %s/%s=%q", w.name(m.MemberID), text(m.InstanceID), m.Assignment)
	}
	return s
}

// subscription is what a consumer that reads the topics says to the assignor.
func subscription(topics ...string) []byte {
	b := kbin.AppendInt16(nil, 0)
	b = kbin.AppendArrayLen(b, len(topics))
	for _, t := range topics {
		b = kbin.AppendString(b, t)
	}
	return kbin.AppendNullableBytes(b, nil)
}

// protocols reads "range:t1+t2,sticky:t1".
func protocols(s string) []kmsg.JoinGroupRequestProtocol {
	var list []kmsg.JoinGroupRequestProtocol
	for p := range strings.SplitSeq(s, ",") {
		if p == "" {
			continue
		}
		name, topics, _ := strings.Cut(p, ":")
		list = append(list, kmsg.JoinGroupRequestProtocol{
			Name: name, Metadata: subscription(strings.FieldsFunc(topics, func(r rune) bool { return r == '+' })...),
		})
	}
	return list
}

// remembered is everything that must be the same after replaying the log: the image of the state that lives in it.
func (m *Machine) remembered(settled func(*Group) bool) string {
	var s strings.Builder
	for _, id := range m.groupIDs() {
		g := m.groups[id]
		fmt.Fprintf(&s, "%s", id)
		if settled(g) {
			fmt.Fprintf(&s, " %s since=%d generation=%d type=%q protocol=%s leader=%s topics=%v", g.state, g.since,
				g.generation, g.protocolType, text(g.protocol), g.leader, slices.Sorted(mapKeys(g.subscribed)))
			for _, mem := range g.members {
				fmt.Fprintf(&s, "\n  member %s/%s %s %s %v %v %x=%x", mem.id, text(mem.instance), mem.clientID,
					mem.clientHost, mem.sessionTimeout, mem.rebalanceTimeout, mem.metadata(*g.protocol), mem.assignment)
			}
		}
		for _, topic := range g.offsets.topics() {
			for _, p := range g.offsets.partitions(topic) {
				c, _ := g.offsets.get(topic, p)
				fmt.Fprintf(&s, "\n  offset %s/%d %+v", topic, p, c)
			}
		}
		s.WriteString("\n")
	}
	return s.String()
}

func mapKeys(m map[string]struct{}) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// check panics if an invariant of Group's comment does not hold, or something would wait forever.
func (m *Machine) check() {
	if why := m.Broken(); why != "" {
		panic(why)
	}
	for _, g := range m.Inspect() {
		if g.Unarmed != "" {
			panic("group " + g.ID + ": " + g.Unarmed + " without a timer")
		}
	}
}

func code(c int16) string { return core.ErrorCode(c).String() }

func text(s *string) string {
	if s == nil {
		return "null"
	}
	return *s
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func recordsOf(b record.View) record.Iterator { return record.Records(b, nil) }

// capture is a machine that lends its turn.
type capture struct {
	coordinator.Machine[*Call]
	do func(turn)
}

func (c capture) Decide(t turn, _ *Call) { c.do(t) }
func (c capture) Loaded(turn)            {}

// turnOf runs do in a turn of a runtime over the world's log and machine.
func turnOf(w *world, do func(turn)) {
	r := coordinator.New[*Call](w, CommitTimeout)
	r.BeginLoad(1)
	var m coordinator.Machine[*Call] = w.machine()
	r.FinishLoad(w.now, 1, coordinator.NewLoader(coordinator.Machine[*Call](capture{m, do}), w.end), w.end)
	r.Submit(w.now, &Call{})
}

func sortLines(s string) string {
	lines := strings.Split(s, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
