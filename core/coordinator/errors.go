package coordinator

import "ottla.dev/core"

// ErrorFor translates the error of an append into the one that clients of a coordinator know how to retry
// (Kafka: CoordinatorOperationExceptionHelper).
func ErrorFor(code core.ErrorCode) core.ErrorCode {
	switch code {
	case core.UnknownTopicOrPartition, core.NotEnoughReplicas, core.NotEnoughReplicasAfterAppend,
		core.RequestTimedOut:
		return core.CoordinatorNotAvailable
	case core.NotLeaderOrFollower, core.KafkaStorageError, core.FencedLeaderEpoch:
		return core.NotCoordinator
	case core.MessageTooLarge, core.RecordListTooLarge, core.InvalidFetchSize:
		return core.UnknownServerError
	}
	return code
}

// lost reports whether an append's error means that this broker no longer owns the log, so that the state built from
// it must go. Other errors refuse one operation and leave the state alone: nothing was appended, nothing replayed.
func lost(code core.ErrorCode) bool {
	return code == core.NotLeaderOrFollower || code == core.KafkaStorageError || code == core.FencedLeaderEpoch
}
