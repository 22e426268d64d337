// Package sim is the simulator: a driver that runs a whole broker in virtual time on a simulated disk, with simulated
// clients that speak real Kafka bytes, and everything that happens drawn from a seed.
//
// One queue holds all events: inputs of machines, file operations, completions, steps of jobs, bytes between clients
// and broker, timers, faults. Each event's time is drawn when it is made, so that whatever may overlap in a real
// process comes in any order here; what core promises to keep in order is kept. The random streams of the workload, of
// the schedule and of the faults are separate. The same seed gives the same trace, always.
//
// A run has two parts. In the first, the faults of the plan strike, and the process is killed, crashed and restarted.
// Then everything heals: the clients finish what they have begun, an auditor reads everything back, the broker is shut
// down cleanly and its files are checked against ones rebuilt from the logs.
package sim
