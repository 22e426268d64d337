// Jetstream is NATS with JetStream as a reference point of the comparison: its server, and a client that does what the
// comparison's client does with brokers that speak Kafka's protocol.
//
// It is a module of its own, so that Ottla does not depend on NATS. go run ./benchmarks/compare builds it where its
// dependencies can be had.
package main
