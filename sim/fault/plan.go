package fault

import (
	"strconv"
	"time"

	"ottla.dev/core"
	"ottla.dev/netsim"
)

// Plan is everything that a seed decides beforehand.
type Plan struct {
	Seed uint64
	// Salt has the same plan run in another way: what is drawn while it runs is drawn anew. Seeds have 0.
	Salt     uint64
	Brokers  int       // of a cluster
	Machines []Machine // of a cluster: the brokers, then those that only vote
	// Dynamic says that the voters are in the log (KIP-853), and not in everybody's configuration.
	Dynamic  bool
	Duration time.Duration // of the part with faults; then everything heals
	Shards   int
	Static   []Setting // of the broker
	Topics   []Topic
	Clients  []Client
	Faults   []Window
	Stops    []Stop
	Delays   Delays
	Jumps    []Jump
	// Operations are what the operator of a cluster does, in order.
	Operations []Operation
	// UnorderedNames lets a crash undo any subset of a folder's changes.
	UnorderedNames bool
	// Dirs is how many log directories a broker has; 0 is 1.
	Dirs        int
	DirFailures []DirFailure
	// Rots are damage to files, of a cluster.
	Rots     []Rot
	Ambushes []Ambush
	Losses   []Loss
	Lates    []Late
	// StaleCache lets a broker that halts after a failed sync be started again with the same page cache, which holds bytes
	// that are not on the disk and count as clean.
	StaleCache bool
	// Net is the network between several brokers and their clients, nil for one that is alone.
	Net *netsim.Schedule
	// Partitions is the number of partitions of all topics together.
	Partitions int
}

// Setting is a name and a value.
type Setting struct{ Name, Value string }

// Topic is a topic that is made at the start and stays.
type Topic struct {
	Name       string
	Partitions int32
	Settings   []Setting
	// Caching says that write.caching is on, Retained that nothing but DeleteRecords removes records.
	Caching  bool
	Retained bool
	// Replicas is the replication factor; 0 is 1.
	Replicas int16
	// IndexInterval is index.interval.bytes, MaxMessage max.message.bytes, SegmentBytes internal.segment.bytes.
	IndexInterval int64
	MaxMessage    int
	SegmentBytes  int
}

// LargestBatch is the size in bytes of the largest batch that the topic takes.
func (t *Topic) LargestBatch() int { return min(t.MaxMessage, t.SegmentBytes) }

// ReplicationFactor is how many replicas each partition has.
func (t *Topic) ReplicationFactor() int16 { return max(t.Replicas, 1) }

// ClientKind says what a client does.
type ClientKind uint8

// The kinds of clients.
const (
	Absent ClientKind = iota // a place without a client, so that others keep their numbers
	Producer
	Consumer
	Member    // of a consumer group
	Committer // commits and fetches offsets of a group of its own
	Admin
	Garbage
	Operator
	Stranger // does what others don't
)

// String gives the kind's name.
func (k ClientKind) String() string {
	return [...]string{"absent", "producer", "consumer", "member", "committer", "admin", "garbage", "operator",
		"stranger"}[k]
}

// Client is one client. What is drawn while it runs comes from a stream of its own.
type Client struct {
	Kind       ClientKind
	Idempotent bool
	Acks       int16
	InFlight   int
	Pause      time.Duration // mean time between operations
	MaxRecords int
	MaxValue   int
	Requests   int // after so many the client begins nothing more; 0: it goes on until the faults end
	Group      string
	Drop       int // one request in so many is followed by hanging up; 0 never
	Old        bool
	Bad        int // one request in so many is wrong on purpose; 0 never
	// Sequence is the first sequence number of an idempotent producer.
	Sequence int32
	// Epoch is the first epoch of each of its producer ids, which Kafka's own producers begin with 0.
	Epoch int16
	// Session is the session timeout of a member; 0 has it drawn when the member starts.
	Session time.Duration
	// Patience is how long the client waits for an answer before it opens another connection; 0: as long as others do.
	Patience time.Duration
	// Instance is the group.instance.id of a static member. Members of a group that have the same are one to it.
	Instance string
	Restart  int  // one time in so many a member comes back as a new process; 0 never
	Late     int  // one time in so many a member commits what it should have committed in an earlier generation; 0 never
	Rest     int  // one time in so many a member stands still for most of its session, or a little longer; 0 never
	Bump     int  // one batch in so many a producer begins with a new epoch, and then sends one of the old; 0 never
	Epochs   bool // a consumer names the leader epochs that it knows of, and now and then others
	Delete   int  // one time in so many a committer deletes what it has committed; 0 never
	Odd      int  // one time in so many a consumer or admin asks for what is just outside of what is allowed; 0 never
}

// Kind is a kind of fault that lasts a while.
type Kind uint8

// The kinds.
const (
	ReadError Kind = iota + 1
	WriteError
	SyncError
	DiskFull
	SlowDisk
	SlowNetwork
	CutAnswers // one answer in Rate is lost with its connection
	Pause      // the process stands still
)

// String gives the kind's name.
func (k Kind) String() string {
	return [...]string{"", "read-error", "write-error", "sync-error", "disk-full", "slow-disk", "slow-network",
		"cut-answers", "pause"}[k]
}

// Window is a time during which a fault may strike; one operation in Rate is hit.
type Window struct {
	Kind     Kind
	Node     int // the machine that is struck, from 0
	From, To time.Duration
	Rate     uint64
}

// StopKind says how a process ends.
type StopKind uint8

// The kinds of ends.
const (
	Clean StopKind = iota + 1
	Kill           // the process dies, the page cache lives
	Crash          // the machine dies: what was not synced is lost or torn
)

// String gives the kind's name.
func (k StopKind) String() string { return [...]string{"", "clean", "kill", "crash"}[k] }

// Stop is the end of a process and its next start.
type Stop struct {
	Kind StopKind
	Node int // the machine, from 0
	At   time.Duration
	// Wipe has the machine come back with an empty disk, if all that must survive is elsewhere then.
	Wipe bool
	// Pending waits for a moment at which writes or syncs are under way.
	Pending bool
	Down    time.Duration
	// Crash, if not 0, is how long after the next start has opened for clients the machine crashes: what was recovered
	// must be as durable as what was written.
	Crash time.Duration
	// Again is after how many file operations of the recovery the process is stopped again, each.
	Again []int
}

// Jump moves the wall clock.
type Jump struct {
	Node int
	At   time.Duration
	By   time.Duration
}

// Delays are upper bounds of what is drawn for each event.
type Delays struct {
	Message time.Duration
	Write   time.Duration
	Sync    time.Duration
	Network time.Duration
	JobStep time.Duration // 0: a job runs through, unless it is cut off
	Stall   time.Duration // of one sync in [StallOneIn], beside what it takes anyway
	// Round is how long at most a machine takes further steps before the effects of the first are executed (core/doc.go,
	// duty 2); 0: they are executed after each.
	Round time.Duration
}

// StallOneIn is how many syncs there are for one that stalls.
const StallOneIn = 20

// Clustered reports whether there are several machines.
func (p *Plan) Clustered() bool { return len(p.Machines) > 1 }

// SessionTimeout is broker.session.timeout.ms.
func (p *Plan) SessionTimeout() time.Duration {
	return p.millis("broker.session.timeout.ms", 9*time.Second)
}

// OffsetsPartitions is offsets.topic.num.partitions.
func (p *Plan) OffsetsPartitions() int32 {
	for _, s := range p.Static {
		if n, err := strconv.Atoi(s.Value); s.Name == "offsets.topic.num.partitions" && err == nil {
			return int32(n)
		}
	}
	return offsetsPartitions
}

// offsetsPartitions is what it is by default.
const offsetsPartitions = 50

// ReplicaLag is replica.lag.time.max.ms.
func (p *Plan) ReplicaLag() time.Duration { return p.millis("replica.lag.time.max.ms", 30*time.Second) }

// millis is the time that a broker setting gives in milliseconds.
func (p *Plan) millis(name string, absent time.Duration) time.Duration {
	for _, s := range p.Static {
		if s.Name == name {
			ms, _ := strconv.Atoi(s.Value)
			return time.Duration(ms) * time.Millisecond
		}
	}
	return absent
}

// StaticMap gives the broker's settings as a broker takes them.
func (p *Plan) StaticMap() map[string]string {
	m := make(map[string]string, len(p.Static))
	for _, s := range p.Static {
		m[s.Name] = s.Value
	}
	return m
}

// The streams of a seed.
const (
	streamPlan = 1 + iota
	StreamWorkload
	StreamSchedule
	StreamFaults
	StreamBroker
	StreamHistory

	streamBrokers = 1005
	streamCluster = 1006
	StreamNet     = 1007
	streamDirs    = 1008

	StreamDirectories = 1009
	streamRots        = 1010
	StreamRot         = 1011
	streamEdges       = 1012
	streamHabits      = 1020
	streamAmbushes    = 1021
	StreamLosses      = 1022
	streamMoves       = 1023
	streamHarms       = 1030
	StreamLates       = 1031
	streamAims        = 1032
	streamDamage      = 1033
	streamMetadata    = 1034
	streamRetention   = 1035
	streamLed         = 1036
	streamWraps       = 1040
	streamBriefs      = 1041
	streamFounding    = 1042
	streamRare        = 1043
	streamProbed      = 1050
	streamPlain       = 1051
	streamOdd         = 1060
	streamRests       = 1061
	streamOutages     = 1062
	streamLateMembers = 1063
	StreamStalls      = 1064
	StreamRounds      = 1065
)

// Habits is the part of a client's stream for what it does beside its work, so that the rest is not reshuffled by it.
const Habits = 1 << 40

// Stream is one of a seed's independent random streams.
func (p *Plan) Stream(label uint64) core.PRNG {
	r := core.NewPRNG(p.Seed)
	if p.Salt != 0 {
		r = r.Fork(p.Salt)
	}
	return r.Fork(label)
}
