// Package rafttest runs quorums of core/raft in virtual time, over a network that loses and delays messages and disks
// that forget at a crash what was not synced, from a seed. After every event it checks what must always hold; after
// healing, that the quorum gets going again. The names S1 to S11 of the checks are those of the project's list of
// invariants.
package rafttest
