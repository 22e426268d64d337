package workload

import (
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/sim/check"
)

// member is a member of a consumer group of the classic protocol.
type member struct {
	client
	id         string
	generation int32
	joined     bool
	flying     bool
	owned      []core.TopicPartition
	next       core.Offset
	session    int32 // ms
	commits    int
	seat       *check.Membership
	instance   *string  // of a static member
	past       presence // what it was before
	restUntil  time.Duration
	sentAt     time.Duration // its last request
	wellAt     time.Duration // the last one that was answered as that of a member
	loadedOn   int           // the connection on which the coordinator was seen to have loaded its log
}

func newMember(c client) *member {
	m := &member{client: c, generation: -1}
	if m.session = int32(m.random.Between(600, 5000)); m.spec.Session > 0 {
		m.session = int32(m.spec.Session / time.Millisecond)
	}
	m.route.aim.group = m.spec.Group
	m.opened, m.lost = func() { m.find(m.spec.Group, m.act) }, func() { m.flying = false }
	m.seat = m.ledger.Enroll(m.spec.Group)
	if m.spec.Instance != "" {
		m.instance = kmsg.StringPtr(m.spec.Instance)
	}
	return m
}

// Start implements [Actor].
func (m *member) Start() { m.dial() }

// Idle implements [Actor]. At the end members that live go on until their group has come to rest.
func (m *member) Idle() bool { return m.finish && (!m.flying || !m.seat.Gone && !m.seat.Released) }

// Doing implements [Actor].
func (m *member) Doing() string { return "its coordinator" }

func (m *member) later(d time.Duration) { m.net.After(m.wait(d), m.act) }

// act does the next thing: join, or as a member beat, commit, or leave.
func (m *member) act() {
	if !m.up || m.flying || m.stands() {
		return
	}
	if m.finish && m.ends() {
		return
	}
	if m.rests() {
		return
	}
	m.flying, m.sentAt = true, m.net.Now()
	switch {
	case !m.joined:
		m.join()
	case m.finish:
		m.beat()
	case m.late():
	case m.comesBack():
		m.fallOver()
	case m.random.Chance(1, 60):
		m.leave()
	case len(m.owned) > 0 && m.random.Chance(1, 2):
		m.commitOwned()
	default:
		m.beat()
	}
}

// settle reads an error code of the coordinator. It reports whether there is none.
func (m *member) settle(api string, code int16) bool {
	m.flying = false
	m.putOut(api, code)
	if judgesGroup(code) {
		m.hears(api, code)
	}
	switch core.ErrorCode(code) {
	case core.NoError:
		return true
	case core.RebalanceInProgress, core.IllegalGeneration:
		m.out(m.id)
		m.later(20 * time.Millisecond)
	case core.GroupIDNotFound, core.UnknownMemberID:
		if core.ErrorCode(code) == core.GroupIDNotFound && !m.plan.ForgetsGroups() {
			m.unexpected(api, code)
		}
		m.out("")
		m.later(20 * time.Millisecond)
	case core.GroupMaxSizeReached:
		m.out("")
		m.seat.Gone = m.finish // there is no room for all that live
		m.later(pauseBeforeRetry)
	case core.FencedInstanceID:
		m.fenced(api)
	default:
		if !m.retriable(code) {
			m.unexpected(api, code)
		}
		m.later(pauseBeforeRetry)
	}
	return false
}

func (m *member) join() {
	m.owned = nil
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.MemberID, req.ProtocolType = m.spec.Group, m.id, "consumer"
	req.SessionTimeoutMillis = m.session
	req.RebalanceTimeoutMillis = int32(m.random.Between(leastRebalance.Milliseconds(), 5000))
	meta := kmsg.NewConsumerMemberMetadata()
	for i := range m.plan.Topics {
		meta.Topics = append(meta.Topics, m.plan.Topics[i].Name)
	}
	proto := kmsg.NewJoinGroupRequestProtocol()
	proto.Name, proto.Metadata = "range", meta.AppendTo(nil)
	req.Protocols = append(req.Protocols, proto)
	req.InstanceID = m.instance
	m.request(req, m.versionOf(0, 5, 9), func(r kmsg.Response) {
		resp := r.(*kmsg.JoinGroupResponse)
		if core.ErrorCode(resp.ErrorCode) == core.MemberIDRequired {
			m.id, m.flying = resp.MemberID, false
			m.act()
			return
		}
		if !m.settle("JoinGroup", resp.ErrorCode) {
			return
		}
		m.id, m.generation = resp.MemberID, resp.Generation
		m.sync(resp)
	})
}

// sync asks for the assignment, and brings it if this member leads.
func (m *member) sync(join *kmsg.JoinGroupResponse) {
	m.flying, m.sentAt = true, m.net.Now()
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group, req.MemberID, req.Generation = m.spec.Group, m.id, m.generation
	req.ProtocolType, req.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
	req.InstanceID = m.instance
	if join.LeaderID == m.id && !join.SkipAssignment {
		for i, jm := range join.Members {
			ra := kmsg.NewSyncGroupRequestGroupAssignment()
			ra.MemberID, ra.MemberAssignment = jm.MemberID, m.share(i, len(join.Members))
			req.GroupAssignment = append(req.GroupAssignment, ra)
		}
	}
	if m.comesBack() { // between JoinGroup and SyncGroup, where nobody has heard of it
		m.fallOver()
		return
	}
	known := m.known()
	m.request(req, m.versionOf(0, 3, 5), func(r kmsg.Response) {
		resp := r.(*kmsg.SyncGroupResponse)
		if !m.settle("SyncGroup", resp.ErrorCode) {
			return
		}
		m.stale("SyncGroup", req.Generation, known)
		owned, err := partitionsOf(resp.MemberAssignment)
		if err != nil {
			m.wrong("assignment", "an assignment that no leader has made")
			return
		}
		m.owned = owned
		m.joined = true
		m.seat.ID, m.seat.Joined, m.seat.Owned = m.id, true, m.owned
		m.history.Rebalance(m.index, m.spec.Group, m.generation, m.owned)
		m.ledger.Assigned(m.spec.Group, m.generation, m.owner(), m.owned)
		m.ledger.Told(m.route.at, m.spec.Group, m.generation)
		m.look()
	})
}

// share is what member i of n gets.
func (m *member) share(i, n int) []byte {
	a := kmsg.NewConsumerMemberAssignment()
	for j, p := range m.ledger.Partitions() {
		if j%n != i {
			continue
		}
		k := slices.IndexFunc(a.Topics, func(t kmsg.ConsumerMemberAssignmentTopic) bool { return t.Topic == p.Name.Topic })
		if k < 0 {
			t := kmsg.NewConsumerMemberAssignmentTopic()
			t.Topic = p.Name.Topic
			a.Topics = append(a.Topics, t)
			k = len(a.Topics) - 1
		}
		a.Topics[k].Partitions = append(a.Topics[k].Partitions, int32(p.Name.Partition))
	}
	return a.AppendTo(nil)
}

// look asks where the group stands, as a consumer does that was given partitions.
func (m *member) look() {
	if len(m.owned) == 0 {
		m.later(m.spec.Pause)
		return
	}
	m.flying = true
	m.committedOffsets(m.spec.Group, m.owned, func(code int16, largest core.Offset) {
		if m.settle("OffsetFetch", code) {
			m.next = largest + 1
			m.later(m.spec.Pause)
		}
	})
}

func (m *member) commitOwned() {
	m.commits++
	m.next++
	mark := strconv.Itoa(m.index) + "/" + strconv.Itoa(m.commits)
	cm := check.Commit{Offset: m.next, Mark: mark}
	m.commit(committing{m.spec.Group, m.id, m.instance, m.generation}, m.owned, cm, func(code int16) {
		if m.settle("OffsetCommit", code) {
			m.later(m.spec.Pause)
		}
	})
}

func (m *member) beat() {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation, req.InstanceID = m.spec.Group, m.id, m.generation, m.instance
	known := m.known()
	m.request(req, m.versionOf(0, 3, 4), func(r kmsg.Response) {
		if !m.settle("Heartbeat", r.(*kmsg.HeartbeatResponse).ErrorCode) {
			return
		}
		m.stale("Heartbeat", req.Generation, known)
		session := time.Duration(m.session) * time.Millisecond
		if m.finish {
			session /= 3
		}
		m.later(min(m.spec.Pause*4, session))
	})
}

func (m *member) leave() {
	version := m.versionOf(0, 3, 5)
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = m.spec.Group, m.id
	if version >= 3 {
		rm := kmsg.NewLeaveGroupRequestMember()
		rm.MemberID, rm.InstanceID = m.id, m.instance
		req.Members = append(req.Members, rm)
	}
	m.out("")
	m.request(req, version, func(r kmsg.Response) {
		resp := r.(*kmsg.LeaveGroupResponse)
		if code := resp.ErrorCode; code == 0 && len(resp.Members) > 0 && m.instance != nil {
			resp.ErrorCode = resp.Members[0].ErrorCode
		}
		if m.settle("LeaveGroup", resp.ErrorCode) {
			m.later(500 * time.Millisecond)
		}
	})
}
