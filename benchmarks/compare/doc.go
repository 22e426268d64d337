// Command compare measures Ottla side by side with Apache Kafka, and both with the limit program, on one machine in
// one run, and writes docs/benchmarks.md.
//
//	go run ./benchmarks/compare                    the default set, about ten minutes
//	go run ./benchmarks/compare --full             every workload and broker, about two hours
//	go run ./benchmarks/compare --list             what there is
//	go run ./benchmarks/compare --brokers ottla,kafka --workloads large,single --rounds 5 --for 10s
//	go run ./benchmarks/compare --micro new.txt    the benchmarks of the hot paths, for benchstat
//
// Each broker is a process of its own on loopback with a fresh data folder, all folders on the same disk; three
// brokers are three processes. They run one after the other, never at once, and in turn: A B C in one round, C B A in
// the next. A ratio is made of the two figures of one round, and of the ratios of all rounds the median is given,
// with the least and the most. One client drives all, franz-go in this process, with the same options.
//
// The processor time of a broker is what the kernel accounts its process (/proc/PID/stat), threads of the JVM's
// compiler and collector among it, less what it had used when the workload began. The client and the kernel's
// writeback are not in it. Before the first workload each broker gets a load that does not count, so that it is warm,
// and so much memory as it may write is warm, whatever others wrote before (see warmth).
//
// Kafka comes from the jars that node/interop/install.sh fetches; without Java or the jars the comparison is made
// without Kafka, and says so.
package main
