// Package franz records what franz-go clients see of a Kafka cluster, of any make, as a history that
// [linearizability.Check] finds anomalies in: lost, duplicated and reordered records, commits that go back, and more.
//
//	recorder := franz.NewRecorder("orders, while brokers restart")
//	producer := recorder.Process()
//	client, err := producer.NewClient(kgo.SeedBrokers(...), ...)
//	...                                                 // the program as it is; brokers fail
//	client.Flush(ctx)                                   // every record has come to its end
//	err = recorder.ReadBack(ctx, kgo.SeedBrokers(...))  // what is there in the end
//	report := linearizability.Check(recorder.History())
//	report.WriteText(os.Stdout)
//
// A [Process] is one client. Its hooks see every record that is produced and polled; group members tell when
// partitions come and go; commits are recorded if they are made with [Process.Commit].
//
// Values must be unique in a history, and those of programs are not. A record gets a header on its way in, [Header],
// that tells it from all others. The topics should be new ones, and nobody who is not recorded should write to them.
package franz
