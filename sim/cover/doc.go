// Package cover says what simulations have reached and what they never did: the probes of the core, the faults that a
// seed had on, and for each machine the events that came in each of its states. One simulation gives a [Coverage], and
// those of many seeds are added up.
package cover
