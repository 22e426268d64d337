// Package workload is the clients of a simulation. They speak Kafka's bytes, encoded and decoded by kmsg, and tell the
// ledger of package check what they were told. A client is a state machine without clock or network of its own: both
// are the world's.
package workload
