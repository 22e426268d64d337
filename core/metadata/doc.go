// Package metadata is the cluster's metadata: its records, and the image that replaying them gives.
//
// A [Record] is one entry of the log __cluster_metadata in Kafka's own byte format (Kafka: MetadataRecordSerde and the
// schemas of common/metadata), so a log or snapshot written by either is read by the other. [AppendRecord] and
// [Decode] are the two directions.
//
// An [Image] is all that the records up to some offset say. It is immutable: replay makes a new image that shares
// everything the records did not touch, so a request can hold an image as long as it needs it while the log goes on.
// Replay is the only way to change metadata; controllers decide records, and controllers, brokers and restarts all
// replay them the same way. [Snapshot] turns an image back into records, [Diff] says what changed between two.
//
// Slices and pointers reached from an image belong to it: callers read them and never write.
package metadata
