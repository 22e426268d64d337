package workload

import (
	"strconv"
	"time"

	"ottla.dev/core"
	"ottla.dev/sim/check"
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

// late commits, as somebody who has been paused, what should have been committed in an earlier generation, or as the
// process before: nobody may take that. It reports whether it does.
func (m *member) late() bool {
	if m.past.id == "" || m.spec.Late == 0 || m.past.id == m.id && m.past.generation >= m.generation ||
		!m.habits.Chance(1, uint64(m.spec.Late)) {
		return false
	}
	was := m.past
	m.past = presence{}
	if len(was.owned) == 0 {
		return false
	}
	as := committing{m.spec.Group, was.id, m.instance, was.generation}
	switch {
	case was.replaced && m.habits.Chance(1, 4):
		as.generation = m.generation
	case !was.replaced && m.habits.Chance(1, 2):
		as.member = m.id
	}
	m.commits++
	cm := check.Commit{Offset: m.next + 1, Mark: "late " + strconv.Itoa(m.index) + "/" + strconv.Itoa(m.commits)}
	m.net.Fired("late commit")
	m.commit(as, was.owned, cm, func(code int16) {
		m.flying = false
		switch core.ErrorCode(code) {
		case core.NoError:
			if was.replaced {
				m.wrong("zombie-commit", "group "+as.group+": a commit of the process that "+*m.instance+
					" was before is taken")
			}
		case core.IllegalGeneration, core.UnknownMemberID, core.RebalanceInProgress, core.FencedInstanceID,
			core.GroupIDNotFound:
		default:
			if !m.retriable(code) {
				m.unexpected("OffsetCommit", code)
			}
		}
		m.later(m.spec.Pause)
	})
	return true
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
