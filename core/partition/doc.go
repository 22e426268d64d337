// Package partition is one replica of one partition: it takes batches, decides when they are committed, answers those
// who wait, and plans reads. A shard of core/broker owns the partitions and hands them operations; the log underneath
// is core/log.
//
// Two offsets rule it. The log end offset is where the next record goes. The high watermark is below what every counted
// replica has made durable: consumers read below it, producers with acks=all are answered when it passes their records.
// With write.caching a replica counts what it has written, as Kafka does; without it, what it has synced. All acks
// levels move the high watermark by the same rule, so a consumer never sees an offset twice with two values.
package partition
