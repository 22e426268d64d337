package record

import (
	"strconv"

	"ottla.dev/core"
)

// Rules are what a topic and a request demand of a produced batch.
type Rules struct {
	// ProduceVersion is the version of the Produce request that brought the batch.
	ProduceVersion int16
	// MaxMessageBytes is max.message.bytes: the largest batch, in bytes.
	MaxMessageBytes int32
	// Compacted topics (cleanup.policy) take no records without a key.
	Compacted bool
	// TimestampType is message.timestamp.type. With LogAppendTime the producer's timestamps are not looked at.
	TimestampType TimestampType
	// BeforeMaxMs and AfterMaxMs are message.timestamp.before.max.ms and after.max.ms (KIP-937).
	BeforeMaxMs int64
	AfterMaxMs  int64
	// Now is the broker's wall clock.
	Now core.Timestamp
}

// Checked is what a walk over a good batch found.
type Checked struct {
	// Batch is the batch itself, cut to its size.
	Batch View
	// MaxTimestamp is the largest timestamp in the records, [core.NoTimestamp] if none has one. The broker states it
	// in the batch whatever the producer claimed: see [View.SetMaxTimestamp].
	MaxTimestamp core.Timestamp
	// MaxTimestampDelta is the place, from the base offset, of the first record with the largest timestamp.
	MaxTimestampDelta int32
	// Renumber says that the records' offsets are not 0, 1, 2 …, as some old producers write them. The batch must then
	// go through [Codecs.Renumber] before it is stored.
	Renumber bool
	// PlainSize is the size in bytes of the records without compression.
	PlainSize int
}

// Validate decides whether b is exactly one good batch, fit to be appended under the rules: [CheckHeader], then
// [CheckRecords]. It changes nothing. A partial batch after the good one is left out, as Kafka does. It allocates
// nothing for a good batch without compression.
func Validate(b []byte, rules *Rules, codecs *Codecs) (Checked, *Error) {
	v, err := CheckHeader(b, rules)
	if err != nil {
		return Checked{}, err
	}
	return CheckRecords(v, rules, codecs)
}

// CheckHeader makes all the checks that need no look at the records, the checksum among them, in the order in which
// Kafka makes them (ProduceRequest.validateRecords, UnifiedLog.analyzeAndValidateRecords, LogValidator.validateBatch).
func CheckHeader(b []byte, rules *Rules) (View, *Error) {
	v, err := single(b, rules.ProduceVersion)
	if err != nil {
		return nil, err
	}
	switch {
	case v.BaseOffset() != 0:
		return nil, refuse(core.InvalidRecord, "the base offset of a produced batch must be 0")
	case int64(len(v)) > int64(rules.MaxMessageBytes):
		return nil, refuse(core.MessageTooLarge, "the batch has "+strconv.Itoa(len(v))+
			" bytes, which exceeds max.message.bytes = "+strconv.Itoa(int(rules.MaxMessageBytes)))
	case !v.ValidCRC():
		return nil, refuse(core.CorruptMessage, ErrChecksum.Error())
	}
	if err := checkProduced(v); err != nil {
		return nil, err
	}
	if v.TimestampType() == LogAppendTime {
		return nil, refuse(core.InvalidTimestamp, "a producer must not set the timestamp type to LogAppendTime")
	}
	return v, nil
}

// single cuts the one batch out of b.
func single(b []byte, produceVersion int16) (View, *Error) {
	v, rest, err := Next(b)
	switch {
	case err == ErrTruncated, err == nil && v == nil:
		return nil, refuse(core.InvalidRecord, "no complete record batch")
	case err == ErrMagic:
		return nil, refuse(core.InvalidRecord, ErrMagic.Error())
	case err != nil:
		return nil, refuse(core.CorruptMessage, err.Error())
	case v.Codec() == Zstd && produceVersion < ZstdProduceVersion:
		return nil, refuse(core.UnsupportedCompressionType, "zstd needs Produce version 7 or later")
	}
	second, _, err := Next(rest)
	switch {
	case second != nil, err == ErrMagic:
		return nil, refuse(core.InvalidRecord, "more than one record batch for a partition")
	case err == ErrCorrupt:
		return nil, refuse(core.CorruptMessage, "the bytes after the record batch are corrupt")
	}
	return v, nil
}

// checkProduced makes the checks that hold for producers and not for batches that the broker writes itself.
func checkProduced(v View) *Error {
	last, count := v.LastOffsetDelta(), v.Count()
	switch {
	case count <= 0:
		return refuse(core.InvalidRecord, "the record count is not positive")
	case int64(last)+1 != int64(count):
		return refuse(core.InvalidRecord, "the offset range does not agree with the record count")
	case v.IsControl():
		return refuse(core.InvalidRecord, "producers must not write control records")
	case v.HasProducerID() && v.BaseSequence() < 0:
		return refuse(core.InvalidRecord, "the batch has a producer id and no valid sequence number")
	case !v.Codec().known():
		return refuse(core.UnsupportedCompressionType, ErrUnknownCodec.Error())
	}
	return nil
}

// CheckRecords walks the records of a batch that passed [CheckHeader]: their structure, their number, keys where the
// topic is compacted, timestamps. A compressed batch is decompressed into codecs, once and bounded.
func CheckRecords(v View, rules *Rules, codecs *Codecs) (Checked, *Error) {
	payload, err := plain(v, codecs)
	if err != nil {
		return Checked{}, err
	}
	w := walk{
		rules: rules, baseTS: v.BaseTimestamp(),
		found: Checked{Batch: v, MaxTimestamp: core.NoTimestamp, PlainSize: len(payload)},
	}
	if err := w.records(payload, v.Count()); err != nil {
		return Checked{}, err
	}
	return w.found, nil
}

// walk is the state of one pass over a batch's records.
type walk struct {
	rules  *Rules
	baseTS core.Timestamp
	found  Checked
	bad    *Error // records refused so far, with the structure still sound
	total  int    // how many they are
}

func (w *walk) records(payload []byte, count int32) *Error {
	var r parsed
	pos := 0
	for i := range count {
		// A record takes bytes, so a count that lies ends the loop here and not after 2^31 turns.
		if pos == len(payload) {
			return malformed(i, faultCount)
		}
		next, f := r.parse(payload, pos)
		if f != faultNone {
			return malformed(i, f)
		}
		pos = next
		w.record(i, &r)
	}
	if pos != len(payload) {
		return malformed(count, faultTrailing)
	}
	return w.refusal()
}

func (w *walk) record(i int32, r *parsed) {
	ts := w.baseTS + core.Timestamp(r.timestampDelta)
	switch {
	case w.rules.Compacted && r.key == nil:
		w.refuse(i, core.InvalidRecord, ts)
	case w.rules.TimestampType == CreateTime && !w.rules.timely(ts):
		w.refuse(i, core.InvalidTimestamp, ts)
	}
	if ts > w.found.MaxTimestamp {
		w.found.MaxTimestamp, w.found.MaxTimestampDelta = ts, i
	}
	if r.offsetDelta != i {
		w.found.Renumber = true
	}
}

// timely reports whether a producer's timestamp is near enough to the broker's clock. The differences are taken
// without sign, so that no timestamp overflows them.
func (r *Rules) timely(ts core.Timestamp) bool {
	switch {
	case ts == core.NoTimestamp:
		return true
	case ts <= r.Now:
		return uint64(r.Now)-uint64(ts) <= uint64(r.BeforeMaxMs)
	}
	return uint64(ts)-uint64(r.Now) <= uint64(r.AfterMaxMs)
}

func (r *Rules) untimely(ts core.Timestamp) string {
	side, most := "behind", r.BeforeMaxMs
	if ts > r.Now {
		side, most = "ahead of", r.AfterMaxMs
	}
	return "timestamp " + strconv.FormatInt(int64(ts), 10) + " is more than " + strconv.FormatInt(most, 10) +
		" ms " + side + " the broker's clock, " + strconv.FormatInt(int64(r.Now), 10)
}

// refuse notes a bad record. One bad timestamp makes INVALID_TIMESTAMP the code of the batch (Kafka: LogValidator).
func (w *walk) refuse(i int32, code core.ErrorCode, ts core.Timestamp) {
	if w.bad == nil {
		w.bad = &Error{Code: code, Index: i}
	}
	if code == core.InvalidTimestamp {
		w.bad.Code = code
	}
	w.total++
	if len(w.bad.Records) < MaxRecordErrors {
		message := "a compacted topic takes no record without a key"
		if code == core.InvalidTimestamp {
			message = w.rules.untimely(ts)
		}
		w.bad.Records = append(w.bad.Records, RecordError{Index: i, Message: message})
	}
}

func (w *walk) refusal() *Error {
	if w.bad == nil {
		return nil
	}
	what := " invalid records, the first: "
	if w.bad.Code == core.InvalidTimestamp {
		what = " invalid records, among them invalid timestamps; the first: "
	}
	w.bad.Message = "the batch is refused for " + strconv.Itoa(w.total) + what + w.bad.Records[0].Message
	return w.bad
}
