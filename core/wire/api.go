package wire

import "strconv"

// Key is a Kafka API key.
type Key int16

// The API keys that the table knows, by Kafka's names.
const (
	Produce                     Key = 0
	Fetch                       Key = 1
	ListOffsets                 Key = 2
	Metadata                    Key = 3
	OffsetCommit                Key = 8
	OffsetFetch                 Key = 9
	FindCoordinator             Key = 10
	JoinGroup                   Key = 11
	Heartbeat                   Key = 12
	LeaveGroup                  Key = 13
	SyncGroup                   Key = 14
	DescribeGroups              Key = 15
	ListGroups                  Key = 16
	ApiVersions                 Key = 18
	CreateTopics                Key = 19
	DeleteTopics                Key = 20
	DeleteRecords               Key = 21
	InitProducerID              Key = 22
	OffsetForLeaderEpoch        Key = 23
	WriteTxnMarkers             Key = 27
	DescribeConfigs             Key = 32
	AlterConfigs                Key = 33
	DescribeLogDirs             Key = 35
	CreatePartitions            Key = 37
	DeleteGroups                Key = 42
	ElectLeaders                Key = 43
	IncrementalAlterConfigs     Key = 44
	AlterPartitionReassignments Key = 45
	ListPartitionReassignments  Key = 46
	OffsetDelete                Key = 47
	Vote                        Key = 52
	BeginQuorumEpoch            Key = 53
	EndQuorumEpoch              Key = 54
	DescribeQuorum              Key = 55
	AlterPartition              Key = 56
	UpdateFeatures              Key = 57
	FetchSnapshot               Key = 59
	DescribeCluster             Key = 60
	DescribeProducers           Key = 61
	BrokerRegistration          Key = 62
	BrokerHeartbeat             Key = 63
	UnregisterBroker            Key = 64
	AllocateProducerIDs         Key = 67
	AssignReplicasToDirs        Key = 73
	ListConfigResources         Key = 74
	DescribeTopicPartitions     Key = 75
	AddRaftVoter                Key = 80
	RemoveRaftVoter             Key = 81
	UpdateRaftVoter             Key = 82

	// maxKey bounds the table.
	maxKey Key = 82
)

// Class says who may send a request. Classes are bits, so that a listener names the set it serves.
type Class uint8

const (
	// ClassClient requests come from clients; only these are advertised in ApiVersions.
	ClassClient Class = 1 << iota
	// ClassBroker requests go from a broker to the controller, or between coordinators and partition leaders.
	ClassBroker
	// ClassRaft requests go between the members of the metadata quorum. Fetch is among them too, but is ClassClient.
	ClassRaft
)

// String gives the class as the protocol table prints it.
func (c Class) String() string {
	switch c {
	case ClassClient:
		return "client"
	case ClassBroker:
		return "broker"
	case ClassRaft:
		return "quorum"
	}
	return "class " + strconv.Itoa(int(c))
}

// neverFlexible is the first flexible version of an API that has none.
const neverFlexible int16 = 1<<15 - 1

// API is one row of the table: one Kafka API and the versions of it that are served.
type API struct {
	Key  Key
	Name string
	// Min and Max are the oldest and the newest version served, both inclusive.
	Min, Max int16
	// Flexible is the first version with compact lengths and tagged fields (KIP-482).
	Flexible int16
	Class    Class

	schema   string
	programs []*program // of requests, by version - Min
	replies  []*program // of responses, if nodes ask this API
}

// Serves reports whether version is one that is served.
func (a *API) Serves(version int16) bool { return a.Min <= version && version <= a.Max }

// IsFlexible reports whether version uses compact lengths and tagged fields.
func (a *API) IsFlexible(version int16) bool { return version >= a.Flexible }

// Lookup returns the row of key, or nil if the key is unknown. The row must not be changed.
func Lookup(key Key) *API {
	if key < 0 || key > maxKey {
		return nil
	}
	return byKey[key]
}

// APIs calls yield for each row of the given classes, in the order of the keys, until it returns false.
func APIs(classes Class) func(yield func(*API) bool) {
	return func(yield func(*API) bool) {
		for _, api := range byKey {
			if api != nil && api.Class&classes != 0 && !yield(api) {
				return
			}
		}
	}
}

// String gives the name of the API, or its number if the table has no such key.
func (k Key) String() string {
	if api := Lookup(k); api != nil {
		return api.Name
	}
	return "key " + strconv.Itoa(int(k))
}
