// Package record is Kafka's record batch, format 2 (magic 2, KIP-98): the unit in which records are produced, stored,
// replicated and fetched.
//
// A batch is never decoded into objects. A [View] reads and patches the fields of a batch where its bytes lie; [Next]
// cuts a byte range into batches; [Validate] decides whether the bytes a producer sent are one good batch, walking
// the records in place; [Records] walks them for whoever needs keys and values; a [Builder] writes batches into a
// buffer of the caller's.
//
// # Layout
//
// All integers are big-endian; lengths inside records are zigzag varints.
//
//	 0 baseOffset i64          23 lastOffsetDelta i32    51 producerEpoch i16
//	 8 batchLength i32         27 baseTimestamp i64      53 baseSequence i32
//	12 partitionLeaderEpoch    35 maxTimestamp i64       57 recordCount i32
//	16 magic i8 = 2            43 producerId i64         61 records, compressed as one piece
//	17 crc u32 (CRC-32C of bytes 21 to the end)
//	21 attributes i16: bits 0-2 codec, 3 log append time, 4 transactional, 5 control, 6 delete horizon
//
// The base offset, the length and the leader epoch stand outside the checksum, so the broker sets them in place.
//
// # Bytes
//
// Functions that take bytes never keep them, except through the views they return: a view, a record and its headers
// are good for as long as the bytes are. Records of a compressed batch lie in a buffer of the [Codecs] that
// decompressed it, and are good until that Codecs is used again. Bytes from outside never cause a panic here;
// a View over fewer bytes than its header is a broken invariant of the caller, and panics.
package record
