package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestKafkaToolsTopics(t *testing.T) {
	t.Parallel()
	b, topic := newToolbox(t), uniqueName("tools")

	got := b.run(kafkaTopics, "--create", "--topic", topic, "--partitions", "3", "--replication-factor", replicas(),
		"--config", "retention.ms=3600000")
	wantContains(t, got, "Created topic "+topic)
	got = b.program(kafkaTopics, "--create", "--topic", topic).mustFail(t)
	wantContains(t, got, "TopicExistsException")
	b.run(kafkaTopics, "--create", "--topic", topic, "--if-not-exists")
	wantContains(t, b.run(kafkaTopics, "--list"), topic)

	got = b.run(kafkaTopics, "--describe", "--topic", topic)
	wantContains(t, got, "PartitionCount: 3", "ReplicationFactor: "+replicas(), "retention.ms=3600000", "Partition: 2")
	if strings.Contains(got, "Leader: none") {
		t.Errorf("a partition without a leader:\n%s", got)
	}

	b.run(kafkaTopics, "--alter", "--topic", topic, "--partitions", "5")
	wantContains(t, b.run(kafkaTopics, "--describe", "--topic", topic), "PartitionCount: 5")
	got = b.program(kafkaTopics, "--alter", "--topic", topic, "--partitions", "2").mustFail(t)
	wantContains(t, got, "InvalidPartitionsException")

	b.run(kafkaTopics, "--delete", "--topic", topic)
	if got := b.run(kafkaTopics, "--list"); strings.Contains(got, topic) {
		t.Errorf("a deleted topic is listed:\n%s", got)
	}
}

func TestKafkaToolsConfigs(t *testing.T) {
	t.Parallel()
	b, topic := newToolbox(t), uniqueName("tools")
	b.run(kafkaTopics, "--create", "--topic", topic, "--partitions", "1", "--replication-factor", replicas())
	ofTopic := []string{"--entity-type", "topics", "--entity-name", topic}
	configs := func(args ...string) string { return b.run(kafkaConfigs, append(args, ofTopic...)...) }

	got := configs("--alter", "--add-config", "retention.ms=60000,max.message.bytes=2000000")
	wantContains(t, got, "Completed updating config")
	got = configs("--describe")
	wantContains(t, got, "retention.ms=60000", "max.message.bytes=2000000")
	configs("--alter", "--delete-config", "max.message.bytes")
	got = configs("--describe")
	wantContains(t, got, "retention.ms=60000")
	if strings.Contains(got, "max.message.bytes=2000000") {
		t.Errorf("a deleted setting is still there:\n%s", got)
	}

	wantContains(t, configs("--describe", "--all"), "cleanup.policy=delete", "max.message.bytes=1048588", "DEFAULT_CONFIG")
	nodeID := firstBrokerID(t, b)
	got = b.run(kafkaConfigs, "--describe", "--all", "--entity-type", "brokers", "--entity-name", nodeID)
	wantContains(t, got, "log.retention.ms", "message.max.bytes=1048588")
}

// firstBrokerID reads a broker id from what kafka-broker-api-versions prints.
func firstBrokerID(t *testing.T, b toolbox) string {
	t.Helper()
	printed := b.run(kafkaAPIVersions)
	match := regexp.MustCompile(`\(id: (\d+) `).FindStringSubmatch(printed)
	if match == nil {
		t.Fatalf("no broker id in:\n%s", printed)
	}
	return match[1]
}

func TestKafkaToolsConsoleProducerAndConsumer(t *testing.T) {
	t.Parallel()
	b, topic := newToolbox(t), uniqueName("tools")
	b.run(kafkaTopics, "--create", "--topic", topic, "--partitions", "1", "--replication-factor", replicas())

	for i, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		produce := b.program(kafkaConsoleProduce, "--topic", topic, "--compression-codec", codec,
			"--reader-property", "parse.key=true", "--reader-property", "key.separator=:")
		produce.stdin = fmt.Sprintf("k%d:%s\n", i, codec)
		produce.mustRun(t)
	}
	got := b.run(kafkaConsoleConsume, "--topic", topic, "--from-beginning", "--max-messages", "5",
		"--timeout-ms", "20000", "--formatter-property", "print.key=true",
		"--formatter-property", "print.offset=true", "--formatter-property", "print.headers=true")
	want := "Offset:0\tNO_HEADERS\tk0\tnone\nOffset:1\tNO_HEADERS\tk1\tgzip\nOffset:2\tNO_HEADERS\tk2\tsnappy\n" +
		"Offset:3\tNO_HEADERS\tk3\tlz4\nOffset:4\tNO_HEADERS\tk4\tzstd\n"
	if got != want {
		t.Errorf("got\n%swanted\n%s", got, want)
	}

	got = b.run(kafkaConsoleConsume, "--topic", topic, "--partition", "0", "--offset", "3", "--max-messages", "2",
		"--timeout-ms", "20000", "--isolation-level", "read_committed")
	if got != "lz4\nzstd\n" {
		t.Errorf("read_committed from offset 3: %q", got)
	}
}

func TestKafkaToolsConsumerGroups(t *testing.T) {
	t.Parallel()
	b, topic, group := newToolbox(t), uniqueName("tools"), uniqueName("tools-group")
	b.run(kafkaTopics, "--create", "--topic", topic, "--partitions", "1", "--replication-factor", replicas())
	produce := b.program(kafkaConsoleProduce, "--topic", topic)
	produce.stdin = lines("line %d", 8)
	produce.mustRun(t)
	consume := func(count string) string {
		return b.run(kafkaConsoleConsume, "--topic", topic, "--group", group, "--max-messages", count,
			"--from-beginning", "--timeout-ms", "20000")
	}
	if got := consume("5"); got != lines("line %d", 5) {
		t.Errorf("the group's first reading:\n%s", got)
	}

	if !standIn() { // the tool asks for types "Consumer" and "Classic", and case must not matter
		wantContains(t, b.run(kafkaConsumerGroups, "--list"), group)
	}
	wantContains(t, b.run(kafkaGroups, "--list"), group, "Classic")
	// group, topic, partition, committed, end, lag
	row := func(committed, lag int) string { return fmt.Sprintf("%s %s 0 %d 8 %d", group, topic, committed, lag) }
	wantContains(t, oneSpace(b.run(kafkaConsumerGroups, "--describe", "--group", group)), row(5, 3))
	wantContains(t, b.run(kafkaConsumerGroups, "--describe", "--group", group, "--state"), "Empty")

	reset := func(to ...string) {
		t.Helper()
		args := append([]string{"--reset-offsets", "--group", group, "--topic", topic, "--execute"}, to...)
		b.run(kafkaConsumerGroups, args...)
	}
	reset("--to-offset", "7")
	wantContains(t, oneSpace(b.run(kafkaConsumerGroups, "--describe", "--group", group)), row(7, 1))
	reset("--shift-by", "-4")
	wantContains(t, oneSpace(b.run(kafkaConsumerGroups, "--describe", "--group", group)), row(3, 5))
	reset("--to-earliest")
	if got := consume("8"); got != lines("line %d", 8) {
		t.Errorf("after a reset to the earliest offset:\n%s", got)
	}

	b.run(kafkaConsumerGroups, "--delete-offsets", "--group", group, "--topic", topic)
	got := b.run(kafkaConsumerGroups, "--delete", "--group", group)
	wantContains(t, got, "successful")
	if got := b.run(kafkaConsumerGroups, "--list"); strings.Contains(got, group) {
		t.Errorf("a deleted group is listed:\n%s", got)
	}
}

// oneSpace makes a table's columns one space apart.
func oneSpace(table string) string {
	return regexp.MustCompile(` +`).ReplaceAllString(table, " ")
}

func TestKafkaToolsOffsetsAndDeleteRecords(t *testing.T) {
	t.Parallel()
	b, topic := newToolbox(t), uniqueName("tools")
	b.run(kafkaTopics, "--create", "--topic", topic, "--partitions", "2", "--replication-factor", replicas())
	got := b.run(kafkaProducerPerf, "--topic", topic, "--num-records", "1000", "--record-size", "100",
		"--throughput", "-1", "--command-property", "acks=all")
	wantContains(t, got, "1000 records sent")

	offsets := func(at string) map[string]string {
		found := map[string]string{}
		for _, line := range strings.Fields(b.run(kafkaGetOffsets, "--topic", topic, "--time", at)) {
			parts := strings.Split(line, ":")
			found[parts[1]] = parts[2]
		}
		return found
	}
	if got := offsets("earliest"); got["0"] != "0" || got["1"] != "0" {
		t.Errorf("earliest offsets: %v", got)
	}
	ends := offsets("latest")
	var first, second int
	fmt.Sscan(ends["0"], &first)
	fmt.Sscan(ends["1"], &second)
	if first+second != 1000 {
		t.Errorf("latest offsets %v do not add up to 1000", ends)
	}

	// -1 deletes up to the high watermark.
	request := filepath.Join(t.TempDir(), "delete.json")
	text := fmt.Sprintf(`{"partitions":[{"topic":%q,"partition":0,"offset":-1}],"version":1}`, topic)
	if err := os.WriteFile(request, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got = b.run(kafkaDeleteRecords, "--offset-json-file", request)
	wantContains(t, got, fmt.Sprintf("partition: %s-0\tlow_watermark: %d", topic, first))
	if got := offsets("earliest"); got["0"] != ends["0"] || got["1"] != "0" {
		t.Errorf("earliest offsets after the deletion: %v, ends were %v", got, ends)
	}

	if second > 0 {
		got = b.run(kafkaConsumerPerf, "--topic", topic, "--num-records", fmt.Sprint(second), "--timeout", "20000")
		wantContains(t, got, fmt.Sprintf(" %d, ", second))
	}
	got = b.run(kafkaLogDirs, "--describe", "--topic-list", topic)
	wantContains(t, got, fmt.Sprintf(`"partition":"%s-0"`, topic), `"error":null`)
}

func TestKafkaToolsVerifiableProducerAndConsumer(t *testing.T) {
	t.Parallel()
	b, topic := newToolbox(t), uniqueName("tools")
	b.run(kafkaTopics, "--create", "--topic", topic, "--partitions", "3", "--replication-factor", replicas())
	got := b.run(kafkaVerifyProduce, "--topic", topic, "--max-messages", "300")
	if sent := strings.Count(got, `"producer_send_success"`); sent != 300 {
		t.Errorf("%d sends acknowledged, wanted 300", sent)
	}
	got = b.run(kafkaVerifyConsume, "--topic", topic, "--max-messages", "300", "--reset-policy", "earliest",
		"--group-id", uniqueName("verifiable"))
	consumed := 0
	for _, match := range regexp.MustCompile(`"records_consumed","count":(\d+)`).FindAllStringSubmatch(got, -1) {
		var count int
		fmt.Sscan(match[1], &count)
		consumed += count
	}
	if consumed != 300 {
		t.Errorf("%d records consumed, wanted 300:\n%s", consumed, got)
	}
	wantContains(t, got, `"offsets_committed"`, `"success":true`)
}

func TestKafkaToolsClusterAndVersions(t *testing.T) {
	t.Parallel()
	b := newToolbox(t)
	wantContains(t, b.run(kafkaAPIVersions), strings.Split(b.addr, ",")[0], "Produce(0): ", "ApiVersions(18): ")
	wantContains(t, b.run(kafkaCluster, "cluster-id"), "Cluster ID: ")
	wantContains(t, b.run(kafkaCluster, "list-endpoints"), "unfenced")
	// This one wants the server named before the verb.
	b.command(string(kafkaFeatures), "--bootstrap-server", b.addr, "describe").mustRun(t)
}

// replicas is the replication factor that the tests ask for, as an argument.
func replicas() string { return fmt.Sprint(replicaCount()) }
