package workload

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/sim/check"
)

// pauseBeforeLook is how long the auditor waits before it looks again whether a group is at rest.
const pauseBeforeLook = 500 * time.Millisecond

// settle waits until a group is at rest (L1), and lets its members end then.
func (a *Auditor) settle(group string) {
	if a.doing == "" || a.settling != group {
		a.settling, a.doing = group, "group "+group+" to come to rest"
	}
	if !a.aimAt(aim{group: group}) {
		return
	}
	a.flying = true
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{group}
	a.request(req, a.version(0, 5), func(r kmsg.Response) {
		resp := r.(*kmsg.DescribeGroupsResponse)
		a.flying = false
		if len(resp.Groups) != 1 {
			a.wrong("missing-answer", "DescribeGroups of one group is not answered with one")
			return
		}
		d := &resp.Groups[0]
		if d.ErrorCode != 0 {
			if !a.retriable(d.ErrorCode) {
				a.unexpected("DescribeGroups", d.ErrorCode)
			}
			a.later()
			return
		}
		members, ok := described(d.Members)
		if !ok {
			a.wrong("assignment", "an assignment of group "+group+" that no leader has made")
			return
		}
		if why := a.ledger.GroupSettled(group, d.State, members); why != "" {
			a.doing = "group " + group + " to come to rest: " + why
			a.net.After(pauseBeforeLook, a.act)
			return
		}
		a.ledger.Release(group)
		a.settled++
		a.act()
	})
}

func described(all []kmsg.DescribeGroupsResponseGroupMember) ([]check.Described, bool) {
	members := make([]check.Described, 0, len(all))
	for i := range all {
		m := check.Described{ID: all[i].MemberID}
		if len(all[i].MemberAssignment) > 0 {
			owned, err := partitionsOf(all[i].MemberAssignment)
			if err != nil {
				return nil, false
			}
			m.Owned = owned
		}
		members = append(members, m)
	}
	return members, true
}

// partitionsOf reads an assignment.
func partitionsOf(assignment []byte) ([]core.TopicPartition, error) {
	var a kmsg.ConsumerMemberAssignment
	if err := a.ReadFrom(assignment); err != nil {
		return nil, err
	}
	var owned []core.TopicPartition
	for _, t := range a.Topics {
		for _, p := range t.Partitions {
			owned = append(owned, core.TopicPartition{Topic: t.Topic, Partition: core.PartitionID(p)})
		}
	}
	return owned, nil
}
