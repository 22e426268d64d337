package broker

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
	"ottla.dev/core/record"
	"ottla.dev/core/wire"
)

// Config is what a broker is started with.
type Config struct {
	Version string
	// Seed is the entropy of this start. A real driver draws it; the simulator chooses it.
	Seed uint64
	// Static are the settings of server.properties and the command line, validated.
	Static map[string]string
	// LogDirs are the data folders, at least one.
	LogDirs []string
	// MetadataDir holds the metadata log: one of LogDirs or a folder of its own; empty is the first of LogDirs.
	MetadataDir string
	// Endpoints are the addresses that clients are told to use.
	Endpoints []metadata.Endpoint
	// Voters are those of controller.quorum.voters; none means that this node is the whole quorum.
	Voters []Voter
	// ControllerEndpoints are the addresses of this node's own listeners for the controller.
	ControllerEndpoints []record.Endpoint
	// Bootstrap are the addresses of controller.quorum.bootstrap.servers, where a node that is no voter asks for the
	// leader.
	Bootstrap []record.Endpoint
	// ControllerOnly is a node that votes and decides, and holds no partitions.
	ControllerOnly bool
	// Shards is how many shards own the partitions, at least one.
	Shards int
	// EarlyBytes is how large a Produce request is at least whose frame the driver gets back when it is written, and not
	// with its answer only, which costs a message; 0: none.
	EarlyBytes int
}

// Voter is an entry of controller.quorum.voters: id@host:port.
type Voter struct {
	ID   core.BrokerID
	Name string // of the listener
	Host string
	Port uint16
}

// ClusterIDOf makes a cluster id of the voters: two 64-bit FNV-1a hashes of their sorted list, as a UUID. Every node
// that is configured with the same voters comes to the same one.
func ClusterIDOf(voters []Voter) string {
	var list []string
	for _, v := range voters {
		list = append(list, strconv.Itoa(int(v.ID))+"@"+v.Host+":"+strconv.Itoa(int(v.Port)))
	}
	slices.Sort(list)
	text := strings.Join(list, ",")
	var id core.UUID
	binary.BigEndian.PutUint64(id[:8], fnv("first "+text))
	binary.BigEndian.PutUint64(id[8:], fnv("second "+text))
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // as random UUIDs have them
	id[0] &= 0x7f                                   // so that the text does not begin with a dash
	return id.String()
}

func fnv(text string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return h
}

// Broker holds the machines of one broker.
type Broker struct {
	control *Control
	shards  []*Shard
	early   int
	random  core.PRNG
}

// The labels of the machines' random streams.
const (
	streamControl = 1 + iota<<32
	streamShard
	streamSession
)

// New composes a broker. Nothing happens before control gets its [core.InputStart].
func New(cfg Config) *Broker {
	if cfg.Shards < 1 || len(cfg.LogDirs) == 0 {
		panic("broker: a broker needs a shard and a log directory")
	}
	random := core.NewPRNG(cfg.Seed)
	b := &Broker{control: newControl(cfg, random.Fork(streamControl)), early: cfg.EarlyBytes, random: random}
	for i := range cfg.Shards {
		b.shards = append(b.shards, newShard(uint32(i), random.Fork(streamShard+uint64(i))))
	}
	return b
}

// Control is the machine to start and to shut down.
func (b *Broker) Control() core.Machine { return b.control }

// Shards is the number of shards.
func (b *Broker) Shards() int { return len(b.shards) }

// Shard is the machine of shard i.
func (b *Broker) Shard(i uint32) core.Machine { return b.shards[i] }

// NewSession makes the machine of a new connection to a listener that serves the given classes of requests. Ids are the
// driver's, and not used twice.
func (b *Broker) NewSession(id uint32, classes wire.Class) core.Machine {
	return newSession(id, classes, b.early, b.random.Fork(streamSession+uint64(id)))
}

// Identity is who the broker is, for the driver's banner; valid once control has said [core.Outbox.Listen].
type Identity struct {
	ClusterID string
	NodeID    core.BrokerID
}

// Identity returns who the broker is. It may be called between control's steps only.
func (b *Broker) Identity() Identity {
	return Identity{ClusterID: b.control.clusterID, NodeID: b.control.settings.NodeID}
}
