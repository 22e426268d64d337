package linearizability

// kafkaErrors are Kafka's error codes whose names clients may report, with whether the operation that got one
// certainly was not applied. Codes that may follow a successful append, or that hide one, are not definite:
// NOT_LEADER_OR_FOLLOWER (KAFKA-13574) and UNKNOWN_TOPIC_OR_PARTITION end delayed produces whose records are in the
// log; COORDINATOR_NOT_AVAILABLE and NOT_COORDINATOR stand for several failures of the coordinator's own append,
// among them NOT_ENOUGH_REPLICAS_AFTER_APPEND; a controller that loses its office answers NOT_CONTROLLER for what it
// has appended; the three about sequences are answers to retries of what may be in the log.
var kafkaErrors = [...]struct {
	code     int16
	name     string
	definite bool
}{
	{-1, "UNKNOWN_SERVER_ERROR", false},
	{1, "OFFSET_OUT_OF_RANGE", true},
	{2, "CORRUPT_MESSAGE", true},
	{3, "UNKNOWN_TOPIC_OR_PARTITION", false},
	{4, "INVALID_FETCH_SIZE", true},
	{5, "LEADER_NOT_AVAILABLE", false},
	{6, "NOT_LEADER_OR_FOLLOWER", false},
	{7, "REQUEST_TIMED_OUT", false},
	{8, "BROKER_NOT_AVAILABLE", false},
	{9, "REPLICA_NOT_AVAILABLE", false},
	{10, "MESSAGE_TOO_LARGE", true},
	{12, "OFFSET_METADATA_TOO_LARGE", true},
	{13, "NETWORK_EXCEPTION", false},
	{14, "COORDINATOR_LOAD_IN_PROGRESS", true},
	{15, "COORDINATOR_NOT_AVAILABLE", false},
	{16, "NOT_COORDINATOR", false},
	{17, "INVALID_TOPIC_EXCEPTION", true},
	{18, "RECORD_LIST_TOO_LARGE", true},
	{19, "NOT_ENOUGH_REPLICAS", true},
	{20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", false},
	{21, "INVALID_REQUIRED_ACKS", true},
	{22, "ILLEGAL_GENERATION", true},
	{24, "INVALID_GROUP_ID", true},
	{25, "UNKNOWN_MEMBER_ID", true},
	{27, "REBALANCE_IN_PROGRESS", true},
	{28, "INVALID_COMMIT_OFFSET_SIZE", true},
	{29, "TOPIC_AUTHORIZATION_FAILED", true},
	{30, "GROUP_AUTHORIZATION_FAILED", true},
	{31, "CLUSTER_AUTHORIZATION_FAILED", true},
	{32, "INVALID_TIMESTAMP", true},
	{35, "UNSUPPORTED_VERSION", true},
	{36, "TOPIC_ALREADY_EXISTS", true},
	{37, "INVALID_PARTITIONS", true},
	{38, "INVALID_REPLICATION_FACTOR", true},
	{39, "INVALID_REPLICA_ASSIGNMENT", true},
	{40, "INVALID_CONFIG", true},
	{41, "NOT_CONTROLLER", false},
	{42, "INVALID_REQUEST", true},
	{43, "UNSUPPORTED_FOR_MESSAGE_FORMAT", true},
	{44, "POLICY_VIOLATION", true},
	{45, "OUT_OF_ORDER_SEQUENCE_NUMBER", false},
	{46, "DUPLICATE_SEQUENCE_NUMBER", false},
	{47, "INVALID_PRODUCER_EPOCH", true},
	{48, "INVALID_TXN_STATE", true},
	{49, "INVALID_PRODUCER_ID_MAPPING", true},
	{51, "CONCURRENT_TRANSACTIONS", true},
	{53, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", true},
	{56, "KAFKA_STORAGE_ERROR", false},
	{59, "UNKNOWN_PRODUCER_ID", false},
	{73, "TOPIC_DELETION_DISABLED", true},
	{74, "FENCED_LEADER_EPOCH", false},
	{75, "UNKNOWN_LEADER_EPOCH", false},
	{76, "UNSUPPORTED_COMPRESSION_TYPE", true},
	{78, "OFFSET_NOT_AVAILABLE", false},
	{82, "FENCED_INSTANCE_ID", true},
	{87, "INVALID_RECORD", true},
	{88, "UNSTABLE_OFFSET_COMMIT", false},
	{89, "THROTTLING_QUOTA_EXCEEDED", true},
	{90, "PRODUCER_FENCED", true},
	{100, "UNKNOWN_TOPIC_ID", false},
	{110, "FENCED_MEMBER_EPOCH", true},
	{113, "STALE_MEMBER_EPOCH", true},
	{120, "TRANSACTION_ABORTABLE", true},
}

// Classify is what a client knows of an operation that writes when its only attempt ended with this Kafka error code:
// OK for 0, Failed for errors that a broker gives only before it applies anything, Unknown for all others, among them
// codes that are not in the table. It is meant for produce, commit, and the creation and deletion of topics; an
// EndTxn that was not answered with success or a refusal is Unknown whatever it says. After several attempts a
// failure is Unknown too, since an earlier attempt may have been applied.
func Classify(code int16) Outcome {
	if code == 0 {
		return OK
	}
	for _, e := range kafkaErrors {
		if e.code == code && e.definite {
			return Failed
		}
	}
	return Unknown
}

// ClassifyName is Classify of an error by its Kafka name. The empty name and "NONE" are OK; words that Kafka does not
// have, such as "timeout" or "disconnected", are Unknown.
func ClassifyName(name string) Outcome {
	if name == "" || name == "NONE" {
		return OK
	}
	for _, e := range kafkaErrors {
		if e.name == name && e.definite {
			return Failed
		}
	}
	return Unknown
}

// ErrorName is Kafka's name of an error code, "NONE" for 0, and empty for a code that is not in the table.
func ErrorName(code int16) string {
	if code == 0 {
		return "NONE"
	}
	for _, e := range kafkaErrors {
		if e.code == code {
			return e.name
		}
	}
	return ""
}
