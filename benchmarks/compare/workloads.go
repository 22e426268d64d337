package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// way is how a workload is run.
type way int

const (
	produceWay     way = iota + 1 // a closed loop of producers
	consumeWay                    // a closed loop of consumers over what was produced before
	pacedWay                      // an open loop
	failoverWay                   // an open loop during which the leader is killed
	restartWay                    // kill -9 and a new start
	crowdWay                      // very many partitions: made, written to once, left alone, and there again after kill -9
	javaProduceWay                // Kafka's own perf tool of producers
	javaConsumeWay                // and of consumers
	simulateWay                   // the simulator, without a broker
)

// workload is a way with its numbers. Every field is what the page says of it.
type workload struct {
	name, what string
	way        way
	// full ones are not in the default set.
	full bool
	// brokers is 1 or 3, or 0 for the simulator; topics have as many replicas.
	brokers                 int
	recordBytes, batchBytes int // of load.Produce
	partitions, clients     int
	oneAck                  bool
	compression             string
	consumers               int
	cold                    bool // the page cache is emptied before consumers begin
	rate                    int  // of an open loop; 0 is half of Kafka's peak
	settings                []string
	last                    bool          // it harms the brokers
	nats                    bool          // NATS can be asked as well, with messages for records
	java                    bool          // Kafka's tools are the client, which the limit program does not know
	own                     bool          // only Ottla with its defaults is asked
	once                    bool          // only in the first round, if there are others: it takes a minute
	atLeast                 time.Duration // it takes so long, however short others are
	fresh                   bool          // it has brokers of its own, which are not warmed up
}

// single and whole are batch sizes.
const (
	single = 1
	whole  = 0
)

func workloads() []workload {
	return []workload{
		{name: "large", what: "1 KB records in the largest batches", way: produceWay, brokers: 1, recordBytes: 1000,
			partitions: 8, clients: 1, nats: true},
		{name: "16k", what: "1 KB records in batches of 16 KiB", way: produceWay, brokers: 1, recordBytes: 1000,
			batchBytes: 16 << 10, partitions: 8, clients: 1},
		{name: "single", what: "batches of one record of 1 KB, 16 connections", way: produceWay, brokers: 1,
			recordBytes: 1000, batchBytes: single, partitions: 16, clients: 16},
		{name: "small", what: "100 B records in the largest batches", way: produceWay, brokers: 1, recordBytes: 100,
			partitions: 8, clients: 1},
		{name: "acks1", what: "1 KB records in the largest batches, acks=1, not idempotent", way: produceWay, full: true,
			brokers: 1, recordBytes: 1000, partitions: 8, clients: 1, oneAck: true},
		{name: "one", what: "1 KB records in batches of 16 KiB, one partition", way: produceWay, full: true, brokers: 1,
			recordBytes: 1000, batchBytes: 16 << 10, partitions: 1, clients: 1},
		{name: "p64", what: "1 KB records in batches of 16 KiB, 64 partitions, 16 connections", way: produceWay,
			full: true, brokers: 1, recordBytes: 1000, batchBytes: 16 << 10, partitions: 64, clients: 16},
		{name: "p1000", what: "1 KB records in batches of 16 KiB, 1,000 partitions, 16 connections", way: produceWay,
			brokers: 1, recordBytes: 1000, batchBytes: 16 << 10, partitions: 1000, clients: 16, atLeast: 10 * time.Second},
		{name: "c500", what: "1 KB records in batches of 16 KiB, 64 partitions, 500 connections", way: produceWay,
			full: true, brokers: 1, recordBytes: 1000, batchBytes: 16 << 10, partitions: 64, clients: 500},
		{name: "zstd", what: "1 KB records of words in the largest batches, zstd; per GB before compression",
			way: produceWay, full: true, brokers: 1, recordBytes: 1000, partitions: 8, clients: 1, compression: "zstd"},
		{name: "fetch", what: "one consumer reads 1 KB records from the page cache", way: consumeWay, brokers: 1,
			recordBytes: 1000, partitions: 8, clients: 1, consumers: 1, nats: true},
		{name: "fetch16k", what: "one consumer reads batches of 16 KiB from the page cache", way: consumeWay, full: true,
			brokers: 1, recordBytes: 1000, batchBytes: 16 << 10, partitions: 8, clients: 1, consumers: 1},
		{name: "fanout", what: "ten consumers read the same log from the page cache", way: consumeWay, full: true,
			brokers: 1, recordBytes: 1000, partitions: 8, clients: 1, consumers: 10},
		{name: "cold", what: "one consumer reads 1 KB records from the disk", way: consumeWay, brokers: 1,
			recordBytes: 1000, partitions: 8, clients: 1, consumers: 1, cold: true},
		{name: "paced", what: "5,000 records of 1 KB a second, one consumer follows", way: pacedWay, brokers: 1,
			recordBytes: 1000, partitions: 8, consumers: 1, rate: 5000},
		{name: "half", what: "half of Kafka's peak of 1 KB records, one consumer follows", way: pacedWay, brokers: 1,
			recordBytes: 1000, partitions: 8, consumers: 1, atLeast: 10 * time.Second},
		{name: "tail10", what: "5,000 records of 1 KB a second, ten consumers follow", way: pacedWay, full: true,
			brokers: 1, recordBytes: 1000, partitions: 8, consumers: 10, rate: 5000},
		{name: "java", what: "a second opinion: Kafka's producer-perf-test, 1 KB records, batches of 16 KiB, acks=all",
			way: javaProduceWay, brokers: 1, recordBytes: javaRecordBytes, batchBytes: 16 << 10, partitions: 8, java: true},
		{name: "java-fetch", what: "a second opinion: Kafka's consumer-perf-test reads 1 KB records from the page cache",
			way: javaConsumeWay, brokers: 1, recordBytes: javaRecordBytes, partitions: 8, clients: 1, java: true},
		{name: "restart", what: "1,000 partitions with a record each, kill -9, start", way: restartWay,
			brokers: 1, partitions: 1000, last: true, own: true, fresh: true},
		{name: "partitions5k", what: "5,000 partitions with a record each, left alone, kill -9, start", way: crowdWay,
			once: true, brokers: 1, partitions: 5000, last: true, own: true, fresh: true},
		{name: "partitions10k", what: "10,000 partitions with a record each, left alone, kill -9, start", way: crowdWay,
			full: true, brokers: 1, partitions: 10_000, last: true, own: true, fresh: true},
		{name: "partitions20k", what: "20,000 partitions with a record each, left alone, kill -9, start", way: crowdWay,
			once: true, brokers: 1, partitions: 20_000, last: true, own: true, fresh: true},
		{name: "rf3", what: "three brokers: 1 KB records in the largest batches", way: produceWay, brokers: 3,
			recordBytes: 1000, partitions: 8, clients: 1},
		{name: "rf3-16k", what: "three brokers: 1 KB records in batches of 16 KiB", way: produceWay, full: true,
			brokers: 3, recordBytes: 1000, batchBytes: 16 << 10, partitions: 8, clients: 1},
		{name: "rf3-paced", what: "three brokers: 2,000 records of 1 KB a second, one consumer follows", way: pacedWay,
			brokers: 3, recordBytes: 1000, partitions: 8, consumers: 1, rate: 2000},
		{name: "failover", what: "three brokers: kill -9 of a leader, default timeouts", way: failoverWay, brokers: 3,
			recordBytes: 100, partitions: 1, rate: 500, last: true},
		{name: "failover-1s", what: "three brokers: kill -9 of a leader, sessions of 1 s", way: failoverWay, own: true,
			brokers: 3, recordBytes: 100, partitions: 1, rate: 500, last: true,
			settings: []string{"broker.session.timeout.ms=1000", "broker.heartbeat.interval.ms=200"}},
		{name: "simulator", what: "the reference world: three brokers, four clients, 21 operations a simulated second",
			way: simulateWay, own: true, last: true},
	}
}

// What follows bounds a workload beside its duration.
const (
	// mostBytes ends a closed loop of producers, and prefilled is what consumers find.
	mostBytes = 3 << 30
	prefilled = 768 << 20
	// prefillFor bounds the time for that.
	prefillFor = 60 * time.Second
	// failoverFor is for how long records are due in a failover, and killAt when the leader dies. That the last records
	// are acknowledged is waited for, however long the cluster is without a leader.
	failoverFor = 6 * time.Second
	killAt      = 2 * time.Second
	// batchesBefore is how many batches a partition gets before they count, where there are very many partitions.
	batchesBefore = 2
	// besides is what a workload may take beside its duration before it is given up.
	besides = 3 * time.Minute
	// crowdTopic is how many partitions the topics of a crowd have, and crowdRest how long it is left alone.
	crowdTopic = 1000
	crowdRest  = 10 * time.Second
)

// startWorkload is the name of what each session measures before its workloads.
const startWorkload = "start"

// session is workloads that share a start of the brokers.
type session struct {
	brokers   int
	settings  []string
	workloads []workload
	fresh     bool
}

// sessions groups workloads; those that harm the brokers come last, one a session.
func sessions(chosen []workload) (all []session) {
	key := func(w workload) string {
		if w.fresh {
			return w.name
		}
		return fmt.Sprint(w.brokers, w.settings)
	}
	for _, harmful := range []bool{false, true} {
		for _, w := range chosen {
			if w.last != harmful {
				continue
			}
			i := slices.IndexFunc(all, func(s session) bool {
				n := len(s.workloads)
				return key(s.workloads[0]) == key(w) && !s.workloads[n-1].last
			})
			if i < 0 {
				all = append(all, session{brokers: w.brokers, settings: w.settings, fresh: w.fresh})
				i = len(all) - 1
			}
			all[i].workloads = append(all[i].workloads, w)
		}
	}
	return all
}

// choose picks workloads or kinds by their names, "" standing for all that usual says.
func choose[T any](all []T, name func(T) string, usual func(T) bool, names, what string) (chosen []T, err error) {
	if names == "" {
		for _, x := range all {
			if usual(x) {
				chosen = append(chosen, x)
			}
		}
		return chosen, nil
	}
	for n := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(x T) bool { return name(x) == strings.TrimSpace(n) })
		if i < 0 {
			var known []string
			for _, x := range all {
				known = append(known, name(x))
			}
			return nil, fmt.Errorf("there is no %s %q; there are: %s", what, n, strings.Join(known, ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}
