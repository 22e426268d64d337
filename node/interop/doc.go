// Package interop drives a broker process with real Kafka programs: the clients and tools that people already
// have, in the languages they already use. It holds tests only.
//
// The tests are slow (a minute or more) and need other languages' runtimes, so they run when asked:
//
//	node/interop/install.sh                          # once: the programs, by their package managers
//	OTTLA_INTEROP=1 go test ./node/interop
//
// # Environment
//
//   - OTTLA_INTEROP=1 turns the tests on. They build ./tools/ottla and start it on a free loopback port.
//   - OTTLA_INTEROP_BINARY=path starts this command instead of building one: a build with -race, or kafka.sh,
//     which holds the tests themselves against Kafka.
//   - OTTLA_INTEROP_BROKERS=3 makes the server under test a cluster of so many brokers, and topics have three replicas.
//   - OTTLA_INTEROP_KILLS=n is how often TestKillLosesNoAcknowledgedRecord kills the broker; a few times by default.
//   - OTTLA_INTEROP_BOOTSTRAP=host:port turns them on against a server that already runs, Kafka itself for one.
//     Tests that stop the broker or read its files are then skipped.
//   - OTTLA_INTEROP_STAND_IN=1 says that this server only pretends (franz-go's kfake), and leaves out the steps
//     that it does not do as Kafka does.
//   - OTTLA_INTEROP_REQUIRE=1 makes a missing program a failure; otherwise its tests are skipped and say why.
//   - OTTLA_INTEROP_CACHE is where install.sh put the Python environment, the npm packages and the jars;
//     by default a folder ottla-interop in the user's cache folder.
//
// # Layout
//
// One Go file a client. The programs themselves are in testdata, one file a scenario, written to be read as
// examples of the client: each takes the bootstrap address and a prefix for the names it creates, prints a line
// "ok: step" for what it saw hold, and exits with a message when something did not.
package interop
