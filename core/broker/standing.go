package broker

import (
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
	"ottla.dev/core/partition"
)

// standing tells control what the controller is to hear of a shard's replicas. It is not answered: the metadata tell.
type standing struct{ replicas []partition.Standing }

// AppendText implements [core.Message].
func (m *standing) AppendText(dst []byte) []byte {
	dst = append(dst, "Standing"...)
	for _, s := range m.replicas {
		dst = append(dst, ' ')
		dst = append(dst, s.ID.Topic.String()...)
		dst = append(dst, '-')
		dst = strconv.AppendInt(dst, int64(s.ID.Partition), 10)
		dst = strconv.AppendBool(append(dst, " lost="...), s.Lost)
	}
	return dst
}

// standings are what the controller is to hear of this broker's replicas, the newest of each, as assignments to log
// directories (AssignReplicasToDirs, KIP-858): the reserved directory LOST says that a replica is not to be relied on.
// One request is under way at a time. A broker is not unfenced before its controller has heard of all that is damaged.
type standings struct {
	waiting []partition.Standing
	flying  []partition.Standing
	retryAt time.Duration
}

// askStanding is how long the controller may take to answer.
const askStanding = 10 * time.Second

// lost reports whether the controller has not heard yet of a replica that is not to be relied on.
func (q *standings) lost() bool {
	isLost := func(s partition.Standing) bool { return s.Lost }
	return slices.ContainsFunc(q.waiting, isLost) || slices.ContainsFunc(q.flying, isLost)
}

// stand takes what a shard says, in the place of what it said of the same replicas before.
func (c *Control) stand(replicas []partition.Standing) {
	q := &c.standings
	for _, s := range replicas {
		q.waiting = slices.DeleteFunc(q.waiting, func(o partition.Standing) bool { return o.ID == s.ID })
		q.waiting = append(q.waiting, s)
	}
	c.sendStandings()
}

func (c *Control) sendStandings() {
	q := &c.standings
	if len(q.flying) > 0 || len(q.waiting) == 0 || c.phase > leaving {
		return
	}
	q.flying, q.waiting, q.retryAt = q.waiting, nil, core.Never
	req := kmsg.NewPtrAssignReplicasToDirsRequest()
	setNewest(req)
	req.BrokerID, req.BrokerEpoch = int32(c.settings.NodeID), int64(c.epoch)
	for _, s := range q.flying {
		c.assign(req, s)
	}
	c.ask(&question{req: req, lane: laneBroker, until: c.now.Mono + askStanding,
		then: func(resp kmsg.Response, _ core.ErrorCode) {
			r, ok := resp.(*kmsg.AssignReplicasToDirsResponse)
			told := q.flying
			q.flying = nil
			if !ok || r.ErrorCode != 0 {
				again := q.waiting
				q.waiting = nil
				c.keepStandings(append(told, again...))
				return
			}
			// A partition that the controller does not know, or that is not here any more, needs no word.
			c.sendStandings()
			c.loaded()
		}})
}

// keepStandings has what was not taken asked again, after a while.
func (c *Control) keepStandings(list []partition.Standing) {
	q := &c.standings
	for i, s := range list {
		newer := slices.ContainsFunc(list[i+1:], func(o partition.Standing) bool { return o.ID == s.ID })
		if !newer {
			q.waiting = append(q.waiting, s)
		}
	}
	q.retryAt = c.now.Mono + beatAgain
}

// assign adds a replica to a request.
func (c *Control) assign(req *kmsg.AssignReplicasToDirsRequest, s partition.Standing) {
	id := metadata.LostDirectory()
	if !s.Lost {
		id = c.directoryID(s.Dir)
	}
	i := slices.IndexFunc(req.Directories, func(d kmsg.AssignReplicasToDirsRequestDirectory) bool {
		return core.UUID(d.ID) == id
	})
	if i < 0 {
		d := kmsg.NewAssignReplicasToDirsRequestDirectory()
		d.ID = id
		i, req.Directories = len(req.Directories), append(req.Directories, d)
	}
	d := &req.Directories[i]
	k := slices.IndexFunc(d.Topics, func(t kmsg.AssignReplicasToDirsRequestDirectoryTopic) bool {
		return core.UUID(t.TopicID) == s.ID.Topic
	})
	if k < 0 {
		t := kmsg.NewAssignReplicasToDirsRequestDirectoryTopic()
		t.TopicID = s.ID.Topic
		k, d.Topics = len(d.Topics), append(d.Topics, t)
	}
	p := kmsg.NewAssignReplicasToDirsRequestDirectoryTopicPartition()
	p.Partition = int32(s.ID.Partition)
	d.Topics[k].Partitions = append(d.Topics[k].Partitions, p)
}

// loaded goes on to have the broker unfenced, when all its logs are open and the controller has heard of all that are
// damaged: from then on the broker may be elected.
func (c *Control) loaded() {
	if c.phase == loading && c.waiting == 0 && !c.standings.lost() {
		c.join()
	}
}
