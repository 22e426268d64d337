// Package mutants plants bugs into the broker, one at a time, to see that the simulator finds them.
//
// A mutant is a text file in sim/mutants that says where the bug comes from, which check should see it and why, and
// how the source is changed. The changed files reach the compiler through `go build -overlay`; the source itself stays
// as it is. docs/simulation.md describes the form of the files.
package mutants
