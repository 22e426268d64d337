package workload

import (
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/record"
	"ottla.dev/sim/check"
	"ottla.dev/sim/history"
)

// consumer reads partitions without a group, in fetch sessions or without.
type consumer struct {
	client
	codecs    *record.Codecs
	positions []*position
	flying    bool
	sessions  bool
	session   int32 // id of the fetch session
	epoch     int32 // of the next fetch in it
	maxWait   int32
	resets    int
	rack      string
}

// position is where a consumer stands in a partition.
type position struct {
	part  *check.Partition
	log   *history.Log
	view  check.View
	asked check.Asked
	next  core.Offset
	known bool             // next is set
	told  bool             // the broker's session knows next
	epoch core.LeaderEpoch // of the last batch that was read up to next
	named named
	first bool // next is where the broker says that the log starts: it answers for what is not there
}

func newConsumer(c client) *consumer {
	k := &consumer{client: c, codecs: record.NewCodecs(0)}
	k.sessions = k.random.Chance(2, 3)
	k.maxWait = int32(k.random.Between(0, 500))
	for _, p := range k.ledger.Partitions() {
		if k.random.Chance(2, 3) || len(k.positions) == 0 {
			k.positions = append(k.positions, &position{part: p, log: k.history.Log(p)})
		}
	}
	if k.plan.Clustered() {
		k.positions = k.positions[:1]
		k.positions[0].part = k.ledger.Partitions()[k.random.Below(uint64(len(k.ledger.Partitions())))]
		k.positions[0].log = k.history.Log(k.positions[0].part)
		k.route.aim.part = k.positions[0].part.Name
		k.rack = k.plan.Machines[k.random.Below(uint64(len(k.plan.Machines)))].Rack
	}
	k.opened, k.lost = k.fetch, k.down
	return k
}

// Start implements [Actor].
func (k *consumer) Start() { k.dial() }

// Idle implements [Actor].
func (k *consumer) Idle() bool { return k.finish && !k.flying }

// Doing implements [Actor].
func (k *consumer) Doing() string { return "an answer to a fetch" }

func (k *consumer) down() {
	k.flying = false
	k.endSession()
}

func (k *consumer) endSession() {
	k.session, k.epoch = 0, 0
	for _, p := range k.positions {
		p.told = false
	}
}

// fetch sends the next request.
func (k *consumer) fetch() {
	if !k.up || k.flying || k.finish {
		return
	}
	for _, p := range k.positions {
		if !p.known {
			k.reset(p)
			return
		}
	}
	version := k.version(4, 18)
	if version >= 13 && len(k.ids) < len(k.plan.Topics) {
		version = 12
	}
	// A session speaks one way of naming topics.
	if k.epoch > 0 && k.sessions {
		version = max(version, 7)
		if k.spec.Old {
			version = min(version, 12)
		} else if len(k.ids) == len(k.plan.Topics) {
			version = max(version, 13)
		}
	} else if !k.spec.Old && len(k.ids) == len(k.plan.Topics) {
		version = max(version, 13)
	} else {
		version = min(version, 12)
	}
	req := kmsg.NewPtrFetchRequest()
	req.Rack = k.rack
	req.MaxWaitMillis, req.MinBytes = k.maxWait, int32(k.random.Between(0, 300))
	req.MaxBytes = int32(k.random.Between(1, 1<<16))
	req.SessionID, req.SessionEpoch = 0, -1
	if k.sessions && version >= 7 {
		req.SessionID, req.SessionEpoch = k.session, k.epoch
	}
	for _, p := range k.positions {
		p.asked = k.ledger.Ask(p.part)
		if req.SessionEpoch > 0 && p.told {
			k.sends(&p.named)
			continue
		}
		k.ask(req, version, p)
		p.told = true
	}
	k.flying = true
	call := k.net.Now()
	k.request(req, version, func(r kmsg.Response) {
		k.flying = false
		k.answered(r.(*kmsg.FetchResponse), req.SessionEpoch, call)
	})
}

// Versions from which requests can name a leader epoch.
const (
	fetchEpochVersion = 9
	listEpochVersion  = 4
)

func (k *consumer) ask(req *kmsg.FetchRequest, version int16, p *position) {
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset = int32(p.part.Name.Partition), int64(p.next)
	rp.PartitionMaxBytes = int32(k.random.Between(1, 1<<14))
	if p.named = noEpoch; k.spec.Epochs && version >= fetchEpochVersion {
		p.named = k.nameEpoch(p.part.Name)
		rp.CurrentLeaderEpoch = int32(p.named.epoch)
	}
	if n := len(req.Topics); n > 0 && req.Topics[n-1].Topic == p.part.Name.Topic {
		req.Topics[n-1].Partitions = append(req.Topics[n-1].Partitions, rp)
		return
	}
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID = p.part.Name.Topic, k.ids[p.part.Name.Topic]
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
}

func (k *consumer) answered(resp *kmsg.FetchResponse, epoch int32, call time.Duration) {
	again := k.spec.Pause
	if resp.ErrorCode != 0 {
		switch core.ErrorCode(resp.ErrorCode) {
		case core.FetchSessionIDNotFound, core.InvalidFetchSessionEpoch, core.FetchSessionTopicIDError:
			k.endSession()
		default:
			if !k.retriable(resp.ErrorCode) {
				k.unexpected("Fetch", resp.ErrorCode)
			}
		}
		again = 100 * time.Millisecond
	} else if epoch >= 0 && resp.Version >= 7 {
		if epoch == 0 {
			k.session = resp.SessionID
		}
		k.epoch = epoch + 1
		if k.session == 0 {
			k.endSession() // the broker has no room for a session
		}
	}
	poll := k.history.Poll(k.index, call)
	for i := range resp.Topics {
		t := &resp.Topics[i]
		for j := range t.Partitions {
			if p := k.find(resp.Version, t, t.Partitions[j].Partition); p != nil {
				if !k.take(&poll, p, &t.Partitions[j], resp.Version) {
					again = 100 * time.Millisecond
				}
			} else {
				k.wrong("unasked", "a Fetch answer has a partition that was not asked for")
			}
		}
	}
	poll.Done()
	if k.route.near != nobody && k.random.Chance(1, 30) {
		k.leaveNear() // as consumers do when their metadata are old
	}
	if k.random.Chance(1, 200) {
		p := k.positions[k.random.Below(uint64(len(k.positions)))]
		p.next, p.told, p.epoch = core.Offset(k.random.Below(uint64(p.next)+1)), false, core.NoLeaderEpoch
		p.first = false
		k.history.Assign(k.index, p.log)
	}
	if p := k.positions[0]; k.spec.Epochs && p.known && p.epoch >= 0 && k.up && !k.finish && k.plan.Clustered() &&
		k.habits.Chance(1, 25) {
		k.validate(p)
		return
	}
	if k.spec.Odd > 0 && k.up && !k.finish && k.habits.Chance(1, uint64(k.spec.Odd)) {
		k.strange(again)
		return
	}
	k.net.After(k.wait(again), k.fetch)
}

// strange asks something odd. What is fetched outside of the session ends it.
func (k *consumer) strange(again time.Duration) {
	p := k.positions[0]
	if !k.plan.Clustered() {
		p = k.positions[k.habits.Below(uint64(len(k.positions)))]
	}
	k.flying = true
	k.endSession()
	k.odd(p.part, func() {
		k.flying = false
		k.net.After(k.wait(again), k.fetch)
	})
}

func (k *consumer) find(version int16, t *kmsg.FetchResponseTopic, partition int32) *position {
	for _, p := range k.positions {
		if int32(p.part.Name.Partition) == partition &&
			(version < 13 && p.part.Name.Topic == t.Topic || version >= 13 && k.ids[p.part.Name.Topic] == t.TopicID) {
			return p
		}
	}
	return nil
}

// take judges what was fetched from a partition. It reports false if it is to be asked again later.
func (k *consumer) take(poll *history.Poll, p *position, rp *kmsg.FetchResponseTopicPartition, version int16) bool {
	k.judgeEpoch("Fetch", &p.named, p.part.Name, rp.ErrorCode)
	switch code := core.ErrorCode(rp.ErrorCode); {
	case code == core.OffsetOutOfRange && k.leaveNear():
		p.told = false // the leader knows better
		return false
	case code == core.OffsetOutOfRange:
		k.ledger.OutOfRange(p.part, p.asked, p.next)
		k.history.OutOfRange(k.index, poll.Call(), p.log, p.next)
		p.known, p.told = false, false
		return true
	case k.retriable(rp.ErrorCode):
		p.told = false
		return false
	case code != core.NoError:
		k.unexpected("Fetch of "+p.part.Name.String(), rp.ErrorCode)
		return false
	}
	if rp.PreferredReadReplica != -1 && version >= 11 {
		p.told = false
		k.readAt(int(rp.PreferredReadReplica) - 1)
		return false
	}
	start := core.NoOffset
	if version >= 5 {
		start = core.Offset(rp.LogStartOffset)
	}
	k.ledger.Watermarks(p.part, &p.view, p.asked, core.Offset(rp.HighWatermark), start)
	p.log.LogStart(start)
	from := p.next
	if p.first {
		from = 0
	}
	poll.Read(p.log, from, core.Offset(rp.HighWatermark))
	next, epoch := readBatches(&k.client, poll, k.codecs, p.part, p.next, core.Offset(rp.HighWatermark),
		rp.RecordBatches)
	poll.Next(next)
	if next != p.next {
		p.next, p.epoch, p.told, p.first = next, epoch, false, false
	}
	return true
}

// readBatches judges the records of an answer from position on and returns the next position, and the leader epoch of
// the last batch.
func readBatches(c *client, poll *history.Poll, codecs *record.Codecs, part *check.Partition, position, hw core.Offset,
	b []byte) (core.Offset, core.LeaderEpoch) {
	epoch := core.NoLeaderEpoch
	for len(b) >= record.HeaderSize {
		v := record.View(b)
		if v.Size() < record.HeaderSize || v.Size() > len(b) {
			break
		}
		v = v[:v.Size()]
		b = b[len(v):]
		if v.Magic() != 2 || !v.ValidCRC() {
			if c.ledger.RotsLive() && c.net.Damaged(c.route.at) {
				return position, epoch // consumers throw such an answer away and ask again
			}
			c.wrong("corrupt", part.Name.String()+": the batch at "+strconv.FormatInt(int64(v.BaseOffset()), 10)+
				" that was fetched is corrupt")
			return position, epoch
		}
		if v.BaseOffset() > position {
			c.wrong("gap", part.Name.String()+": offset "+strconv.FormatInt(int64(position), 10)+" was asked for, and "+
				strconv.FormatInt(int64(v.BaseOffset()), 10)+" came")
		}
		it := record.Records(v, codecs)
		for it.Next() {
			if it.Record.Offset >= position {
				poll.Record(it.Record.Offset, c.ledger.Read(part, it.Record.Offset, hw, it.Record.Value))
			}
		}
		if err := it.Err(); err != nil {
			c.wrong("corrupt", part.Name.String()+": "+err.Error())
		}
		position, epoch = max(position, v.NextOffset()), v.LeaderEpoch()
	}
	return position, epoch
}

// reset asks where a partition begins or ends.
func (k *consumer) reset(p *position) {
	k.flying = true
	at := int64(-2)
	// A client that follows the end may miss records, but never sees one twice.
	if k.resets++; k.resets > 1 && k.random.Chance(1, 4) {
		at = -1
	}
	k.listOffsets(p.part, at, func(code int16, offset int64) {
		k.flying = false
		switch {
		case code == 0:
			p.next, p.known, p.first, p.epoch = core.Offset(offset), true, at == -2, core.NoLeaderEpoch
			k.history.Assign(k.index, p.log)
			k.fetch()
		case k.retriable(code):
			k.net.After(100*time.Millisecond, k.fetch)
		default:
			k.unexpected("ListOffsets", code)
		}
	})
}

// listOffsets asks for the offset of a timestamp.
func (c *client) listOffsets(part *check.Partition, at int64, then func(code int16, offset int64)) {
	req := kmsg.NewPtrListOffsetsRequest()
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = part.Name.Topic
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Partition, rp.Timestamp = int32(part.Name.Partition), at
	version, n := c.version(1, 9), noEpoch
	if version >= listEpochVersion && c.spec.Epochs {
		n = c.nameEpoch(part.Name)
		rp.CurrentLeaderEpoch = int32(n.epoch)
	}
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	call, known := c.net.Now(), part.Known()
	c.request(req, version, func(r kmsg.Response) {
		resp := r.(*kmsg.ListOffsetsResponse)
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			c.wrong("missing-answer", "ListOffsets of one partition is not answered with one")
			return
		}
		p := &resp.Topics[0].Partitions[0]
		c.judgeEpoch("ListOffsets", &n, part.Name, p.ErrorCode)
		switch log := c.history.Log(part); {
		case p.ErrorCode != 0:
		case at == -1:
			c.history.EndOffset(c.index, call, log, p.Offset)
		case at == -2:
			log.LogStart(core.Offset(p.Offset))
		default:
			c.ledger.ByTime(part, core.Timestamp(at), known, core.Offset(p.Offset))
		}
		then(p.ErrorCode, p.Offset)
	})
}
