package core

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ErrorCode is a Kafka protocol error code (Kafka: Errors.java). Zero is success.
type ErrorCode int16

// The error codes that Ottla answers, by Kafka's names.
const (
	UnknownServerError           ErrorCode = -1
	NoError                      ErrorCode = 0
	OffsetOutOfRange             ErrorCode = 1
	CorruptMessage               ErrorCode = 2
	UnknownTopicOrPartition      ErrorCode = 3
	InvalidFetchSize             ErrorCode = 4
	LeaderNotAvailable           ErrorCode = 5
	NotLeaderOrFollower          ErrorCode = 6
	RequestTimedOut              ErrorCode = 7
	BrokerNotAvailable           ErrorCode = 8
	ReplicaNotAvailable          ErrorCode = 9
	MessageTooLarge              ErrorCode = 10
	StaleControllerEpoch         ErrorCode = 11
	OffsetMetadataTooLarge       ErrorCode = 12
	CoordinatorLoadInProgress    ErrorCode = 14
	CoordinatorNotAvailable      ErrorCode = 15
	NotCoordinator               ErrorCode = 16
	InvalidTopicException        ErrorCode = 17
	RecordListTooLarge           ErrorCode = 18
	NotEnoughReplicas            ErrorCode = 19
	NotEnoughReplicasAfterAppend ErrorCode = 20
	InvalidRequiredAcks          ErrorCode = 21
	IllegalGeneration            ErrorCode = 22
	InconsistentGroupProtocol    ErrorCode = 23
	InvalidGroupID               ErrorCode = 24
	UnknownMemberID              ErrorCode = 25
	InvalidSessionTimeout        ErrorCode = 26
	RebalanceInProgress          ErrorCode = 27
	InvalidCommitOffsetSize      ErrorCode = 28
	TopicAuthorizationFailed     ErrorCode = 29
	GroupAuthorizationFailed     ErrorCode = 30
	ClusterAuthorizationFailed   ErrorCode = 31
	InvalidTimestamp             ErrorCode = 32
	UnsupportedSaslMechanism     ErrorCode = 33
	IllegalSaslState             ErrorCode = 34
	UnsupportedVersion           ErrorCode = 35
	TopicAlreadyExists           ErrorCode = 36
	InvalidPartitions            ErrorCode = 37
	InvalidReplicationFactor     ErrorCode = 38
	InvalidReplicaAssignment     ErrorCode = 39
	InvalidConfig                ErrorCode = 40
	NotController                ErrorCode = 41
	InvalidRequest               ErrorCode = 42
	UnsupportedForMessageFormat  ErrorCode = 43
	PolicyViolation              ErrorCode = 44
	OutOfOrderSequenceNumber     ErrorCode = 45
	DuplicateSequenceNumber      ErrorCode = 46
	InvalidProducerEpoch         ErrorCode = 47
	InvalidTxnState              ErrorCode = 48
	InvalidProducerIDMapping     ErrorCode = 49
	InvalidTransactionTimeout    ErrorCode = 50
	ConcurrentTransactions       ErrorCode = 51
	TransactionalIDAuthFailed    ErrorCode = 53
	OperationNotAttempted        ErrorCode = 55
	KafkaStorageError            ErrorCode = 56
	LogDirNotFound               ErrorCode = 57
	UnknownProducerID            ErrorCode = 59
	ReassignmentInProgress       ErrorCode = 60
	NonEmptyGroup                ErrorCode = 68
	GroupIDNotFound              ErrorCode = 69
	FetchSessionIDNotFound       ErrorCode = 70
	InvalidFetchSessionEpoch     ErrorCode = 71
	ListenerNotFound             ErrorCode = 72
	TopicDeletionDisabled        ErrorCode = 73
	FencedLeaderEpoch            ErrorCode = 74
	UnknownLeaderEpoch           ErrorCode = 75
	UnsupportedCompressionType   ErrorCode = 76
	StaleBrokerEpoch             ErrorCode = 77
	OffsetNotAvailable           ErrorCode = 78
	MemberIDRequired             ErrorCode = 79
	PreferredLeaderNotAvailable  ErrorCode = 80
	GroupMaxSizeReached          ErrorCode = 81
	FencedInstanceID             ErrorCode = 82
	EligibleLeadersNotAvailable  ErrorCode = 83
	ElectionNotNeeded            ErrorCode = 84
	NoReassignmentInProgress     ErrorCode = 85
	InvalidRecord                ErrorCode = 87
	UnstableOffsetCommit         ErrorCode = 88
	ThrottlingQuotaExceeded      ErrorCode = 89
	ProducerFenced               ErrorCode = 90
	InconsistentVoterSet         ErrorCode = 94
	InvalidUpdateVersion         ErrorCode = 95
	UnknownTopicID               ErrorCode = 100
	DuplicateBrokerRegistration  ErrorCode = 101
	BrokerIDNotRegistered        ErrorCode = 102
	InconsistentTopicID          ErrorCode = 103
	InconsistentClusterID        ErrorCode = 104
	FetchSessionTopicIDError     ErrorCode = 106
	IneligibleReplica            ErrorCode = 107
	NewLeaderElected             ErrorCode = 108
	TransactionAbortable         ErrorCode = 120
	UnsupportedEndpointType      ErrorCode = 115
)

// String gives the code's Kafka name, for traces and logs.
func (c ErrorCode) String() string {
	if c == NoError {
		return "NONE"
	}
	if e := kerr.TypedErrorForCode(int16(c)); e != nil {
		return e.Message
	}
	return "ERROR_" + strconv.Itoa(int(c))
}

// Description gives Kafka's own sentence for the code.
func (c ErrorCode) Description() string {
	if e := kerr.TypedErrorForCode(int16(c)); e != nil {
		return e.Description
	}
	return ""
}
