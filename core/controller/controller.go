package controller

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
	"ottla.dev/core/probe"
)

// MaxRecordsPerRequest bounds what one request may write (Kafka: QuorumController.MAX_RECORDS_PER_USER_OP).
const MaxRecordsPerRequest = 10_000

// MaxPartitionsPerRequest bounds the partitions that one request may create (Kafka:
// ReplicationControlManager.MAX_PARTITIONS_PER_BATCH).
const MaxPartitionsPerRequest = 10_000

// quotedMax bounds how much of a name from outside an error message repeats, in bytes. Messages must fit the protocol's
// strings however long the name was.
const quotedMax = 300

// Settings are the broker settings that decisions depend on.
type Settings struct {
	NumPartitions            int32 // num.partitions
	DefaultReplicationFactor int16 // default.replication.factor
	DeleteTopicEnable        bool  // delete.topic.enable
	// SessionTimeout is broker.session.timeout.ms: a broker not heard of for so long is fenced.
	SessionTimeout time.Duration
	// AutoLeaderRebalance is auto.leader.rebalance.enable: leaderships go back to the preferred leaders by themselves.
	AutoLeaderRebalance bool
	// LeaderImbalanceCheckInterval is leader.imbalance.check.interval.seconds; 0 for never.
	LeaderImbalanceCheckInterval time.Duration
	// UncleanElectionInterval is unclean.leader.election.interval.ms, the time between two looks for offline partitions
	// that may have a leader at the price of a loss; 0 for never.
	UncleanElectionInterval time.Duration
}

// Configs knows Kafka's configurations: their names, types, defaults and allowed values. Its methods are pure.
type Configs interface {
	// Check reports why the resource cannot have the configuration at that value. The resource is a topic or a broker;
	// the broker with the empty name stands for all.
	Check(r metadata.Resource, name, value string) error
	// CheckTopic reports what is wrong with the configurations of a topic taken together, each of them being right.
	CheckTopic(img *metadata.Image, set []metadata.Config) error
	// IsList reports whether the configuration is a list, which can be appended to and subtracted from.
	IsList(t metadata.ResourceType, name string) bool
	// Default is the value of a configuration that is set nowhere.
	Default(t metadata.ResourceType, name string) (string, bool)
	// EffectiveTopic lists all configurations of a topic that has the given ones set, ascending by name.
	EffectiveTopic(img *metadata.Image, set []metadata.Config) []kmsg.CreateTopicsResponseTopicConfig
	// MinInSyncReplicas is a topic's min.insync.replicas in effect.
	MinInSyncReplicas(img *metadata.Image, topic string) int
	// UncleanLeaderElection is a topic's unclean.leader.election.enable in effect.
	UncleanLeaderElection(img *metadata.Image, topic string) bool
}

// Decision is what a request comes to. Records are appended in the batches that [Batches] makes of them, nearly always
// one, and take effect all or nothing; Response answers the request once they are committed, or at once if there are
// none and the image is committed.
type Decision struct {
	Records  []metadata.Record
	Response kmsg.Response
}

// Controller makes the decisions of one leadership after another.
type Controller struct {
	Settings Settings
	configs  Configs
	random   core.PRNG

	// activated is when this leadership began; brokers that are silent since are given a session timeout from there.
	activated core.Instant
	sessions  map[core.BrokerID]*session
	// activatedAt is where the metadata ended then, and fencedAt where those end that fenced a broker since.
	activatedAt core.Offset
	fencedAt    map[core.BrokerID]core.Offset
	absences    map[core.BrokerID]*absence // brokers that may be gone

	balanceAt        time.Duration // monotonic, the next look for leaderships to move back
	uncleanAt        time.Duration // monotonic, the next look for offline partitions
	uncleanElections uint64

	// Reached are the probes that were passed, until the owner takes them. A decision that is refused, or looked at again,
	// passes them as well.
	Reached probe.Set
}

// New returns a controller that draws ids and places replicas with random. It must be activated before it decides.
func New(settings Settings, configs Configs, random core.PRNG) *Controller {
	return &Controller{Settings: settings, configs: configs, random: random}
}

// Decide decides a request. It panics on requests that are not a controller's: the table of APIs routes them.
func (c *Controller) Decide(now core.Instant, img *metadata.Image, req kmsg.Request) Decision {
	if c.sessions == nil {
		panic("controller: a decision before the activation")
	}
	d := c.decide(now, img, req)
	d.Records = atomically(d.Records)
	return d
}

func (c *Controller) decide(now core.Instant, img *metadata.Image, req kmsg.Request) Decision {
	switch req := req.(type) {
	case *kmsg.CreateTopicsRequest:
		return c.createTopics(img, req, false)
	case *kmsg.DeleteTopicsRequest:
		return c.deleteTopics(img, req)
	case *kmsg.CreatePartitionsRequest:
		return c.createPartitions(img, req)
	case *kmsg.AlterConfigsRequest:
		return c.alterConfigs(img, req)
	case *kmsg.IncrementalAlterConfigsRequest:
		return c.incrementalAlterConfigs(img, req)
	case *kmsg.AllocateProducerIDsRequest:
		return c.allocateProducerIDs(img, req)
	case *kmsg.BrokerRegistrationRequest:
		return c.registerBroker(now, img, req)
	case *kmsg.BrokerHeartbeatRequest:
		return c.heartbeat(now, img, req)
	case *kmsg.UnregisterBrokerRequest:
		return c.unregisterBroker(now, img, req)
	case *kmsg.AlterPartitionRequest:
		return c.alterPartition(img, req)
	case *kmsg.ElectLeadersRequest:
		return c.electLeaders(img, req)
	case *kmsg.AlterPartitionAssignmentsRequest:
		return c.alterReassignments(img, req)
	case *kmsg.ListPartitionReassignmentsRequest:
		return c.listReassignments(img, req)
	case *kmsg.UpdateFeaturesRequest:
		return c.updateFeatures(img, req)
	case *kmsg.AssignReplicasToDirsRequest:
		return c.assignReplicas(img, req)
	}
	panic(fmt.Sprintf("controller: no decision for api key %d", req.Key()))
}

// CreateInternalTopics is a CreateTopics request of the broker itself, for __consumer_offsets and its like. Their
// configurations are taken as they are: some of them are not for users to set.
func (c *Controller) CreateInternalTopics(img *metadata.Image, req *kmsg.CreateTopicsRequest) Decision {
	return c.createTopics(img, req, true)
}

// Bootstrap gives the first records of a new cluster: the level of metadata.version, which readers need for all that
// follows, then the other features, in the order given.
func Bootstrap(features ...metadata.Feature) []metadata.Record {
	records := []metadata.Record{
		&metadata.FeatureLevelRecord{Name: metadata.MetadataVersion, Level: metadata.MaxMetadataVersion},
	}
	for _, f := range features {
		records = append(records, &metadata.FeatureLevelRecord{Name: f.Name, Level: f.Level})
	}
	return records
}

// refusal is a Kafka error with its sentence. A nil refusal is consent.
type refusal struct {
	code core.ErrorCode
	text string
}

func refuse(code core.ErrorCode, format string, args ...any) *refusal {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// refuseCode refuses with Kafka's own sentence for the code.
func refuseCode(code core.ErrorCode) *refusal { return &refusal{code, code.Description()} }

// fields gives the error code and message of a response: 0 and null for consent.
func (r *refusal) fields() (int16, *string) {
	if r == nil {
		return 0, nil
	}
	return int16(r.code), &r.text
}

func tooManyRecords() *refusal {
	return refuse(core.PolicyViolation, "Unable to perform excessively large batch operation.")
}

// quote repeats a name from outside in a message.
func quote(name string) string {
	if len(name) > quotedMax {
		return fmt.Sprintf("%q...", name[:quotedMax])
	}
	return "'" + name + "'"
}

// repeated returns the keys that occur more than once.
func repeated[T any, K comparable](items []T, key func(T) K) map[K]bool {
	seen := make(map[K]bool, len(items))
	for _, item := range items {
		_, again := seen[key(item)]
		seen[key(item)] = again
	}
	return seen
}
