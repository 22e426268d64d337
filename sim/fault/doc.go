// Package fault draws the plan of a simulation from its seed: the broker's shape and settings, the topics, the clients
// and what they do, and the faults with the times at which they happen. The plan is data: it can be printed, and a plan
// with a fault taken out runs the same workload.
//
// A seed switches whole kinds of faults off (swarm testing): with all of them on all the time, whatever needs a quiet
// while to happen would never happen.
package fault
