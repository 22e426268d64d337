// Package memnet is a network in memory for tests: hosts with addresses, listeners and connections, as TCP's, whose
// bytes need some time, and faults between hosts.
//
// Nothing here makes a system call, and whoever waits waits on a condition, a channel or a timer: in a bubble of
// testing/synctest time goes on as soon as everybody waits. Connections are [server.Stream], so that a real server can
// serve them.
//
// What is cut off is not lost: it arrives when the cut has healed, as with TCP, which sends again. A host without power
// answers nothing; when it is back, its old connections are reset.
package memnet
