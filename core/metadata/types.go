package metadata

import (
	"encoding/binary"
	"strconv"

	"ottla.dev/core"
)

// RecordType is the api key of a metadata record (Kafka: MetadataRecordType).
type RecordType int16

// The record types that Ottla reads and writes.
const (
	TypeRegisterBroker           RecordType = 0
	TypeUnregisterBroker         RecordType = 1
	TypeTopic                    RecordType = 2
	TypePartition                RecordType = 3
	TypeConfig                   RecordType = 4
	TypePartitionChange          RecordType = 5
	TypeFenceBroker              RecordType = 7
	TypeUnfenceBroker            RecordType = 8
	TypeRemoveTopic              RecordType = 9
	TypeFeatureLevel             RecordType = 12
	TypeProducerIDs              RecordType = 15
	TypeBrokerRegistrationChange RecordType = 17
	TypeNoOp                     RecordType = 20
	TypeBeginTransaction         RecordType = 23
	TypeEndTransaction           RecordType = 24
	TypeAbortTransaction         RecordType = 25
	TypeRegisterController       RecordType = 27
	TypeClearELR                 RecordType = 28
)

// ResourceType is what a configuration belongs to (Kafka: ConfigResource.Type).
type ResourceType int8

// The resource types of Kafka 4.2. Records carry topics, brokers, client metrics and groups.
const (
	ResourceUnknown       ResourceType = 0
	ResourceTopic         ResourceType = 2
	ResourceBroker        ResourceType = 4
	ResourceBrokerLogger  ResourceType = 8
	ResourceClientMetrics ResourceType = 16
	ResourceGroup         ResourceType = 32
)

// String gives Kafka's name of the type.
func (t ResourceType) String() string {
	switch t {
	case ResourceUnknown:
		return "UNKNOWN"
	case ResourceTopic:
		return "TOPIC"
	case ResourceBroker:
		return "BROKER"
	case ResourceBrokerLogger:
		return "BROKER_LOGGER"
	case ResourceClientMetrics:
		return "CLIENT_METRICS"
	case ResourceGroup:
		return "GROUP"
	}
	return "TYPE_" + strconv.Itoa(int(t))
}

// Resource names the owner of a set of configurations. A broker resource with an empty name is the cluster-wide default
// of all brokers (KIP-226).
type Resource struct {
	Type ResourceType
	Name string
}

// String gives TYPE:name.
func (r Resource) String() string { return r.Type.String() + ":" + r.Name }

// BrokerResource is the resource of one broker's own dynamic configuration.
func BrokerResource(id core.BrokerID) Resource {
	return Resource{Type: ResourceBroker, Name: strconv.Itoa(int(id))}
}

// Endpoint is one listener of a broker or controller.
type Endpoint struct {
	Name             string
	Host             string
	Port             uint16
	SecurityProtocol int16
}

// FeatureRange is the range of levels of one feature that a broker supports (KIP-584).
type FeatureRange struct {
	Name string
	Min  int16
	Max  int16
}

// MetadataVersion is the feature whose level fixes the versions of metadata records.
const MetadataVersion = "metadata.version"

// MaxMetadataVersion is the level of Kafka 4.2 (4.2-IV1), the one that records are written for.
const MaxMetadataVersion int16 = 29

// MinMetadataVersion is Kafka 4.2's oldest level (3.3-IV3).
const MinMetadataVersion int16 = 7

// RecoveryState tells whether a partition's leader was elected uncleanly (KIP-704).
type RecoveryState int8

const (
	// Recovered is the state of a leader elected from the ISR, or done recovering.
	Recovered RecoveryState = 0
	// Recovering is the state of an unclean leader until it says that it recovered.
	Recovering RecoveryState = 1
	// RecoveryUnchanged stands in a [PartitionChangeRecord] that leaves the state as it is.
	RecoveryUnchanged RecoveryState = -1
)

// LeaderUnchanged stands in a [PartitionChangeRecord] that leaves leader and leader epoch as they are.
const LeaderUnchanged core.BrokerID = -2

// MigratingDirectory is the directory of a replica placed before directories had ids (Kafka: DirectoryId.MIGRATING).
func MigratingDirectory() core.UUID { return core.UUID{} }

// UnassignedDirectory is the directory of a replica that its broker has not placed yet (Kafka: DirectoryId.UNASSIGNED).
func UnassignedDirectory() core.UUID { return core.UUID{15: 1} }

// LostDirectory is the directory of a replica on a log directory that went offline (Kafka: DirectoryId.LOST).
func LostDirectory() core.UUID { return core.UUID{15: 2} }

// ReservedDirectory reports whether u is an id that no directory may have. Kafka (DirectoryId.reserved) compares the
// low half as a signed number, so ids with a zero high half and the top bit of the low half set are reserved too.
func ReservedDirectory(u core.UUID) bool {
	if binary.BigEndian.Uint64(u[:8]) != 0 {
		return false
	}
	return int64(binary.BigEndian.Uint64(u[8:])) < 100
}
