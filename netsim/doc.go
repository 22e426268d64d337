// Package netsim simulates TCP connections between hosts, with faults, without a clock or a socket.
//
// A [Net] is a machine: its owner asks when something happens ([Net.Next]), goes there, and takes the events
// ([Net.Step]). All randomness comes from the seed, each direction of a connection and each fault window drawing from a
// stream of its own, so that the same calls give the same events and a fault that is taken away does not shift the
// others.
//
// What holds:
//
//   - Within one connection nothing is lost, doubled or reordered before the connection ends. Across connections
//     anything may overtake anything.
//   - Nothing arrives over a way that is blocked. What was held up arrives later, unless its connection ended
//     meanwhile.
//   - That an end is over is told once, with the last event for it. A peer may not know yet, or never: a half-open peer
//     sends without an error until nothing was acknowledged for Settings.WriteTimeout, or until a reset answers.
//   - A sender has at most Link.Queue bytes under way, then gets [ErrFull] and later Writable.
//   - Payloads are opaque. A cut one is delivered whole with the number of bytes that count ([Fragmented]).
//
// Faults are a [Schedule] of windows: data that can be printed, parsed, drawn from a seed ([Draw]) within what a
// protocol must survive ([Budget]), and cut down. Package netsim/proxy runs the same schedules on real sockets.
//
// Not modelled: keep-alives (an idle half-open connection stays), a half close (Close closes both ways, as in package
// net), urgent data, corrupted bytes. Finding the links' conditions when a window comes or goes takes time in
// proportion to the square of the number of hosts.
package netsim
