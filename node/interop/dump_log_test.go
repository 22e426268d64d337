package interop

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestKafkaDumpLogReadsOurFiles writes with every codec, commits, stops the broker, and has Kafka's own
// kafka-dump-log read the log directory.
func TestKafkaDumpLogReadsOurFiles(t *testing.T) {
	t.Parallel()
	java, broker := newJVMFirst(t), ownBroker(t)
	mustStart(t, broker)
	ctx, topic, group := withTimeout(t), uniqueName("dumped"), uniqueName("dump-group")
	const records = 100
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	for name, codec := range codecs {
		writeForDump(ctx, t, broker.addr, topic+"-"+name, codec, records)
	}
	joinAndCommit(ctx, t, broker.addr, topic+"-none", group)
	if err := broker.stop(); err != nil {
		t.Fatal(err)
	}

	dump := func(file string, args ...string) string {
		t.Helper()
		args = append([]string{"--files", file}, args...)
		printed := java.command(string(kafkaDumpLog), args...).mustRun(t)
		for _, complaint := range []string{"isvalid: false", "Found ", "Mismatches in", "Exception"} {
			if strings.Contains(printed, complaint) {
				t.Errorf("%s: %s\n%s", file, complaint, printed)
			}
		}
		return printed
	}
	for name := range codecs {
		segment := filepath.Join(broker.dataDir, fmt.Sprintf("%s-%s-0", topic, name), "00000000000000000000")
		printed := dump(segment+".log", "--deep-iteration", "--print-data-log")
		wantContains(t, printed, "compresscodec: "+name, "producerEpoch: 0")
		if got := strings.Count(printed, "payload: some value "); got != records {
			t.Errorf("%s: %d records dumped, wanted %d", name, got, records)
		}
		if name != "none" {
			continue // one set of indexes is enough
		}
		wantContains(t, dump(segment+".index", "--index-sanity-check"), "passed sanity check")
		dump(segment+".index", "--verify-index-only")
		dump(segment + ".timeindex")
		dumpSnapshots(t, filepath.Dir(segment), dump)
	}

	offsets := dumpAll(t, filepath.Join(broker.dataDir, "__consumer_offsets-*"), dump, "--offsets-decoder")
	wantContains(t, offsets, fmt.Sprintf(`{"group":%q,"topic":%q,"partition":0}`, group, topic+"-none"),
		fmt.Sprintf(`"offset":%d,`, records), `"protocolType":"consumer"`, `"clientId":"dump-member"`)
	metadata := dumpAll(t, filepath.Join(broker.dataDir, "__cluster_metadata-0"), dump, "--cluster-metadata-decoder")
	wantContains(t, metadata, `"TOPIC_RECORD"`, `"PARTITION_RECORD"`, topic+"-zstd")
}

// newJVMFirst looks for Java before a broker is built for nothing.
func newJVMFirst(t *testing.T) jvm {
	t.Helper()
	requireEnabled(t)
	return newJVM(t)
}

func writeForDump(ctx context.Context, t *testing.T, addr, topic string, codec kgo.CompressionCodec, records int) {
	t.Helper()
	client := franzAt(t, addr, kgo.ProducerBatchCompression(codec), kgo.ProducerBatchMaxBytes(1024))
	if _, err := kadm.NewClient(client).CreateTopic(ctx, 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	// Enough bytes for several index entries, which are 4096 bytes apart.
	padding := strings.Repeat("and so on ", 20)
	for i := range records {
		client.Produce(ctx, &kgo.Record{
			Topic: topic, Key: fmt.Appendf(nil, "key %d", i), Value: fmt.Appendf(nil, "some value %d %s", i, padding),
			Headers: []kgo.RecordHeader{{Key: "header", Value: []byte("h")}},
		}, nil)
	}
	if err := client.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

func joinAndCommit(ctx context.Context, t *testing.T, addr, topic, group string) {
	t.Helper()
	consumer := franzAt(t, addr, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ClientID("dump-member"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	readRecords(ctx, t, consumer, 100)
	if err := consumer.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
	consumer.Close()
}

// dumpSnapshots reads the producer snapshots that a clean stop leaves.
func dumpSnapshots(t *testing.T, dir string, dump func(string, ...string) string) {
	t.Helper()
	snapshots, err := filepath.Glob(filepath.Join(dir, "*.snapshot"))
	if err != nil || len(snapshots) == 0 {
		t.Errorf("no producer snapshot in %s after a clean stop (%v)", dir, err)
	}
	for _, snapshot := range snapshots {
		wantContains(t, dump(snapshot), "producerEpoch: 0", "lastSequence: 99", "lastOffset: 99")
	}
}

// dumpAll dumps every non-empty segment in the folders that match the pattern.
func dumpAll(t *testing.T, pattern string, dump func(string, ...string) string, args ...string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(pattern, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	var nonEmpty []string
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.Size() > 0 {
			nonEmpty = append(nonEmpty, file)
		}
	}
	if len(nonEmpty) == 0 {
		t.Fatalf("nothing written in %s", pattern)
	}
	printed := dump(strings.Join(nonEmpty, ","), args...)
	if bad := regexp.MustCompile(`(?m)^.*(unknown|Could not|Error).*$`).FindString(printed); bad != "" {
		t.Errorf("%s: %s", pattern, bad)
	}
	return printed
}
