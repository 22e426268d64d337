// Package load drives a broker that speaks Kafka's protocol with franz-go and says what came of it. It serves
// benchmarks/compare and `ottla bench` alike and knows nothing of the broker behind the addresses that it is given.
//
// There are two kinds of load. [Produce] and [Consume] are closed loops that go as fast as broker and client can, for
// throughput and for the broker's cost per byte. [Paced] is an open loop: each record has a moment at which it is due,
// whatever became of those before it, and its latency counts from that moment. A broker that stands still for a second
// thus has a second's worth of late records and not one slow one (the mistake called coordinated omission).
//
// Latencies go into a [Histogram], which holds any number of them in constant memory with an error below 1 %.
package load
