// Package proxy brings the faults of package netsim to real TCP sockets, for tests against real processes.
//
// A [Fabric] has a path for each pair of hosts that talk: a listener on loopback that forwards to a target. Hosts are
// only names here; a host that dials goes through the paths that start at it. Faults are netsim's windows, of a
// schedule that runs by the real clock ([Fabric.Start]) or begun and finished by hand ([Fabric.Begin]), and netsim's
// strikes ([Fabric.Strike]).
//
// What differs from netsim, because the sockets are real:
//
//   - The proxy sees bytes, not messages: a strike hits what one read returns.
//   - A dialer is connected to the proxy before that has dialed the target: where that refuses, a reset follows.
//   - Refused dials find no listener. Hanging ones, and those over a way that is blocked, find the listener's queue
//     full (Linux): the system tries again after 1s, 3s, 7s, so that they may take that long after the fault is over.
//   - The systems' buffers are in between: a sender notices that nothing moves some hundred kilobytes late.
//   - Settings.ConnectTimeout bounds how long the proxy dials a target; dialers wait as long as they want. A zero
//     WriteTimeout means that nobody gives up. RetransmitMax has no effect.
//   - Refuse and Hang count the times that a path began to do so, not the dials.
//
// Nothing outlives [Fabric.Close].
package proxy
