package coordinator

import (
	"time"

	"ottla.dev/core"
	"ottla.dev/core/probe"
)

// Op is one operation in flight: a request with room for its answer. The runtime moves it around and never looks
// inside.
type Op interface {
	// Refuse makes the answer an error of the whole operation. It replaces an answer that was already written.
	Refuse(code core.ErrorCode)
}

// Record is one record to append. A nil Value is a tombstone. The bytes are borrowed for the duration of the call.
type Record struct {
	Key, Value []byte
}

// Entry is one record of the log as it is replayed. The bytes are borrowed: Replay copies what it keeps.
type Entry struct {
	Offset core.Offset
	// ProducerID is the producer of the transaction that the record belongs to, or core.NoProducerID.
	ProducerID core.ProducerID
	Key, Value []byte
}

// Machine is the state machine of one coordinator partition.
type Machine[O Op] interface {
	// Replay applies one record. Tombstones of unknown keys and keys of unknown versions are ignored (KAFKA-17306);
	// an error means that the record cannot be read, and fails the load.
	Replay(e Entry) error
	// Loaded runs once, after the whole log was replayed and before the first operation.
	Loaded(t Turn[O])
	// Decide takes one operation. The machine answers it in this turn or holds it and answers in a later one.
	Decide(t Turn[O], op O)
	// Fire runs the timers that are due at t.Now.
	Fire(t Turn[O])
	// Deadline returns the monotonic time of the machine's next timer, or false.
	Deadline() (time.Duration, bool)
	// Abandon gives every operation that the machine still holds to yield. The machine is not used afterwards.
	Abandon(yield func(op O))
}

// Turn is what a machine may do while it runs: append, and answer. It is valid for one call only.
type Turn[O Op] struct {
	// Now is the instant of the turn.
	Now core.Instant
	r   *Runtime[O]
}

// Write appends the records as one batch and replays them into the machine. When it returns core.NoError the machine's
// state holds them, and all later answers wait for their commit. Otherwise nothing was appended and nothing changed,
// and the code is one that clients of a coordinator understand.
func (t Turn[O]) Write(records ...Record) core.ErrorCode { return t.r.write(t.Now, records) }

// Sometimes says that a probe was passed.
func (t Turn[O]) Sometimes(p probe.Point) { t.r.Reached.Add(p) }

// Answer completes op, whose answer must be filled in, as soon as everything appended so far is committed.
func (t Turn[O]) Answer(op O) { t.r.park(t.Now, op) }

// Appender is the log of a coordinator partition, as its owner lends it.
type Appender interface {
	// Append appends one record batch whose offsets start at 0, and returns the offsets it was given. With an error
	// nothing was appended. The batch is borrowed for the duration of the call. Append may call Runtime.Advance, but
	// nothing else of the runtime, which is in the middle of a turn: an error is how it says that the leadership is lost.
	Append(now core.Instant, batch []byte) (base, last core.Offset, code core.ErrorCode)
}
