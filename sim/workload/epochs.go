package workload

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// named is a leader epoch that a request names (KIP-320), and what the broker that is asked had of the partition then.
type named struct {
	epoch core.LeaderEpoch
	least core.LeaderEpoch
	id    core.TopicIDPartition
	at    int
}

// noEpoch is of requests that name none.
//
//core:table
var noEpoch = named{epoch: core.NoLeaderEpoch}

// nameEpoch chooses the epoch that a request about a partition names: the one that the client knows of, as Kafka's do,
// now and then an older one, as of who does not know yet, or a newer one, as of who knows before the broker does.
func (c *client) nameEpoch(part core.TopicPartition) named {
	id := core.TopicIDPartition{Topic: c.ids[part.Topic], Partition: part.Partition}
	epoch, ok := c.epochs[id]
	if !ok || !c.plan.Clustered() {
		return noEpoch
	}
	switch {
	case epoch > 0 && c.habits.Chance(1, 40):
		epoch--
	case c.habits.Chance(1, 40):
		epoch++
	}
	n := named{epoch: epoch, id: id, at: c.route.at}
	c.sends(&n)
	return n
}

// sends notes that a request leaves for which an epoch was named, perhaps earlier in a session.
func (c *client) sends(n *named) {
	if n.epoch < 0 {
		return
	}
	var ok bool
	if n.least, ok = c.net.Epoch(n.at, n.id); !ok {
		n.least = core.NoLeaderEpoch
	}
}

// judgeEpoch judges an answer by the epoch that was named: the replica has had it at some time between the request and
// the answer, or an older one, or a newer one, as the answer says. Its epoch never goes back (S7).
func (c *client) judgeEpoch(api string, n *named, part core.TopicPartition, code int16) {
	most, ok := c.net.Epoch(n.at, n.id)
	if n.epoch < 0 || n.least < 0 || !ok || n.at != c.route.at {
		return
	}
	wrong := ""
	switch core.ErrorCode(code) {
	case core.NoError:
		if n.epoch < n.least || n.epoch > most {
			wrong = "answered"
		}
	case core.FencedLeaderEpoch:
		if n.epoch >= most {
			wrong = "fenced"
		}
	case core.UnknownLeaderEpoch:
		if n.epoch <= n.least {
			wrong = "told that its epoch is unknown"
		}
	default:
	}
	if wrong != "" {
		c.wrong("fenced-epoch", api+" of "+part.String()+" is "+wrong+": it names epoch "+number(n.epoch)+
			", and the broker had epoch "+number(n.least)+" when it was asked and has "+number(most)+" now")
	}
}

func number(e core.LeaderEpoch) string { return strconv.Itoa(int(e)) }

// validate asks the leader where the epoch ends that a consumer has read last, as Kafka's consumers do when the leader
// changes: not below what it has read, which was committed.
func (k *consumer) validate(p *position) {
	n := k.nameEpoch(p.part.Name)
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	rt := kmsg.NewOffsetForLeaderEpochRequestTopic()
	rt.Topic = p.part.Name.Topic
	rp := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	rp.Partition, rp.CurrentLeaderEpoch, rp.LeaderEpoch = int32(p.part.Name.Partition), int32(n.epoch), int32(p.epoch)
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	read, epoch := p.next, p.epoch
	k.flying = true
	k.request(req, k.version(2, 4), func(r kmsg.Response) {
		k.flying = false
		resp := r.(*kmsg.OffsetForLeaderEpochResponse)
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			k.wrong("missing-answer", "OffsetForLeaderEpoch of one partition is not answered with one")
			return
		}
		a := &resp.Topics[0].Partitions[0]
		k.judgeEpoch("OffsetForLeaderEpoch", &n, p.part.Name, a.ErrorCode)
		switch {
		case a.ErrorCode == 0:
			k.ledger.EpochEnds(p.part, epoch, read, core.LeaderEpoch(a.LeaderEpoch), core.Offset(a.EndOffset))
		case !k.retriable(a.ErrorCode):
			k.unexpected("OffsetForLeaderEpoch", a.ErrorCode)
		}
		k.net.After(k.wait(k.spec.Pause), k.fetch)
	})
}
