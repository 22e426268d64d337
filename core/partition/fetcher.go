package partition

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/probe"
)

// Fetcher asks one leader for everything that this shard follows there: a machine between the owner's connection and
// the logs. It has one request under way. The next one leaves when everything of the last answer counts: it carries the
// new fetch offsets, which are also the acknowledgements that the leader's high watermark waits for, and would come too
// late behind a request that the leader keeps waiting. Partitions that are being truncated, or pause after an error,
// are left out meanwhile and hold nobody up. Requests name only what has changed (KIP-227).
type Fetcher struct {
	leader    core.BrokerID
	members   []*Replica
	changed   []*Replica // to be named in the next request
	forgotten []core.TopicIDPartition
	session   int32 // 0: the next request names everything
	epoch     int32
	named     int // members in the leader's session
	busy      int // members with records that do not count yet
	inFlight  bool
	pressed   bool // the leader was asked to answer the request under way at once
	retryAt   time.Duration
	request   kmsg.FetchRequest
}

// Fetcher returns the fetcher from a leader, made if need be.
func (s *Set) Fetcher(leader core.BrokerID) *Fetcher {
	i, ok := slices.BinarySearchFunc(s.fetchers, leader, func(f *Fetcher, id core.BrokerID) int {
		return int(f.leader) - int(id)
	})
	if !ok {
		s.fetchers = slices.Insert(s.fetchers, i, &Fetcher{leader: leader})
	}
	return s.fetchers[i]
}

// Fetchers returns the fetchers by leader. The slice belongs to the set.
func (s *Set) Fetchers() []*Fetcher { return s.fetchers }

// Leader is the broker that the fetcher asks.
func (f *Fetcher) Leader() core.BrokerID { return f.leader }

// Idle reports whether the fetcher follows nothing and waits for nothing: its connection can be closed.
func (f *Fetcher) Idle() bool { return len(f.members) == 0 && !f.inFlight }

func (s *Set) join(r *Replica, f *Fetcher) {
	r.follow.fetcher = f
	f.members = append(f.members, r)
}

// remove takes a replica out. It may be back before the next request, which passes over what is not here: it must not
// count as listed for one then.
func (f *Fetcher) remove(r *Replica) {
	f.forget(r)
	if r.follow.busy {
		f.busy--
	}
	r.follow.busy, r.follow.queued, r.follow.fetcher = false, false, nil
	f.members = slices.DeleteFunc(f.members, func(m *Replica) bool { return m == r })
}

// forget lets the next request take a partition out of the leader's session.
func (f *Fetcher) forget(r *Replica) {
	if r.follow.named {
		r.follow.named = false
		f.named--
		f.forgotten = append(f.forgotten, r.id)
	}
}

// reset gives up the session.
func (f *Fetcher) reset() {
	f.session, f.epoch, f.named, f.forgotten = 0, 0, 0, f.forgotten[:0]
	for _, r := range f.members {
		r.follow.named = false
	}
}

// Wants reports whether NextFetch may have a request.
func (f *Fetcher) Wants(now core.Instant) bool {
	return !f.inFlight && f.busy == 0 && now.Reached(f.retryAt) && len(f.members) > 0
}

// NextFetch returns the next request to the leader, or nil if there is nothing to ask or one is under way. The owner
// sends it at once and tells the outcome with Fetched or FetchLost; the struct belongs to the fetcher until then.
func (s *Set) NextFetch(now core.Instant, f *Fetcher) *kmsg.FetchRequest {
	if !f.Wants(now) || s.closing {
		return nil
	}
	full := f.session == 0
	if full {
		f.reset()
		f.changed = append(f.changed[:0], f.members...)
	}
	slices.SortFunc(f.changed, func(a, b *Replica) int { return a.id.Compare(b.id) })
	f.begin(s)
	for i, r := range f.changed {
		if r.follow == nil || r.follow.fetcher != f || i > 0 && r == f.changed[i-1] {
			continue
		}
		r.follow.queued = false
		if s.canFetch(now, r) {
			f.name(r, s.replication.FetchMaxBytes)
		} else {
			s.touch(r) // it pauses: the tick that ends that was not wanted while it was listed
		}
	}
	clear(f.changed)
	f.changed = f.changed[:0]
	if f.named == 0 {
		return nil
	}
	if !full {
		f.dropForgotten(s)
	}
	f.inFlight, f.pressed = true, false
	return &f.request
}

// Presses reports, once for each request under way, that there is something to say which should not wait until the
// leader has more for that one: a partition that is new to its session, perhaps after a failover whose clients wait
// for this follower, or a log start offset that DeleteRecords waits for. The owner has the leader answer.
func (s *Set) Presses(now core.Instant, f *Fetcher) bool {
	if !f.inFlight || f.pressed || s.closing {
		return false
	}
	f.pressed = slices.ContainsFunc(f.changed, func(r *Replica) bool {
		return r.follow != nil && r.follow.fetcher == f && s.canFetch(now, r)
	})
	if f.pressed {
		s.Reached.Add(probe.LeaderPressed)
	}
	return f.pressed
}

// begin starts a request in the memory of the last one.
func (f *Fetcher) begin(s *Set) {
	c, q := &s.replication, &f.request
	topics, forgotten := q.Topics[:0], q.ForgottenTopics[:0]
	*q = kmsg.NewFetchRequest()
	q.Topics, q.ForgottenTopics = topics, forgotten
	if q.Version = c.FetchRequestsFor; q.Version == 0 {
		q.Version = q.MaxVersion()
	}
	q.ReplicaState.ID, q.ReplicaState.Epoch = int32(c.Broker), int64(c.BrokerEpoch)
	q.MaxWaitMillis, q.MinBytes, q.MaxBytes = int32(c.FetchWait.Milliseconds()), c.FetchMinBytes, c.FetchTotalBytes
	q.SessionID, q.SessionEpoch = f.session, f.epoch
}

// name puts a partition into the request.
func (f *Fetcher) name(r *Replica, maxBytes int32) {
	q, w := &f.request, r.follow
	if !w.named {
		w.named = true
		f.named++
	}
	w.told = r.position()
	n := len(q.Topics)
	if n == 0 || q.Topics[n-1].TopicID != r.id.Topic {
		if n < cap(q.Topics) {
			q.Topics = q.Topics[:n+1]
		} else {
			q.Topics = append(q.Topics, kmsg.NewFetchRequestTopic())
		}
		q.Topics[n].TopicID, q.Topics[n].Partitions = r.id.Topic, q.Topics[n].Partitions[:0]
		n++
	}
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.CurrentLeaderEpoch = int32(r.id.Partition), int32(r.leaderEpoch)
	p.FetchOffset, p.LastFetchedEpoch = int64(w.told.offset), int32(w.told.lastEpoch)
	p.LogStartOffset, p.HighWatermark = int64(w.told.start), int64(w.told.highWatermark)
	p.PartitionMaxBytes = maxBytes
	q.Topics[n-1].Partitions = append(q.Topics[n-1].Partitions, p)
}

// dropForgotten lists what has left, but not what has come back since: leaders take additions before removals.
func (f *Fetcher) dropForgotten(s *Set) {
	q := &f.request
	for _, id := range f.forgotten {
		if r := s.byID[id]; r != nil && r.follow != nil && r.follow.fetcher == f && r.follow.named {
			continue
		}
		n := len(q.ForgottenTopics)
		if n == 0 || q.ForgottenTopics[n-1].TopicID != id.Topic {
			t := kmsg.NewFetchRequestForgottenTopic()
			t.TopicID = id.Topic
			q.ForgottenTopics = append(q.ForgottenTopics, t)
			n++
		}
		t := &q.ForgottenTopics[n-1]
		t.Partitions = append(t.Partitions, int32(id.Partition))
	}
	f.forgotten = f.forgotten[:0]
}

// Fetched takes the leader's answer. Its record bytes are in frame, which is released when they are written.
func (s *Set) Fetched(now core.Instant, f *Fetcher, resp *kmsg.FetchResponse, frame []byte, out *core.Outbox) {
	held := &heldFrame{bytes: frame, left: 1}
	defer held.release(out)
	if !f.inFlight {
		return
	}
	f.inFlight = false
	switch code := core.ErrorCode(resp.ErrorCode); {
	case code != core.NoError:
		out.Sometimes(probe.FetchSessionReset)
		f.reset()
		if code != core.FetchSessionIDNotFound && code != core.InvalidFetchSessionEpoch &&
			code != core.FetchSessionTopicIDError {
			s.pauseFetcher(now, f)
		}
		return
	case f.session == 0:
		f.session, f.epoch = resp.SessionID, 1
	case f.epoch == 1<<31-1:
		f.epoch = 1
	default:
		f.epoch++
	}
	for i := range resp.Topics {
		t := &resp.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			r := s.byID[core.TopicIDPartition{Topic: t.TopicID, Partition: core.PartitionID(p.Partition)}]
			if r == nil || r.follow == nil || r.follow.fetcher != f || !r.follow.named || !s.canFetch(now, r) ||
				r.follow.told.offset != r.log.LogEndOffset() {
				out.Sometimes(probe.OldAnswerIgnored)
				continue // asked for in another life
			}
			s.takeFetched(now, r, p, held, out)
		}
	}
}

// FetchLost tells that a request has no answer: the connection is gone, and the session with it.
func (s *Set) FetchLost(now core.Instant, f *Fetcher) {
	s.Reached.Add(probe.FetchLost)
	f.inFlight = false
	f.reset()
	s.pauseFetcher(now, f)
}

// Connected tells that there is a connection to the leader again, so that no pause is needed.
func (f *Fetcher) Connected() { f.retryAt = 0 }

func (s *Set) pauseFetcher(now core.Instant, f *Fetcher) {
	f.retryAt = now.Mono + minFetchBackoff
	s.due = min(s.due, f.retryAt)
}
