package check

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/group"
	"ottla.dev/core/metadata"
	"ottla.dev/core/partition"
	"ottla.dev/core/raft"
	"ottla.dev/sim/disk"
)

// Cluster judges brokers from outside, after each step of one of their machines. Only what the step has changed is
// looked at. The invariants are in the files whose names begin with their letters; each takes sightings, which are
// plain data.
type Cluster struct {
	fail   Fail
	ledger *Ledger
	disks  []*disk.Disk
	// Lossy is told of an unclean election that is reported, where somebody has allowed it, before anything is judged by
	// what it may have lost.
	Lossy func(core.TopicPartition)
	// Met is told of what a machine has just done, for who wants to strike it then.
	Met func(node int, what Moment)
	// Wall is what the clock of a machine shows; it may be nil.
	Wall func(node int) core.Timestamp
	// Followers gives what a leader, on a shard of a machine, knows of the other replicas.
	Followers func(node, shard int, r *partition.Replica) []partition.FollowerSeen
	// Clock is the time of the world.
	Clock func() time.Duration
	// Books and ControlBooks look for something in the books of a shard's machines, or the control machine's, that does
	// not fit together, and say what.
	Books        func(node, shard int) string
	ControlBooks func(node int) string
	// Sleepers names a partition of a shard that has more for a parked fetch than it was parked with.
	Sleepers func(node, shard int) string
	shard    int // whose step is judged
	brokers  []seenBroker
	replicas map[replicaKey]*seenReplica
	fences   []fence       // by machine
	sessions []*sessions   // by machine; nil if it is not the active controller
	kept     time.Duration // when somebody looked last who keeps up
	keepAt   time.Duration // and is to look next
	unharmed bool          // nothing takes away what was synced

	leaders   leaders   // S1
	votes     votes     // S2
	batches   batches   // S3
	quorum    lineage   // S4
	committed committed // S5
	images    images    // S8, S11
}

// seenBroker is what is remembered of a machine, over all lives of its broker.
type seenBroker struct {
	life   int
	quorum QuorumSighting // the last one, in whatever life
	pace   pace
	image  *metadata.Image
	// imageSum is what image hashes to.
	imageSum uint64
	shards   [][]seenSlot // in this life
	steps    int          // of its machines
	asleep   []sleeper    // by shard
	cursor   cursor       // in the metadata log
	// wiped says that the disk was lost: what was on it is not known to be there.
	wiped bool
	// lostAt is the newest broker epoch that was known when the disk was lost.
	lostAt core.BrokerEpoch
	// unclean says that the last process that served has not shut down cleanly.
	unclean bool
	unasked bool // it has voted in an epoch of its own making, or of another's, without asking before
	// rotten says that files are damaged: what was on the disk is not known to be there, and does not count, until the
	// damage is repaired.
	rotten bool
	// damage is what the machine had promised when its files were damaged, nil if they are not.
	damage *damage
	// recall is where the committed metadata ended when a node came back that has forgotten its own.
	recall core.Offset
	// mended says that damage was repaired: what was known of the replicas is forgotten until they change.
	mended bool
}

// sleeper is a partition that has more for a fetch than it was parked with, and since when it was seen with one.
type sleeper struct {
	part  string
	since time.Duration
}

// seenSlot is a place in a shard's list of replicas.
type seenSlot struct {
	replica *partition.Replica
	seen    *seenReplica
}

type replicaKey struct {
	node int
	id   core.TopicIDPartition
}

// seenReplica is what is remembered of a replica, over all lives of its broker. Life 0: it was not seen yet.
type seenReplica struct {
	Sighting
	dir    string
	cursor cursor
	// loose says that the metadata have taken the replica away: if the broker hears of it, what it has goes. It may be
	// seen with what it had for a while, and hear of it only in its next life.
	loose bool
	saved core.Offset // the high watermark that the last process has left, or none
	filed filed

	producers    *producerLog
	groups       *groupLog // of partitions of __consumer_offsets
	coordination coordination
	keeping      *keeping             // of a leader
	reached      [reachedEpochs]reach // in the newest leader epochs that it was seen in, the newest first
	deposed      uint64               // the first question whether it leads still that came too late; 0: there is none
	// questions are those that have no answer, and confirmations counts the answers, and whatever else may be one.
	questions     []question
	confirmations uint64
	serving       *group.Machine // that coordinates groups now, and how often that has changed
	services      uint64
}

// readers are told of the batches of the replica.
func (seen *seenReplica) readers() []batchReader {
	if seen.Name.Topic == api.ConsumerOffsetsTopic {
		seen.groups = &groupLog{}
		return []batchReader{seen.groups}
	}
	seen.producers = &producerLog{}
	return []batchReader{seen.producers}
}

// NewCluster returns the judge of brokers with these disks.
func NewCluster(disks []*disk.Disk, l *Ledger, fail Fail) *Cluster {
	c := &Cluster{fail: fail, ledger: l, disks: disks, brokers: make([]seenBroker, len(disks)),
		fences:   make([]fence, len(disks)),
		sessions: make([]*sessions, len(disks)),
		replicas: map[replicaKey]*seenReplica{}, leaders: newLeaders(), votes: votes{}, batches: batches{},
		committed: committed{}, images: images{hashes: map[core.Offset]uint64{}}, Met: func(int, Moment) {},
		Books: func(int, int) string { return "" }, ControlBooks: func(int) string { return "" },
		Sleepers: func(int, int) string { return "" },
		unharmed: unharmed(l.plan)}
	l.ByTime, l.Answered, l.CommittedBy = c.byTime, c.answered, c.committedBy
	return c
}

func (c *Cluster) wrong(check string, node int, text string) {
	c.fail(Correctness, check, "broker "+strconv.Itoa(node+1)+": "+text)
}

// broker returns what is remembered of a machine in this life of its broker.
func (c *Cluster) broker(node, life int) *seenBroker {
	b := &c.brokers[node]
	if b.life != life {
		b.life, b.image, b.shards, b.asleep, b.cursor = life, nil, nil, nil, cursor{}
	}
	return b
}

// Wiped notes that a machine has lost its disk and got another: what it has promised to keep is gone, and that is not
// its fault.
func (c *Cluster) Wiped(node int, d *disk.Disk) {
	c.disks[node] = d
	c.brokers[node] = seenBroker{wiped: true, unclean: true, lostAt: -1}
	if c.images.latest != nil {
		if b := c.images.latest.Broker(core.BrokerID(node + 1)); b != nil {
			c.brokers[node].lostAt = b.Epoch
		}
	}
	//core:unordered what is deleted does not depend on the order
	for key := range c.replicas {
		if key.node == node {
			delete(c.replicas, key)
		}
	}
}

// Rotten notes that files of a machine are about to be damaged. Until they are [Cluster.Repaired] its replicas are
// judged as leaders, and by what they say of themselves.
func (c *Cluster) Rotten(node int) {
	// A process that goes on leads the quorum by votes of before.
	c.brokers[node] = seenBroker{wiped: true, rotten: true, quorum: c.brokers[node].quorum,
		unclean: c.brokers[node].unclean, damage: c.promises(node)}
	//core:unordered what is deleted does not depend on the order
	for key := range c.replicas {
		if key.node == node {
			delete(c.replicas, key)
		}
	}
}

// Repaired notes that a machine has again what it should have: all of it is read again.
func (c *Cluster) Repaired(node int) {
	b := &c.brokers[node]
	b.wiped, b.rotten, b.damage, b.mended, b.cursor = false, false, nil, true, cursor{}
	//core:unordered each is handled alone
	for key, seen := range c.replicas {
		if key.node == node {
			seen.cursor = cursor{}
		}
	}
}

// Control judges a broker after a step of its control machine. Quorum is nil before the broker has read its disk.
func (c *Cluster) Control(node, life int, q *raft.Quorum, image *metadata.Image) {
	b := c.broker(node, life)
	if q == nil {
		return
	}
	if b.booksDue() {
		c.watchBooks(node, c.ControlBooks(node))
	}
	if q.Failed() == nil && q.Log().Failed() == nil {
		if !b.quorum.unchanged(node, life, q) {
			s := sightQuorum(node, life, q)
			c.judgeQuorum(b, &s, q)
		}
	}
	if image != nil && image != b.image {
		c.fences[node].knows = max(c.fences[node].knows, image.Offset())
		was := b.image
		b.image = image
		c.judgeImage(node, was, image)
	}
}

// Shard judges the replicas of a shard after a step of its machine.
func (c *Cluster) Shard(node, life, shard int, replicas []*partition.Replica) {
	b := c.broker(node, life)
	c.shard = shard
	for len(b.shards) <= shard {
		b.shards = append(b.shards, nil)
	}
	slots := b.shards[shard]
	if !sameReplicas(slots, replicas) {
		slots = c.arrange(node, slots, replicas)
		b.shards[shard] = slots
	}
	for i := range slots {
		r, seen := slots[i].replica, slots[i].seen
		c.watchImagined(node, r)
		if !r.Online() {
			seen.confirmations++ // it is not looked at
			continue
		}
		if seen.Life == life && seen.unchanged(r) {
			continue
		}
		s := c.sight(node, life, r)
		c.judge(seen, &s, r)
	}
	if b.booksDue() {
		c.watchBooks(node, c.Books(node, shard))
		c.watchSleepers(b, node, shard)
	}
}

// booksEvery is after how many steps of the machines of a broker the books of one are looked at.
const booksEvery = 17

func (b *seenBroker) booksDue() bool {
	b.steps++
	return b.steps%booksEvery == 0
}

// watchBooks judges what a machine says of its books: what it keeps in two places is the same in both.
func (c *Cluster) watchBooks(node int, why string) {
	if why != "" {
		c.wrong("books", node, why)
	}
}

// sleepsMost is how long a fetch may sleep over what has come: not at all, but who reads what he must not is seen
// first.
const sleepsMost = 50 * time.Millisecond

// watchSleepers judges fetches that wait for something: whoever brings it wakes them.
func (c *Cluster) watchSleepers(b *seenBroker, node, shard int) {
	for len(b.asleep) <= shard {
		b.asleep = append(b.asleep, sleeper{})
	}
	s, part := &b.asleep[shard], c.Sleepers(node, shard)
	switch {
	case part == "":
		*s = sleeper{}
	case part != s.part:
		*s = sleeper{part, c.Clock()}
	case c.Clock()-s.since > sleepsMost:
		c.wrong("books", node, part+": a fetch sleeps over what has come")
	}
}

func sameReplicas(slots []seenSlot, replicas []*partition.Replica) bool {
	if len(slots) != len(replicas) {
		return false
	}
	for i := range slots {
		if slots[i].replica != replicas[i] {
			return false
		}
	}
	return true
}

// arrange follows the replicas of a shard. What was there and is no more has been removed with all that it held.
func (c *Cluster) arrange(node int, before []seenSlot, replicas []*partition.Replica) []seenSlot {
	now := make([]seenSlot, 0, len(replicas))
	for _, r := range replicas {
		key := replicaKey{node, r.ID()}
		seen := c.replicas[key]
		if seen == nil {
			seen = &seenReplica{saved: core.NoOffset}
			c.replicas[key] = seen
		}
		now = append(now, seenSlot{r, seen})
	}
	for _, old := range before {
		gone := true
		for _, s := range now {
			gone = gone && s.replica != old.replica
		}
		if key := (replicaKey{node, old.replica.ID()}); gone && c.replicas[key] == old.seen {
			delete(c.replicas, key)
			for i := range now {
				if now[i].seen == old.seen { // another one of the same partition
					now[i].seen = &seenReplica{}
					c.replicas[key] = now[i].seen
				}
			}
		}
	}
	return now
}

// past is what a replica is compared with: how it was seen last, unless the broker may have heard in its new life that
// the metadata had taken it away.
func (seen *seenReplica) past(s *Sighting) Sighting {
	was := seen.Sighting
	if was.Life == s.Life {
		return was
	}
	if seen.loose {
		was = Sighting{}
	}
	seen.loose = false
	return was
}

// judge lets every invariant look at a replica that has changed.
func (c *Cluster) judge(seen *seenReplica, s *Sighting, r *partition.Replica) {
	was := seen.past(s)
	seen.reach(s)
	if c.brokers[s.Node].rotten {
		c.leaders.partition(c, s)
		c.watchSilence(&was, s, r)
		folder := r.Log().Dir()
		c.watchCutEarly(s, folder[:strings.LastIndexByte(folder, '/')])
		c.watchCommitted(&was, s)
		seen.dir, seen.Sighting = r.Log().Dir(), *s
		return
	}
	c.metReplica(&was, s)
	c.watchEpoch(&was, s)
	c.leaders.partition(c, s)
	c.watchRecovered(&was, s)
	c.watchNew(&was, s, r.Log().Dir())
	c.watchMark(seen, &was, s)
	c.watchCut(seen, &was, s)
	c.watchFiled(seen, s, r.Log().Dir(), r.Log().RecoveryPoint())
	c.watchTruncation(&was, s)
	c.watchWatermark(&was, s)
	c.watchCounted(&was, s)
	c.watchBehind(&was, s, r)
	c.watchConfirmed(seen, &was, s)
	c.watchMajority(seen, &was, s)
	c.watchGivenUp(&was, s)
	c.watchAppended(&was, s)
	c.watchProposed(&was, s)
	c.watchLogStart(&was, s)
	c.watchRetained(&was, s, r.Log().Dir(), r.Log().Size())
	c.watchCommitted(&was, s)
	seen.dir = r.Log().Dir()
	seen.Name = s.Name
	c.readReplica(seen, &was, s)
	c.watchProducers(seen, s, r)
	if k := seen.keeping; k != nil {
		k.proposed = k.proposed || s.Lead.Pending != nil
		if s.End > was.End && c.Clock != nil {
			k.grown = append(k.grown, endAt{c.Clock(), s.End})
		}
	}
	seen.Sighting = *s
}

// judgeQuorum lets every invariant of the metadata quorum look at a node that has changed.
func (c *Cluster) judgeQuorum(b *seenBroker, s *QuorumSighting, q *raft.Quorum) {
	was := b.quorum
	if b.rotten && was.Life != s.Life {
		was = QuorumSighting{} // what is put aside is forgotten
	}
	c.watchForgotten(b, s)
	c.watchRecalled(b, s)
	c.metQuorum(&was, s)
	c.watchQuorumEpoch(&was, s)
	c.watchVote(&was, s)
	c.watchGranted(&was, s)
	c.watchCampaign(b, &was, s)
	c.watchVoters(&was, s)
	c.leaders.quorum(c, s)
	c.watchQuorumWatermark(&was, s)
	c.watchQuorumLog(&was, s)
	c.watchActive(s)
	c.watchFetched(&was, s)
	if !b.rotten {
		c.readQuorum(b, s, q)
	}
	b.quorum = *s
}

// sortedReplicas lists what is remembered of a machine's replicas, by partition.
func (c *Cluster) sortedReplicas(node int) []replicaKey {
	var keys []replicaKey
	//core:unordered sorted below
	for key := range c.replicas {
		if key.node == node {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b replicaKey) int { return a.id.Compare(b.id) })
	return keys
}
