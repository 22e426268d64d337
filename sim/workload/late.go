package workload

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/sim/check"
)

// late does, as somebody who has been paused, what belongs to an earlier generation, or as the process before: it
// commits, beats, or asks for an assignment, or brings one. Nobody may take that. It reports whether it does.
func (m *member) late() bool {
	if m.past.id == "" || m.spec.Late == 0 || m.past.id == m.id && m.past.generation >= m.generation ||
		!m.habits.Chance(1, uint64(m.spec.Late)) {
		return false
	}
	was := m.past
	m.past = presence{}
	as := committing{m.spec.Group, was.id, m.instance, was.generation}
	switch {
	case was.replaced && m.habits.Chance(1, 4):
		as.generation = m.generation
	case !was.replaced && m.habits.Chance(1, 2):
		as.member = m.id
	}
	late := m.habits.Fork(uint64(m.commits)) // what is drawn here is drawn nowhere else
	switch {
	case len(was.owned) == 0 || late.Chance(1, 4):
		m.lateBeat(as)
	case late.Chance(1, 3):
		m.lateSync(as)
	default:
		m.lateCommit(as, &was)
	}
	return true
}

func (m *member) lateCommit(as committing, was *presence) {
	m.commits++
	cm := check.Commit{Offset: m.next + 1, Mark: "late " + strconv.Itoa(m.index) + "/" + strconv.Itoa(m.commits)}
	m.net.Fired("late commit")
	m.commit(as, was.owned, cm, func(code int16) {
		if code == 0 && was.replaced {
			m.wrong("zombie-commit", "group "+as.group+": a commit of the process that "+*m.instance+
				" was before is taken")
		}
		m.refused("OffsetCommit", code)
	})
}

func (m *member) lateBeat(as committing) {
	m.net.Fired("late heartbeat")
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation, req.InstanceID = as.group, as.member, as.generation, as.instance
	known := m.known()
	m.request(req, m.versionOf(0, 3, 4), func(r kmsg.Response) {
		code := r.(*kmsg.HeartbeatResponse).ErrorCode
		if code == 0 {
			m.stale("Heartbeat", as.generation, known)
		}
		m.refused("Heartbeat", code)
	})
}

// lateSync asks for the assignment of an earlier generation, and brings one as its leader would have: everything is
// this member's.
func (m *member) lateSync(as committing) {
	m.net.Fired("late SyncGroup")
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group, req.MemberID, req.Generation, req.InstanceID = as.group, as.member, as.generation, as.instance
	req.ProtocolType, req.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
	all := kmsg.NewSyncGroupRequestGroupAssignment()
	all.MemberID, all.MemberAssignment = as.member, m.share(0, 1)
	req.GroupAssignment = append(req.GroupAssignment, all)
	known := m.known()
	m.request(req, m.versionOf(0, 3, 5), func(r kmsg.Response) {
		code := r.(*kmsg.SyncGroupResponse).ErrorCode
		if code == 0 {
			m.stale("SyncGroup", as.generation, known)
		}
		m.refused("SyncGroup", code)
	})
}

// refused takes the answer to what came late.
func (m *member) refused(api string, code int16) {
	m.flying = false
	switch core.ErrorCode(code) {
	case core.NoError, core.IllegalGeneration, core.UnknownMemberID, core.RebalanceInProgress, core.FencedInstanceID,
		core.GroupIDNotFound, core.InconsistentGroupProtocol:
	default:
		if !m.retriable(code) {
			m.unexpected(api, code)
		}
	}
	if judgesGroup(code) {
		m.hears(api, code)
	}
	m.later(m.spec.Pause)
}

// known is the newest generation of the group that the broker of the connection has told of.
func (m *member) known() int32 { return m.ledger.ToldBy(m.route.at, m.spec.Group) }

// stale judges that a request for a generation was taken.
func (m *member) stale(api string, generation, known int32) {
	if m.served() {
		m.ledger.Stale(api, m.spec.Group, generation, known)
	}
}
