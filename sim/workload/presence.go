package workload

import (
	"time"

	"ottla.dev/core"
)

// presence is what a member was in a group before it was put out, or came back as another process.
type presence struct {
	id         string
	generation int32
	owned      []core.TopicPartition
	// replaced says that a static member has its place under another id now: whoever has this one is fenced.
	replaced bool
}

// versionOf is version, for static members from where a request has a place for the instance.
func (m *member) versionOf(lo, static, hi int16) int16 {
	v := m.version(lo, hi)
	if m.instance != nil {
		v = max(v, static)
	}
	return v
}

// owner is who owns partitions in a generation: a static member is one under all its ids.
func (m *member) owner() string {
	if m.instance != nil {
		return "instance " + *m.instance
	}
	return m.id
}

// out ends what the member is in the group, and keeps it for later. It goes on under an id, or with a new one.
func (m *member) out(id string) {
	if m.joined {
		m.past = presence{id: m.id, generation: m.generation, owned: m.owned}
	}
	m.joined, m.id, m.seat.Joined = false, id, false
}

// comesBack draws whether the member is to come back as a new process.
func (m *member) comesBack() bool {
	return m.spec.Restart > 0 && !m.finish && m.habits.Chance(1, uint64(m.spec.Restart))
}

// fallOver ends the member's process without a word. The next one knows nothing of it, except its instance.
func (m *member) fallOver() {
	was := m.past
	if m.id != "" {
		was = presence{id: m.id, generation: m.generation, owned: m.owned, replaced: m.instance != nil}
	}
	m.out("")
	m.past = was
	m.net.Fired("member comes back")
	m.hang()
}

// rests draws whether the member stands still now, as a process that is paused does, for most of its session or a
// little longer: a static one keeps its place meanwhile, whatever the others do.
func (m *member) rests() bool {
	if m.spec.Rest == 0 || m.finish || !m.joined || !m.habits.Chance(1, uint64(m.spec.Rest)) {
		return false
	}
	session := int64(m.session) * int64(time.Millisecond)
	d := time.Duration(m.habits.Between(session/8, session+session/10))
	m.net.Fired("member stands still")
	m.restUntil = m.net.Now() + d
	m.net.After(d, m.act)
	return true
}

// stands reports whether the member stands still.
func (m *member) stands() bool { return !m.finish && m.net.Now() < m.restUntil }

// leastRebalance is the shortest rebalance timeout of a member.
const leastRebalance = time.Second

// putOut judges that a member which beats is not put out (L1): who was one when it beat, and was told of no rebalance,
// stays one for as long as its session lasts, or as a rebalance waits for it that begins then. A commit says nothing
// like that: it is taken while a rebalance waits for the member already, perhaps not for long any more; but it shows
// that the coordinator has loaded its log, until when it answers heartbeats blindly, as Kafka's does. It goes by a
// broker that is alone: a coordinator that was deposed takes for members who are none any more. Of a static one another
// process may have taken the place, and left; at the end sessions become longer, of which the coordinator hears with
// the next JoinGroup.
func (m *member) putOut(api string, code int16) {
	switch {
	case m.plan.Clustered() || m.instance != nil || !m.joined || m.finish:
	case code == 0 && (api == "OffsetCommit" || api == "SyncGroup"):
		m.loadedOn = m.conns
	case code == 0 && api == "Heartbeat" && m.loadedOn == m.conns:
		m.wellAt = m.sentAt
	case core.ErrorCode(code) == core.UnknownMemberID && m.wellAt > 0:
		session := time.Duration(m.session) * time.Millisecond
		if ago := m.net.Now() - m.wellAt; ago < min(session, leastRebalance) {
			m.wrong("put-out", "group "+m.spec.Group+": "+api+" of a member that has beaten "+ago.String()+
				" ago, as one whom nobody waits for, and it is none any more; its session is "+session.String())
		}
	}
}

// fenced takes the news that somebody else is this static member now.
func (m *member) fenced(api string) {
	m.net.Fired("member fenced")
	if m.instance == nil {
		m.unexpected(api, int16(core.FencedInstanceID))
		return
	}
	if m.finish {
		m.seat.Gone = true // of two that think that they are the same one must give in
		return
	}
	m.past = presence{id: m.id, generation: m.generation, owned: m.owned, replaced: m.id != ""}
	m.joined, m.id, m.seat.Joined = false, "", false
	m.later(time.Second)
}

// lastingSession is how long sessions last at the end in ms: shorter ones may end at any time.
const lastingSession = 3000

// Finish implements [Actor]. Some members live until their group is at rest, some leave it without a word.
func (m *member) Finish() {
	m.client.Finish()
	m.session = max(m.session, lastingSession)
	m.seat.Gone = m.habits.Chance(1, 4) || m.spec.Requests > 0
	if m.seat.Gone {
		m.net.Fired("member gone for ever")
	}
}

// ends reports whether the member has nothing more to do.
func (m *member) ends() bool { return m.seat.Gone || m.seat.Released }
