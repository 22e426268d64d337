// Package chaos tests a cluster of real processes: three brokers of the binary at hand on loopback, with real clients
// and a proxy between all of them, while processes are killed, stopped and cut off from each other. What the clients
// saw is a history, which package linearizability checks; what the brokers have on disk is compared.
//
// The faults are drawn from a seed. The timing of processes is not, so that a seed gives the same faults and not the
// same run: what it finds is to be found again in the simulator.
package chaos
