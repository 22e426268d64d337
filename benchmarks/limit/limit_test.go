package main

import (
	"context"
	"net"
	"testing"
	"time"

	"ottla.dev/benchmarks/load"
)

// start serves from this process.
func start(t *testing.T, durable bool) string {
	t.Helper()
	s := newStore(t.TempDir())
	if durable {
		var err error
		if s.committer, err = newCommitter(s.dir); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go newPeer(conn.(*net.TCPConn), s).serve()
		}
	}()
	return listener.Addr().String()
}

func TestEachRecordProducedIsConsumed(t *testing.T) {
	for _, durable := range []bool{false, true} {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		seeds := []string{start(t, durable)}
		for name, batch := range map[string]int{"single": 1, "small": 16 << 10, "whole": 0} {
			if err := load.CreateTopic(ctx, seeds, name, 6, 1, nil); err != nil {
				t.Fatal(err)
			}
			made, err := load.Produce{Seeds: seeds, Topic: name, Partitions: 6, RecordBytes: 500, BatchBytes: batch,
				Clients: 2, For: 10 * time.Second, MostBytes: 500_000}.Run(ctx)
			if err != nil {
				t.Fatal(err)
			}
			// The client counts a batch a moment after it has told of its records.
			if made.Records != 1000 || batch == 1 && (made.Batches < 950 || made.Batches > 1000) {
				t.Errorf("%s: %d records in %d batches were acknowledged, want 1000", name, made.Records, made.Batches)
			}
			got, err := load.Consume{Seeds: seeds, Topic: name, Consumers: 3, Records: made.Records, RecordBytes: 500,
				Within: 20 * time.Second}.Run(ctx)
			if err != nil || got.Records != 3*made.Records {
				t.Errorf("%s, durable %v: %d records came, want 3 x %d; %v", name, durable, got.Records, made.Records, err)
			}
		}
	}
}

func TestAnOpenLoopCountsEveryRecordTwice(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	seeds := []string{start(t, false)}
	if err := load.CreateTopic(ctx, seeds, "paced", 3, 1, nil); err != nil {
		t.Fatal(err)
	}
	got, err := load.Paced{Seeds: seeds, Topic: "paced", Partitions: 3, RecordBytes: 100, Rate: 500, For: time.Second,
		Consumers: 2}.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got.Records != 500 || got.Ack.Count() != 500 || got.Missing != 0 || got.EndToEnd.Count() != 1000 {
		t.Errorf("%d records, %d acknowledged, %d arrived, %d missing; want 500, 500, 1000 and none", got.Records,
			got.Ack.Count(), got.EndToEnd.Count(), got.Missing)
	}
	if got.Ack.Percentile(0.5) > got.EndToEnd.Max() || got.Gap <= 0 {
		t.Errorf("ack %v, end to end at most %v, gap %v", got.Ack.Percentile(0.5), got.EndToEnd.Max(), got.Gap)
	}
}
