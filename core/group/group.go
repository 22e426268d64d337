package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// consumerProtocolType is the protocol type of groups of consumers, whose subscriptions we can read.
const consumerProtocolType = "consumer"

// Group is one classic group and the offsets committed under its name.
//
// Invariant: members, byID and instances hold the same members (instances the static ones). Invariant: waiting is the
// number of members with a join call, owing the number that owe a SyncGroup. Invariant: a group in state Empty has no
// members, any other state but PreparingRebalance has some.
type Group struct {
	id    string
	state State
	// previous is the state before this one. A rebalance that began in Empty takes its time (KIP-134).
	previous State
	// since is when the group came into its state, or core.NoTimestamp in groups written before Kafka 2.1.
	since core.Timestamp

	generation   int32
	protocolType string  // "" if nobody ever joined: a simple group, which only commits
	protocol     *string // the selected protocol; nil without members
	leader       string  // "" if there is none

	members   []*member // in the order in which they came
	byID      map[string]*member
	instances map[string]*member
	supported map[string]int // how many members offer a protocol
	waiting   int
	owing     int

	// pending members were given an id and have not come back with it (KIP-394).
	pending map[string]*timer

	// grew is set when a member joins during the initial delay, which is then extended.
	grew bool
	// initialDelay and initialRemaining are the delay running now, and what may still be added to it.
	initialDelay, initialRemaining time.Duration

	// subscribed are the topics that the members of a consumer group read, if known.
	subscribed      map[string]struct{}
	subscribedKnown bool

	joinTimer, syncTimer timer

	offsets offsets
}

func newGroup(id string) *Group {
	g := &Group{
		id: id, state: Empty, previous: Dead, since: core.NoTimestamp,
		byID: map[string]*member{}, instances: map[string]*member{}, supported: map[string]int{},
		pending: map[string]*timer{}, offsets: offsets{},
	}
	g.joinTimer.group = g
	g.syncTimer = timer{kind: timerSync, group: g}
	return g
}

// isConsumers reports whether the members are consumers, whose subscriptions can be read.
func (g *Group) isConsumers() bool { return g.protocolType == consumerProtocolType }

// typeOrNil is the protocol type as answers have it.
func (g *Group) typeOrNil() *string {
	if g.protocolType == "" {
		return nil
	}
	s := g.protocolType // not the field: answers wait, and the field may change
	return &s
}

func (g *Group) leads(m *member) bool { return g.leader == m.id }

// refuseMember checks a member's claim to be who it is (Kafka: ClassicGroup.validateMember). The second process that
// comes with an instance id takes it over; the first is fenced by its old member id (KIP-345, KAFKA-8500).
func (g *Group) refuseMember(id string, instance *string) core.ErrorCode {
	if instance != nil {
		holder, ok := g.instances[*instance]
		if !ok {
			return core.UnknownMemberID
		}
		if holder.id != id {
			return core.FencedInstanceID
		}
	}
	if g.byID[id] == nil {
		return core.UnknownMemberID
	}
	return core.NoError
}

// supports reports whether a member with these protocols can be in the group: of the same type, and with a protocol
// that all members have.
func (g *Group) supports(protocolType string, protocols []kmsg.JoinGroupRequestProtocol) bool {
	if g.state == Empty {
		return protocolType != "" && len(protocols) > 0
	}
	if g.protocolType != protocolType {
		return false
	}
	for i := range protocols {
		if g.supported[protocols[i].Name] == len(g.members) {
			return true
		}
	}
	return false
}

func (g *Group) add(m *member, protocolType string) {
	if g.byID[m.id] != nil {
		panic("group: member " + m.id + " added twice")
	}
	if len(g.members) == 0 {
		g.protocolType = protocolType
	}
	if g.leader == "" {
		g.leader = m.id
	}
	m.session = timer{kind: timerSession, group: g, member: m}
	g.members = append(g.members, m)
	g.byID[m.id] = m
	if m.static() {
		g.instances[*m.instance] = m
	}
	g.count(m, +1)
	if m.join != nil {
		g.waiting++
	}
}

// remove takes a member out. Its timer must be cancelled and its calls answered.
func (g *Group) remove(m *member) {
	for i := range g.members {
		if g.members[i] == m {
			g.members = append(g.members[:i], g.members[i+1:]...)
			break
		}
	}
	delete(g.byID, m.id)
	if m.static() {
		delete(g.instances, *m.instance)
	}
	g.count(m, -1)
	g.setOwesSync(m, false)
	if g.leads(m) {
		g.leader = ""
		if len(g.members) > 0 {
			g.leader = g.members[0].id
		}
	}
}

// rename gives a static member the id of the process that took its place.
func (g *Group) rename(m *member, id string) {
	delete(g.byID, m.id)
	if g.leads(m) {
		g.leader = id
	}
	m.id = id
	g.byID[id] = m
}

// setProtocols replaces what a member offers.
func (g *Group) setProtocols(m *member, protocols []protocol) {
	g.count(m, -1)
	m.protocols = protocols
	g.count(m, +1)
}

func (g *Group) count(m *member, by int) {
	for i := range m.protocols {
		name := m.protocols[i].name
		if g.supported[name] += by; g.supported[name] == 0 {
			delete(g.supported, name)
		}
	}
}

func (g *Group) setOwesSync(m *member, owes bool) {
	if m.owesSync == owes {
		return
	}
	m.owesSync = owes
	if owes {
		g.owing++
	} else {
		g.owing--
	}
}

func (g *Group) clearOwing() {
	for _, m := range g.members {
		g.setOwesSync(m, false)
	}
}

// allJoined reports whether nobody is missing from the rebalance.
func (g *Group) allJoined() bool { return g.waiting == len(g.members) && len(g.pending) == 0 }

// rebalanceTimeout is the longest that a member asks for.
func (g *Group) rebalanceTimeout() time.Duration {
	var longest time.Duration
	for _, m := range g.members {
		longest = max(longest, m.rebalanceTimeout)
	}
	return longest
}

// electJoined makes sure that the leader takes part in the rebalance. It reports false if no member does.
func (g *Group) electJoined() bool {
	if g.leader == "" || g.byID[g.leader].join != nil {
		return g.leader != ""
	}
	for _, m := range g.members {
		if m.join != nil {
			g.leader = m.id
			return true
		}
	}
	return false
}

// selectProtocol lets every member vote for the first of its protocols that all have. Of equal votes the protocol that
// was voted for first wins.
func (g *Group) selectProtocol() string {
	type votes struct {
		name string
		n    int
	}
	var ballot []votes
	for _, m := range g.members {
		name := g.vote(m)
		i := 0
		for i < len(ballot) && ballot[i].name != name {
			i++
		}
		if i == len(ballot) {
			ballot = append(ballot, votes{name: name})
		}
		ballot[i].n++
	}
	best := 0
	for i := range ballot {
		if ballot[i].n > ballot[best].n {
			best = i
		}
	}
	return ballot[best].name
}

func (g *Group) vote(m *member) string {
	for i := range m.protocols {
		if g.supported[m.protocols[i].name] == len(g.members) {
			return m.protocols[i].name
		}
	}
	panic("group: member " + m.id + " supports no protocol that all members have")
}

// transition moves the group to another state.
func (g *Group) transition(to State, now core.Timestamp) {
	if !to.mayFollow(g.state) {
		panic("group: " + g.id + " cannot go from " + g.state.String() + " to " + to.String())
	}
	g.previous, g.state, g.since = g.state, to, now
}

// subscribe computes the topics that the group reads. It is not known while the members are not consumers, or what
// they say cannot be read.
func (g *Group) subscribe() {
	g.subscribed, g.subscribedKnown = nil, false
	if !g.isConsumers() {
		return
	}
	topics := map[string]struct{}{}
	for _, m := range g.members {
		if g.protocol == nil || !readSubscription(m.metadata(*g.protocol), topics) {
			return
		}
	}
	g.subscribed, g.subscribedKnown = topics, true
}

// reads reports whether the group may read a topic, so that its offsets are in use.
func (g *Group) reads(topic string) bool {
	if !g.subscribedKnown {
		return g.isConsumers()
	}
	_, ok := g.subscribed[topic]
	return ok
}
