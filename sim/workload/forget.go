package workload

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/sim/check"
)

// mostAsks is how often a committer at most asks for its offsets behind a deletion before it commits again.
const mostAsks = 30

// forget deletes what the committer has committed: for some partitions, or the group with all of them.
func (k *committer) forget(then func(code int16)) {
	k.forgets++
	k.asks = k.habits.Below(mostAsks) // what is deleted stays so, also with the next coordinator
	d := check.Deletion(strconv.Itoa(k.index) + "/" + strconv.Itoa(k.forgets))
	if k.habits.Chance(1, 3) {
		k.deleteGroup(d, then)
		return
	}
	parts := k.parts[:1+k.habits.Below(uint64(len(k.parts)))]
	req := kmsg.NewPtrOffsetDeleteRequest()
	req.Group = k.spec.Group
	for _, p := range parts {
		rp := kmsg.NewOffsetDeleteRequestTopicPartition()
		rp.Partition = int32(p.Partition)
		rt := kmsg.NewOffsetDeleteRequestTopic()
		rt.Topic, rt.Partitions = p.Topic, append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
	}
	asked := k.deleting(parts, d)
	k.request(req, 0, func(r kmsg.Response) {
		resp := r.(*kmsg.OffsetDeleteResponse)
		if resp.ErrorCode == 0 && len(resp.Topics) != len(parts) {
			k.wrong("missing-answer", "OffsetDelete of "+strconv.Itoa(len(parts))+" topics answers "+
				strconv.Itoa(len(resp.Topics)))
			return
		}
		first := resp.ErrorCode
		for i, p := range parts {
			code := resp.ErrorCode
			if code == 0 {
				code = resp.Topics[i].Partitions[0].ErrorCode
			}
			k.deleted(p, asked[i], d, code)
			if first == 0 {
				first = code
			}
		}
		then(known(first))
	})
}

func (k *committer) deleteGroup(d check.Commit, then func(code int16)) {
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Groups = []string{k.spec.Group}
	asked := k.deleting(k.parts, d)
	k.request(req, k.version(0, 2), func(r kmsg.Response) {
		resp := r.(*kmsg.DeleteGroupsResponse)
		if len(resp.Groups) != 1 {
			k.wrong("missing-answer", "DeleteGroups of one group is not answered with one")
			return
		}
		for i, p := range k.parts {
			k.deleted(p, asked[i], d, resp.Groups[0].ErrorCode)
		}
		then(known(resp.Groups[0].ErrorCode))
	})
}

// known takes the code that says that there is no such group for none.
func known(code int16) int16 {
	if core.ErrorCode(code) == core.GroupIDNotFound {
		return 0
	}
	return code
}

func (k *committer) deleting(parts []core.TopicPartition, d check.Commit) []int {
	k.net.Fired("offsets deleted")
	asked := make([]int, len(parts))
	for i, p := range parts {
		asked[i] = k.ledger.AskCommitted(k.spec.Group, p)
		k.ledger.Committing(k.spec.Group, p, d)
	}
	return asked
}

// deleted takes an answer. That there is no such group says that nothing is committed in it.
func (k *committer) deleted(p core.TopicPartition, asked int, d check.Commit, code int16) {
	switch group := k.spec.Group; {
	case core.ErrorCode(code) == core.GroupIDNotFound:
		k.ledger.NotCommitted(group, p, d)
		k.ledger.Fetched(group, p, asked, check.Commit{Offset: core.NoOffset})
	case commitOutcomeOf(code) == committed:
		k.ledger.Committed(group, p, d)
	case commitOutcomeOf(code) == notCommitted:
		k.ledger.NotCommitted(group, p, d)
	}
}
