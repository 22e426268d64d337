// Package benchmarks measures Ottla from the outside: records produced and fetched with a real client (franz-go), end
// to end, against a broker in the same process and against `ottla serve` as a process of its own. It has nothing but
// benchmarks.
//
//	go test -bench . -benchtime 200000x -count 5 ./benchmarks
//
// The programs below this folder measure side by side with others: benchmarks/compare runs Ottla, Apache Kafka and
// benchmarks/limit, which does the least that a broker can, in turn with one client (benchmarks/load), and writes
// docs/benchmarks.md. `ottla bench` puts the same loads on a cluster that runs already.
//
// Compare only what was measured side by side on one machine, in the order A B B A, and by medians (benchstat does
// that). Memory that a virtual machine's host gave away is slow at the first touch; every benchmark touches as much as
// it will write before its clock starts.
//
// The benchmarks:
//
//	BenchmarkProduce, BenchmarkFetch               the broker in process: records/s, MB/s, and what client and broker
//	                                               cost together
//	BenchmarkBrokerProduce, BenchmarkBrokerFetch   the broker as a process: its own CPU-seconds a GB, from
//	                                               /proc/PID/stat, and, for fetches, the shares of bytes that went by
//	                                               sendfile and by copy, from its metrics
//	BenchmarkSimulation                            the simulator: simulated seconds and events a second of processor
//	                                               time, in the reference world and in drawn ones
//	BenchmarkStart                                 from the start of the process to its first answer, with the
//	                                               resident memory then
//
// Names say the size of the records, when acks=all is answered (disk, or cache with write.caching=true), and for the
// broker as a process the client's largest batch. With OTTLA_PROFILE=FOLDER the broker leaves a CPU profile of each run
// there, for go tool pprof. `ottla serve --pprof 127.0.0.1:6060` serves profiles of a broker that runs, its heap's too.
//
// The steps on the way have benchmarks beside their code, with -bench and -benchmem:
//
//	batch check                    core/record  BenchmarkCheckHeader, BenchmarkValidate…
//	records of a batch             core/record  BenchmarkRecords, BenchmarkBuilder
//	append step                    core/log     BenchmarkAppendSyncComplete
//	index lookup                   core/log     BenchmarkIndexLookup
//	fetch plan                     core/log     BenchmarkPlanTail
//	decode and encode of Produce   core/wire    BenchmarkDecodeProduce, BenchmarkScanProduce, BenchmarkWriteProduce
//	decode and encode of Fetch     core/wire    BenchmarkDecodeFetch, BenchmarkWriteFetch
//	group steps                    core/group   BenchmarkHeartbeat, BenchmarkOffsetCommit
//	metadata lookup                core/metadata BenchmarkTopicByName
//	an input to a machine          node/run     BenchmarkDeliver, BenchmarkRoundTripToAShard
package benchmarks
