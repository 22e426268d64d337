package workload

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// strangeBatch is a batch of a stranger.
type strangeBatch struct {
	bytes []byte
	size  int  // of the value, if it is to be too large; the batch is nobody's then
	again bool // it was sent before
}

func (b *strangeBatch) build(s *stranger, at core.Timestamp, epoch int16, sequence, count int64) {
	var rb record.Builder
	rb.Start(nil, 0)
	value := []byte("strange")
	if b.size > 0 {
		value, count = make([]byte, b.size), 1
	} else {
		rb.SetProducer(s.id, core.ProducerEpoch(epoch), core.Sequence(sequence))
	}
	for range count {
		rb.Append(at, nil, value)
	}
	b.bytes, _ = rb.Finish()
}

// fetch reads with a session, and names it wrong now and then.
func (s *stranger) fetch() {
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.MaxWaitMillis, req.MinBytes, req.MaxBytes = -1, int32(s.random.Between(0, 100)), 1, 1<<20
	req.SessionID, req.SessionEpoch = s.session, s.turn
	if s.session == 0 {
		req.SessionEpoch = 0
	}
	again := s.session != 0 && s.random.Chance(1, 2)
	switch {
	case s.session != 0 && s.random.Chance(1, 8):
		req.SessionEpoch += 3
	case s.session != 0 && s.random.Chance(1, 8):
		req.SessionID++
	case s.session != 0 && s.random.Chance(1, 6):
		f := kmsg.NewFetchRequestForgottenTopic()
		f.Topic, f.Partitions = s.topic, []int32{0}
		req.ForgottenTopics = append(req.ForgottenTopics, f)
	}
	for _, name := range []string{s.topic, s.plan.Topics[0].Name} {
		if again {
			break
		}
		t := kmsg.NewFetchRequestTopic()
		p := kmsg.NewFetchRequestTopicPartition()
		t.Topic, p.PartitionMaxBytes, p.FetchOffset = name, 1<<16, s.random.Between(0, 50)
		t.Partitions = append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
	}
	s.ask("Fetch", req, int16(s.random.Between(7, 11)), func(r kmsg.Response) {
		resp := r.(*kmsg.FetchResponse)
		if s.session, s.turn = resp.SessionID, req.SessionEpoch+1; resp.ErrorCode != 0 {
			s.session = 0
		}
	})
}

// join makes it a static member, or another process in the place of that, or a member whose protocol nobody has.
func (s *stranger) join() {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.ProtocolType, req.MemberID = s.group, "consumer", s.member
	req.SessionTimeoutMillis = int32(s.random.Between(600, 3000))
	req.RebalanceTimeoutMillis, req.InstanceID = int32(s.random.Between(1, 1000)), kmsg.StringPtr("one")
	fresh := s.random.Chance(1, 3)
	if fresh {
		req.MemberID = ""
	}
	proto := kmsg.NewJoinGroupRequestProtocol()
	proto.Name, proto.Metadata = "range", []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	switch s.random.Below(8) {
	case 0:
		proto.Name = "odd"
	case 1:
		req.MemberID, req.InstanceID = "", nil
	case 2:
		req.MemberID, req.InstanceID = "", kmsg.StringPtr("two")
	}
	req.Protocols = append(req.Protocols, proto)
	s.ask("JoinGroup", req, int16(s.random.Between(5, 9)), func(r kmsg.Response) {
		resp := r.(*kmsg.JoinGroupResponse)
		switch core.ErrorCode(resp.ErrorCode) {
		case core.NoError:
			if req.InstanceID != nil && *req.InstanceID == "one" {
				if s.member != resp.MemberID {
					s.former = s.member
				}
				s.member, s.generation, s.leads = resp.MemberID, resp.Generation, resp.LeaderID == resp.MemberID
			}
			if s.random.Chance(2, 3) {
				s.flying = true
				s.sync(resp)
			}
		case core.UnknownMemberID, core.FencedInstanceID:
			s.member = ""
		default:
		}
	})
}

func (s *stranger) sync(join *kmsg.JoinGroupResponse) {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group, req.MemberID, req.Generation = s.group, join.MemberID, join.Generation
	req.ProtocolType, req.Protocol = join.ProtocolType, join.Protocol
	for _, m := range join.Members {
		a := kmsg.NewSyncGroupRequestGroupAssignment()
		a.MemberID, a.MemberAssignment = m.MemberID, []byte("all")
		req.GroupAssignment = append(req.GroupAssignment, a)
	}
	s.ask("SyncGroup", req, int16(s.random.Between(3, 4)), nil)
}

// beat beats for itself, or for the process that it has taken the place of.
func (s *stranger) beat() {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation, req.InstanceID = s.group, s.member, s.generation, kmsg.StringPtr("one")
	if s.former != "" && s.random.Chance(1, 2) {
		req.MemberID = s.former
	}
	s.ask("Heartbeat", req, int16(s.random.Between(3, 4)), nil)
}
