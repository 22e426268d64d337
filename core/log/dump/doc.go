// Package dump reads the files of log directories offline, for people and for checks: what is in a file, entry by
// entry, and whether the files of a partition agree with each other, by the rules of Kafka's own DumpLogSegments.
//
// It only reads. What it finds wrong is an entry or a problem, never an error; errors are those of the disk.
package dump
