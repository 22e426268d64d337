// Package partition is one replica of one partition: it takes batches, decides when they are committed, answers those
// who wait, plans reads, and follows another broker where that one leads. A shard of core/broker owns the partitions
// and hands them operations; the log underneath is core/log.
//
// Two offsets rule it. The log end offset is where the next record goes. The high watermark is below what every counted
// replica has made durable: consumers read below it, producers with acks=all are answered when it passes their records.
// With write.caching a replica counts what it has written, as Kafka does; without it, what it has synced. All acks
// levels move the high watermark by the same rule, so a consumer never sees an offset twice with two values.
//
// # Leading
//
// [Set.Lead] tells a replica that it leads. Followers count with the offset of their last fetch, which is what they
// have on disk. The high watermark is the smallest of the maximal ISR: the one that the controller has committed, and
// the one that this leader has proposed, because either may be in force (KIP-497). It stands still while the committed
// ISR is smaller than min.insync.replicas (KIP-966). Proposals are data, in Set.Proposals; their outcome comes back by
// [Set.ISRAnswered], and by Lead with a later partition epoch.
//
// # Following
//
// [Set.Follow] tells a replica whom to follow. For each leader there is a [Fetcher], which builds Fetch requests and
// takes the responses in place. The leader's answer says first where the two logs part, by leader epochs (KIP-101,
// KIP-279, KIP-595): the follower cuts its own there, or begins anew where the leader's log has moved on, after an
// offset checkpoint that does not vouch for more. Only records that follow on what is left bring a high watermark with
// them.
//
// # What a shard does
//
//	set.Replicate(partition.DefaultReplication(id, epoch))     // again when the broker epoch changes
//	set.SetPeers(now, peers, out)                              // with every change of brokers, before Lead and Follow
//	set.Open(now, Opening{Replicated: true, …}, out)           // then Lead or Follow, also before the log is open
//	for p := range set.Proposals { … }                         // to the controller; then set.ISRAnswered
//	for f := range set.Fetchers() {                            // after each step, if there is a connection
//		if req := set.NextFetch(now, f); req != nil { … }      // then set.Fetched, or set.FetchLost
//	}
//	replica.Points()                                           // into the offset checkpoints, after TakeCheckpoint
package partition
