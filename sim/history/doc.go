// Package history writes down what the clients of a simulation ask and are told, as a history of package
// linearizability, whose checkers know nothing of the simulator and nothing of Ottla. Times are virtual.
package history
