// Package probe names the rare moments of the state machines: points that a simulation should pass sometimes, such as a
// follower that cuts its log, or a duplicate that is answered from a producer's window. A machine says that it has
// passed one with core.Outbox.Sometimes, or adds it to a [Set] that its owner takes; that is a bit in a few words of
// memory, and decides nothing. The simulator counts what it finds there, and
// tells what was reached and what never was (ottla sim coverage); a node throws it away.
//
// All points there are stand in one list, with a sentence each, so that one which is never reached is known by name.
package probe
