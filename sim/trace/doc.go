// Package trace writes down what happens in a simulation, one line an event, and hashes it: two runs of one seed have
// the same hash, or something in them is not deterministic.
package trace
