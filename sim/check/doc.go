// Package check holds what must be true in every simulation, one invariant a file.
//
// The [Ledger] is the outside view: what clients were told, and what they therefore may and may not see later. The
// other checks read the broker's files: [Recovery] compares the logs before and after a stop, [Files] the indexes,
// snapshots and epoch caches with ones rebuilt from the logs.
//
// Every failure names its check; the letters in the comments are those of the catalogue of invariants in
// docs/simulation.md.
package check
