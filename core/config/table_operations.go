package config

// operationsRows returns the broker settings of policies, quotas and metrics
// (Kafka: QuotaConfig, MetricConfigs, ServerConfigs).
func operationsRows() []row {
	return []row{
		{"alter.config.policy.class.name", Class, null, anything(), Low, ReadOnly, Refused, Public,
			"Plug-in that may refuse changes of settings."},
		{"client.quota.callback.class", Class, null, anything(), Low, ReadOnly, Refused, Public,
			"Plug-in that decides client quotas."},
		{"controller.quota.window.num", Int, "11", atLeast(1), Low, ReadOnly, Ignored, Public,
			"Samples kept for the quota on topic creations and deletions."},
		{"controller.quota.window.size.seconds", Int, "1", atLeast(1), Low, ReadOnly, Ignored, Public,
			"Length of each of those samples."},
		{"create.topic.policy.class.name", Class, null, anything(), Low, ReadOnly, Refused, Public,
			"Plug-in that may refuse new topics."},
		{"kafka.metrics.polling.interval.secs", Int, "10", atLeast(1), Low, ReadOnly, Ignored, Public,
			"Time between two polls of Kafka's old metrics reporters."},
		{"kafka.metrics.reporters", List, "", anything(), Low, ReadOnly, Ignored, Public,
			"Java classes that report Kafka's old metrics."},
		{"metric.reporters", List, "org.apache.kafka.common.metrics.JmxReporter",
			anything(), Low, ClusterWide, Ignored, Public,
			"Java classes that report metrics; Ottla serves its metrics over HTTP."},
		{"metrics.num.samples", Int, "2", atLeast(1), Low, ReadOnly, Ignored, Public,
			"Samples from which Kafka's rates are computed."},
		{"metrics.recording.level", String, "INFO", anything(), Low, ReadOnly, Ignored, Public,
			"Finest level of Kafka's metrics that is recorded."},
		{"metrics.sample.window.ms", Long, "30000", atLeast(1), Low, ReadOnly, Ignored, Public,
			"Length of each sample of Kafka's rates."},
		{"quota.window.num", Int, "11", atLeast(1), Low, ReadOnly, Ignored, Public,
			"Samples kept for client quotas."},
		{"quota.window.size.seconds", Int, "1", atLeast(1), Low, ReadOnly, Ignored, Public,
			"Length of each of those samples."},
		{"replication.quota.window.num", Int, "11", atLeast(1), Low, ReadOnly, Ignored, Public,
			"Samples kept for replication quotas."},
		{"replication.quota.window.size.seconds", Int, "1", atLeast(1), Low, ReadOnly, Ignored, Public,
			"Length of each of those samples."},
		{"telemetry.max.bytes", Int, "1048576", atLeast(1), Low, ReadOnly, Refused, Public,
			"Largest metrics push that a client may send."},
	}
}
