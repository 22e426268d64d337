// Package lint holds the project's own checks. They are ordinary tests, so `go test ./...` runs them:
//
//   - the import order of the house (imports.go): who may import whom, and what core may import from elsewhere;
//   - determinism (determinism.go): nothing in core, sim and netsim may depend on goroutines, clocks, global
//     randomness, the order of maps, floating point or mutable package variables, since the simulator replays a run
//     from its seed;
//   - tidiness (tidy.go): line, function and file lengths, a doc.go in every package, names that say something.
//
// What the rules cannot see: a table changed through a local name for it, addresses printed by fmt, an order that a
// wrong annotation vouches for. Replaying every seed twice, in two processes, is there for those.
//
// Each rule is proved to bite by a fixture or a table in the tests.
//
// # Annotations
//
//	//core:unordered <reason>   on the line above a range over a map whose order cannot be observed
//	//core:table                in the doc comment of a package variable that is built once and never changed
//
// An annotation that nothing needs is an error.
package lint
