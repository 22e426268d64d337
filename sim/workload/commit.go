package workload

import (
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/sim/check"
)

// commitOutcome is what an error code of OffsetCommit says about the commit.
type commitOutcome uint8

const (
	committed commitOutcome = iota
	notCommitted
	perhapsCommitted
)

// commitOutcomeOf reads an error code. What a coordinator answers that has lost its log may follow an append.
func commitOutcomeOf(code int16) commitOutcome {
	switch core.ErrorCode(code) {
	case core.NoError:
		return committed
	case core.IllegalGeneration, core.UnknownMemberID, core.RebalanceInProgress, core.CoordinatorLoadInProgress,
		core.FencedInstanceID, core.GroupIDNotFound:
		return notCommitted
	}
	return perhapsCommitted
}

// find asks for the coordinator of a group, which makes sure that there is one.
func (c *client) find(group string, then func()) {
	version := c.version(0, 6)
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorKey, req.CoordinatorKeys = group, []string{group}
	c.request(req, version, func(r kmsg.Response) {
		resp := r.(*kmsg.FindCoordinatorResponse)
		code := resp.ErrorCode
		if version >= 4 {
			if len(resp.Coordinators) != 1 {
				c.wrong("missing-answer", "FindCoordinator for one group is not answered with one")
				return
			}
			code = resp.Coordinators[0].ErrorCode
		}
		switch {
		case code == 0:
			then()
		case c.retriable(code):
			conns := c.conns
			c.net.After(pauseBeforeRetry, func() {
				if c.conns == conns {
					c.find(group, then)
				}
			})
		default:
			c.unexpected("FindCoordinator", code)
		}
	})
}

// committing is as whom a client commits.
type committing struct {
	group      string
	member     string
	instance   *string
	generation int32
}

// commit commits one offset a partition, with a mark of its own.
func (c *client) commit(as committing, parts []core.TopicPartition, cm check.Commit, then func(code int16)) {
	group, generation := as.group, as.generation
	req := kmsg.NewPtrOffsetCommitRequest()
	ops := make([]int, len(parts))
	req.Group, req.MemberID, req.InstanceID, req.Generation = group, as.member, as.instance, generation
	for i, p := range parts {
		ops[i] = c.history.Commit(c.index, group, generation, p, cm.Offset)
		rp := kmsg.NewOffsetCommitRequestTopicPartition()
		rp.Partition, rp.Offset, rp.Metadata = int32(p.Partition), int64(cm.Offset), kmsg.StringPtr(cm.Mark)
		if n := len(req.Topics); n > 0 && req.Topics[n-1].Topic == p.Topic {
			req.Topics[n-1].Partitions = append(req.Topics[n-1].Partitions, rp)
		} else {
			rt := kmsg.NewOffsetCommitRequestTopic()
			rt.Topic = p.Topic
			rt.Partitions = append(rt.Partitions, rp)
			req.Topics = append(req.Topics, rt)
		}
		c.ledger.Committing(group, p, cm)
	}
	newest := c.ledger.Generation(group)
	version := c.version(2, 9)
	if as.instance != nil {
		version = max(version, 7)
	}
	c.request(req, version, func(r kmsg.Response) {
		first := int16(0)
		for _, t := range r.(*kmsg.OffsetCommitResponse).Topics {
			for _, rp := range t.Partitions {
				p := core.TopicPartition{Topic: t.Topic, Partition: core.PartitionID(rp.Partition)}
				if i := slices.Index(parts, p); i >= 0 {
					c.history.Done(ops[i], rp.ErrorCode)
				}
				switch commitOutcomeOf(rp.ErrorCode) {
				case committed:
					c.ledger.Committed(group, p, cm)
					if generation >= 0 {
						c.ledger.Zombie(group, generation, newest)
					}
				case notCommitted:
					c.ledger.NotCommitted(group, p, cm)
				case perhapsCommitted:
					if !c.retriable(rp.ErrorCode) {
						c.unexpected("OffsetCommit", rp.ErrorCode)
					}
				}
				if first == 0 {
					first = rp.ErrorCode
				}
			}
		}
		then(first)
	})
}

// committedOffsets asks for a group's offsets and has the ledger judge them.
func (c *client) committedOffsets(group string, parts []core.TopicPartition,
	then func(code int16, largest core.Offset)) {
	version := c.version(1, 9)
	req := kmsg.NewPtrOffsetFetchRequest()
	if version >= 8 {
		rg := kmsg.NewOffsetFetchRequestGroup()
		rg.Group = group
		for _, p := range parts {
			rt := kmsg.NewOffsetFetchRequestGroupTopic()
			rt.Topic, rt.Partitions = p.Topic, []int32{int32(p.Partition)}
			rg.Topics = append(rg.Topics, rt)
		}
		req.Groups = append(req.Groups, rg)
	} else {
		req.Group = group
		for _, p := range parts {
			rt := kmsg.NewOffsetFetchRequestTopic()
			rt.Topic, rt.Partitions = p.Topic, []int32{int32(p.Partition)}
			req.Topics = append(req.Topics, rt)
		}
	}
	call := c.net.Now()
	asked := map[core.TopicPartition]int{}
	for _, p := range parts {
		asked[p] = c.ledger.AskCommitted(group, p)
	}
	c.request(req, version, func(r kmsg.Response) {
		resp := r.(*kmsg.OffsetFetchResponse)
		code, largest, count := resp.ErrorCode, core.NoOffset, 0
		take := func(topic string, partition int32, offset int64, mark *string, errorCode int16) {
			count++
			if errorCode != 0 {
				code = errorCode
				return
			}
			cm := check.Commit{Offset: core.Offset(offset)}
			if mark != nil {
				cm.Mark = *mark
			}
			p := core.TopicPartition{Topic: topic, Partition: core.PartitionID(partition)}
			c.history.Fetched(c.index, call, group, p, cm.Offset)
			c.ledger.Fetched(group, p, asked[p], cm)
			largest = max(largest, cm.Offset)
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				take(t.Topic, p.Partition, p.Offset, p.Metadata, p.ErrorCode)
			}
		}
		for _, g := range resp.Groups {
			if g.ErrorCode != 0 {
				code = g.ErrorCode
			}
			for _, t := range g.Topics {
				for _, p := range t.Partitions {
					take(t.Topic, p.Partition, p.Offset, p.Metadata, p.ErrorCode)
				}
			}
		}
		if code == 0 {
			c.hears("OffsetFetch", code)
		}
		if code == 0 && count != len(parts) {
			c.wrong("missing-answer", "OffsetFetch of "+strconv.Itoa(len(parts))+" partitions answers "+strconv.Itoa(count))
			return
		}
		then(code, largest)
	})
}

// committer commits offsets of a group of its own, without being a member, and looks at them.
type committer struct {
	client
	parts   []core.TopicPartition
	next    core.Offset
	flying  bool
	forgets int
	asks    uint64 // how often it only asks, behind a deletion
}

func newCommitter(c client) *committer {
	k := &committer{client: c}
	for _, p := range k.ledger.Partitions() {
		if k.random.Chance(1, 2) || len(k.parts) == 0 {
			k.parts = append(k.parts, p.Name)
		}
	}
	k.route.aim.group = k.spec.Group
	k.opened, k.lost = func() { k.find(k.spec.Group, k.act) }, func() { k.flying = false }
	return k
}

// Start implements [Actor].
func (k *committer) Start() { k.dial() }

// Idle implements [Actor].
func (k *committer) Idle() bool { return k.finish && !k.flying }

// Doing implements [Actor].
func (k *committer) Doing() string { return "an answer to a commit" }

func (k *committer) act() {
	if !k.up || k.flying || k.finish {
		return
	}
	k.flying = true
	then := func(code int16) {
		k.flying = false
		if code != 0 && !k.retriable(code) {
			k.unexpected("the coordinator's answer", code)
		}
		k.net.After(k.wait(k.spec.Pause), k.act)
	}
	if k.spec.Delete > 0 && k.habits.Chance(1, uint64(k.spec.Delete)) {
		k.forget(then)
		return
	}
	if k.asks > 0 || k.random.Chance(1, 3) {
		k.asks -= min(k.asks, 1)
		k.committedOffsets(k.spec.Group, k.parts, func(code int16, _ core.Offset) { then(code) })
		return
	}
	k.next++
	mark := strconv.Itoa(k.index) + "/" + strconv.FormatInt(int64(k.next), 10)
	k.commit(committing{group: k.spec.Group, generation: -1}, k.parts, check.Commit{Offset: k.next, Mark: mark}, then)
}

// pauseBeforeRetry is how long clients wait after a code that says "not now".
const pauseBeforeRetry = 100 * time.Millisecond
