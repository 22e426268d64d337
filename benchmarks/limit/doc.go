// Command limit is the least that a broker can do: it reads what producers send, checks the CRC-32C, gives offsets,
// writes once, syncs if asked to, and sends consumers the same bytes from mapped files. It speaks just enough of
// Kafka's protocol for the client that drives the brokers, so that benchmarks/compare measures it as if it were one, in
// the same run. What a broker needs beyond that is the price of everything else it does.
//
//	go run ./benchmarks/limit --dir ./limit-data [--listen 127.0.0.1:0] [--sync]
//
// It is no broker: it forgets everything when it ends, believes its clients, knows no errors, groups or replicas, and
// ends when it meets what it does not expect.
package main
