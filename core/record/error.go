package record

import (
	"strconv"

	"ottla.dev/core"
)

// WholeBatch is the record index of an [Error] that concerns the batch as such.
const WholeBatch int32 = -1

// MaxRecordErrors is the most records that an [Error] names; Kafka names them all.
const MaxRecordErrors = 100

// Error says why a batch is refused.
type Error struct {
	// Code is what the Produce response answers for the partition.
	Code core.ErrorCode
	// Message is what it says in error_message (KIP-467).
	Message string
	// Records are the records at fault, for record_errors, in order and at most [MaxRecordErrors]. They are empty
	// where the batch as a whole is bad.
	Records []RecordError
	// Index is the first record at fault, or [WholeBatch].
	Index int32
}

// RecordError names one bad record of a batch (KIP-467).
type RecordError struct {
	Index   int32 // in the batch, from 0
	Message string
}

// Error gives the code's name and the message.
func (e *Error) Error() string {
	if e.Index == WholeBatch {
		return e.Code.String() + ": " + e.Message
	}
	return e.Code.String() + ": record " + strconv.Itoa(int(e.Index)) + ": " + e.Message
}

func refuse(code core.ErrorCode, message string) *Error {
	return &Error{Code: code, Message: message, Index: WholeBatch}
}

func malformed(index int32, f fault) *Error {
	return &Error{Code: core.InvalidRecord, Message: f.String(), Index: index}
}

// codecRefusal answers for what [Codecs.Decompress] could not take. Kafka answers UNKNOWN_SERVER_ERROR, which tells
// a producer to try again; these bytes never get better.
func codecRefusal(err error) *Error {
	switch err {
	case ErrTooLarge:
		return refuse(core.MessageTooLarge, err.Error())
	case ErrUnknownCodec:
		return refuse(core.UnsupportedCompressionType, err.Error())
	}
	return refuse(core.InvalidRecord, err.Error())
}
