// Package search looks for linearizations of histories with Porcupine: an opinion that is independent of the checkers
// of package linearizability, with a picture of what it found.
//
// Three things of Kafka are linearizable objects and have a model each: the appends of a partition (fetches are not:
// a new leader may serve less than an old one did), the committed offset of a group's partition, and the existence of
// a topic. A search takes memory in the square of its operations, and time without bounds once many of them overlap,
// so it runs on windows, each with at most MaxWindowOps operations of at most MaxWindowProcesses processes, and only
// for as long as it was given. A search that did not end is inconclusive, which is not a pass.
package search
