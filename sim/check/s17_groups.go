package check

import (
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/broker"
	"ottla.dev/core/group"
	"ottla.dev/core/record"
)

// groupLog is what the log of a coordinator's partition says of its groups: of each key the last value, as a compacted
// log has it (KIP-848's predecessors: GroupMetadata and OffsetCommit records). It shares no code with the coordinator's
// own replay.
type groupLog struct {
	whole   bool // it was read from offset 0
	offsets map[commitKey]group.SeenOffset
	at      map[commitKey]core.Offset // where they are written
	groups  map[string]*kmsg.GroupMetadataValue
	unread  string // why a record could not be read
}

func (g *groupLog) begin(base core.Offset) {
	*g = groupLog{whole: base == 0, offsets: map[commitKey]group.SeenOffset{},
		at: map[commitKey]core.Offset{}, groups: map[string]*kmsg.GroupMetadataValue{}}
}

func (g *groupLog) take(v record.View) {
	if v.IsControl() {
		return
	}
	it := record.Records(v, nil)
	for it.Next() {
		if !g.record(it.Record.Offset, it.Record.Key, it.Record.Value) && g.unread == "" {
			g.unread = "the record at offset " + offsetText(it.Record.Offset) + " cannot be read"
		}
	}
	if it.Err() != nil && g.unread == "" {
		g.unread = "the batch at offset " + offsetText(v.BaseOffset()) + " cannot be read"
	}
}

// Versions of the keys (Kafka: CoordinatorRecordType).
const (
	newestOffsetKey = 1
	groupKey        = 2
)

// record takes a record. It reports false if that is none.
func (g *groupLog) record(o core.Offset, key, value []byte) bool {
	if len(key) < 2 {
		return false
	}
	switch version := int(key[0])<<8 | int(key[1]); {
	case version <= newestOffsetKey:
		return g.offset(o, key, value)
	case version == groupKey:
		return g.group(key, value)
	}
	return true
}

func (g *groupLog) offset(o core.Offset, key, value []byte) bool {
	var k kmsg.OffsetCommitKey
	if k.ReadFrom(key) != nil {
		return false
	}
	at := commitKey{k.Group, core.TopicPartition{Topic: k.Topic, Partition: core.PartitionID(k.Partition)}}
	if value == nil {
		delete(g.offsets, at)
		return true
	}
	var v kmsg.OffsetCommitValue
	if v.ReadFrom(value) != nil {
		return false
	}
	c := group.SeenOffset{Topic: k.Topic, Partition: k.Partition, Offset: core.Offset(v.Offset),
		LeaderEpoch: core.NoLeaderEpoch, Metadata: v.Metadata}
	if v.Version >= 3 {
		c.LeaderEpoch = core.LeaderEpoch(v.LeaderEpoch)
	}
	g.offsets[at], g.at[at] = c, o
	return true
}

func (g *groupLog) group(key, value []byte) bool {
	var k kmsg.GroupMetadataKey
	if k.ReadFrom(key) != nil {
		return false
	}
	if value == nil {
		delete(g.groups, k.Group)
		return true
	}
	v := &kmsg.GroupMetadataValue{}
	if v.ReadFrom(value) != nil {
		return false
	}
	g.groups[k.Group] = v
	return true
}

// coordination is what was seen last of a replica's coordinator.
type coordination struct {
	machine  *group.Machine
	appended core.Offset
	steps    int
}

// inspectEvery is after how many steps of a shard its coordinators are looked at even if nothing was written.
const inspectEvery = 64

// Serves counts how often a broker has begun or ended to coordinate the groups of a partition of __consumer_offsets. It
// reports false while it does not: a coordinator that loads its log says to all members that they are well.
func (c *Cluster) Serves(node int, name core.TopicPartition) (uint64, bool) {
	if seen := c.replicaOf(node, name); seen != nil {
		return seen.services, seen.serving != nil
	}
	return 0, false
}

// replicaOf is what is remembered of a replica that a broker has in this life, nil if it has none.
func (c *Cluster) replicaOf(node int, name core.TopicPartition) *seenReplica {
	for _, slots := range c.brokers[node].shards {
		for i := range slots {
			if seen := slots[i].seen; seen.Life > 0 && seen.Name == name {
				return seen
			}
		}
	}
	return nil
}

// Coordinator judges the coordinator of a partition of __consumer_offsets after a step of its shard: it lives on a
// leadership of the partition (S16), has in memory what the log says (S17), and waits for nothing without an end (L1).
func (c *Cluster) Coordinator(node int, p *broker.CoordinatorInspection) {
	seen := c.replicas[replicaKey{node, p.Replica.ID()}]
	if seen != nil && seen.serving != p.Machine {
		seen.serving = p.Machine
		seen.services++
	}
	if p.Machine == nil || seen == nil || !p.Replica.Online() || c.brokers[node].rotten {
		return
	}
	last, s := &seen.coordination, &seen.Sighting
	if last.steps++; last.machine == p.Machine && last.appended == p.Appended && last.steps < inspectEvery {
		return
	}
	*last = coordination{machine: p.Machine, appended: p.Appended}
	switch {
	case !p.Replica.Leading():
		c.wrong("coordinator", node, s.Name.String()+": it coordinates groups, and does not lead")
		return
	case s.Appointed && p.Epoch != p.Replica.LeaderEpoch():
		c.wrong("coordinator", node, s.Name.String()+": it coordinates groups of epoch "+epochText(p.Epoch)+
			", and leads in epoch "+epochText(p.Replica.LeaderEpoch()))
		return
	case p.Appended != s.End:
		c.wrong("coordinator", node, s.Name.String()+": the groups are those below offset "+offsetText(p.Appended)+
			", and the log ends at "+offsetText(s.End))
		return
	}
	all := p.Machine.Inspect()
	for i := range all {
		if why := all[i].Unarmed; why != "" {
			c.wrong("group-timer", node, "group "+all[i].ID+" is "+all[i].State.String()+": "+why+", and has no timer for it")
		}
	}
	if g := seen.groups; g != nil && g.whole && s.Written == s.End && seen.cursor.next == s.End {
		if why := g.differs(all); why != "" {
			c.wrong("group-state", node, s.Name.String()+": "+why)
		}
	}
}

// differs says in what groups in memory are not those of the log.
func (g *groupLog) differs(all []group.Seen) string {
	if g.unread != "" {
		return g.unread
	}
	there := map[string]bool{}
	count := 0
	for i := range all {
		m := &all[i]
		there[m.ID] = true
		count += len(m.Offsets)
		for _, o := range m.Offsets {
			at := commitKey{m.ID, core.TopicPartition{Topic: o.Topic, Partition: core.PartitionID(o.Partition)}}
			if is, ok := g.offsets[at]; !ok || is != o {
				return "group " + m.ID + " has offset " + offsetText(o.Offset) + " " + o.Metadata + " of " + at.part.String() +
					" in memory, and " + offsetIn(is, ok) + " in its log"
			}
		}
		if why := g.sameGroup(m); why != "" {
			return "group " + m.ID + " is " + m.State.String() + ": " + why
		}
	}
	if count != len(g.offsets) {
		return strconv.Itoa(count) + " offsets are committed, and " + strconv.Itoa(len(g.offsets)) + " in the log"
	}
	for _, id := range slices.Sorted(maps.Keys(g.groups)) {
		if !there[id] {
			return "group " + id + " is in the log, and not in memory"
		}
	}
	return ""
}

func offsetIn(o group.SeenOffset, ok bool) string {
	if !ok {
		return "none"
	}
	return offsetText(o.Offset) + " " + o.Metadata
}

// sameGroup says in what a group that is at rest is not that of the log. What it is between two rests is written with
// the next one.
func (g *groupLog) sameGroup(m *group.Seen) string {
	v := g.groups[m.ID]
	switch {
	case m.State == group.PreparingRebalance || m.State == group.CompletingRebalance:
		if v != nil && v.Generation > m.Generation {
			return "its log knows a later generation"
		}
		return ""
	case v == nil && (len(m.Members) > 0 || m.ProtocolType != ""):
		return "its log does not know it"
	case v == nil:
		return "" // somebody commits without being a member
	case v.Generation != m.Generation || v.ProtocolType != m.ProtocolType || len(v.Members) != len(m.Members):
		return "generation " + strconv.Itoa(int(m.Generation)) + " with " + strconv.Itoa(len(m.Members)) +
			" members, and in the log it is generation " + strconv.Itoa(int(v.Generation)) + " with " +
			strconv.Itoa(len(v.Members))
	}
	for i := range v.Members {
		w := &v.Members[i]
		at := slices.IndexFunc(m.Members, func(x group.SeenMember) bool { return x.ID == w.MemberID })
		switch {
		case at < 0:
			return "member " + w.MemberID + " is in its log, and not in memory"
		case string(m.Members[at].Assignment) != string(w.Assignment):
			return "member " + w.MemberID + " has another assignment in its log"
		case textOf(m.Members[at].Instance) != textOf(w.InstanceID):
			return "member " + w.MemberID + " is another instance in its log"
		case (v.Leader != nil && *v.Leader == w.MemberID) != (m.Leader == w.MemberID):
			return "another member leads in its log"
		}
	}
	return ""
}

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return "=" + *s
}

// committedBy is S5 of commits: what a client is told to be committed, some leader of the coordinator's partition has
// called committed before. A commit that another one has replaced is not looked for.
func (c *Cluster) committedBy(name string, p core.TopicPartition, cm Commit) {
	//core:unordered all must hold
	for key, seen := range c.replicas {
		if seen.groups == nil || !seen.groups.whole || seen.Life != c.brokers[key.node].life {
			continue
		}
		at := commitKey{name, p}
		o, ok := seen.groups.offsets[at]
		x := c.committed.of(key.id)
		if ok && o.Offset == cm.Offset && o.Metadata == cm.Mark && seen.groups.at[at] >= x.end && x.unclean < 0 {
			c.fail(Correctness, "answered-early", "group "+name+": offset "+offsetText(cm.Offset)+" of "+p.String()+
				" is acknowledged, and its record at offset "+offsetText(seen.groups.at[at])+" is not committed: "+
				"the high watermark was never above "+offsetText(x.end))
			return
		}
	}
}
