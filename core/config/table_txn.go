package config

// transactionRows returns the broker settings of producers and transactions
// (Kafka: TransactionLogConfig, TransactionStateManagerConfig, AddPartitionsToTxnConfig).
func transactionRows() []row {
	return []row{
		{"add.partitions.to.txn.retry.backoff.max.ms", Int, "100", atLeast(0), High, ReadOnly, Ignored, Public,
			"Longest time that the server itself retries a partition busy with the end of a transaction."},
		{"add.partitions.to.txn.retry.backoff.ms", Int, "20", atLeast(1), High, ReadOnly, Ignored, Public,
			"Pause between two such tries."},
		{"producer.id.expiration.check.interval.ms", Int, "600000", atLeast(1), Low, ReadOnly, Ignored, Internal,
			"Time between two looks for idle producer ids."},
		{"producer.id.expiration.ms", Int, "86400000", atLeast(1), Low, ClusterWide, Obeyed, Public,
			"Time after which a partition forgets a producer id that has written nothing."},
		{"transaction.abort.timed.out.transaction.cleanup.interval.ms", Int, "10000",
			atLeast(1), Low, ReadOnly, Refused, Public,
			"Time between two looks for transactions that have run out of time."},
		{"transaction.max.timeout.ms", Int, "900000", atLeast(1), High, ReadOnly, Refused, Public,
			"Longest transaction timeout that a producer may ask for."},
		{"transaction.partition.verification.enable", Boolean, "true",
			anything(), Low, ClusterWide, Refused, Public,
			"Whether a partition asks the coordinator before it takes the first batch of a transaction."},
		{"transaction.remove.expired.transaction.cleanup.interval.ms", Int, "3600000",
			atLeast(1), Low, ReadOnly, Refused, Public,
			"Time between two looks for transactional ids that have expired."},
		{"transaction.state.log.load.buffer.size", Int, "5242880", atLeast(1), High, ReadOnly, Ignored, Public,
			"Bytes read at once when transaction state is loaded into memory."},
		{"transaction.state.log.min.isr", Int, "2", atLeast(1), High, ReadOnly, Ignored, Public,
			"min.insync.replicas of the transaction state topic."},
		{"transaction.state.log.num.partitions", Int, "50", atLeast(1), High, ReadOnly, Refused, Public,
			"Partitions of the transaction state topic, fixed when the topic is created."},
		{"transaction.state.log.replication.factor", Short, "3", atLeast(1), High, ReadOnly, Ignored, Public,
			"Replicas of the transaction state topic."},
		{"transaction.state.log.segment.bytes", Int, "104857600", atLeast(1), High, ReadOnly, Ignored, Public,
			"Segment size of the transaction state topic."},
		{"transaction.two.phase.commit.enable", Boolean, "false", anything(), Low, ReadOnly, Refused, Public,
			"Whether producers may take part in an outer two-phase commit."},
		{"transactional.id.expiration.ms", Int, "604800000", atLeast(1), High, ReadOnly, Refused, Public,
			"Time without a transaction after which a transactional id is forgotten."},
	}
}
