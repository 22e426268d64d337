package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// sharedCluster gives a toolbox for the server under test if that has three brokers.
func sharedCluster(t *testing.T) toolbox {
	t.Helper()
	requireEnabled(t)
	if brokerCount() < 3 {
		t.Skip("set OTTLA_INTEROP_BROKERS=3: this is about replicas")
	}
	return newToolbox(t)
}

// describedAs waits until kafka-topics describes the topic with all of the pieces, columns being one space apart.
func (b toolbox) describedAs(topic string, pieces ...string) {
	b.t.Helper()
	b.until("topic "+topic, func() string {
		return strings.ReplaceAll(b.run(kafkaTopics, "--describe", "--topic", topic), "\t", " ")
	}, pieces...)
}

// until runs something again and again until it prints all of the pieces.
func (b toolbox) until(what string, print func() string, pieces ...string) {
	b.t.Helper()
	for deadline := time.Now().Add(programTimeout); ; {
		printed := oneSpace(print())
		missing := ""
		for _, piece := range pieces {
			if !strings.Contains(printed, piece) {
				missing = piece
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%s: no %q in\n%s", what, missing, printed)
		}
	}
}

// jsonFile writes what a tool reads from a file.
func jsonFile(t *testing.T, format string, args ...any) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "input.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, format, args...), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// moveFile says where partition 0 of the topic shall be.
func moveFile(t *testing.T, topic, replicas string) string {
	t.Helper()
	return jsonFile(t, `{"version":1,"partitions":[{"topic":%q,"partition":0,"replicas":[%s]}]}`, topic, replicas)
}

func TestKafkaToolsPlaceReplicas(t *testing.T) {
	t.Parallel()
	b, topic := sharedCluster(t), uniqueName("placed")
	b.run(kafkaTopics, "--create", "--topic", topic, "--replica-assignment", "1:2:3,2:3:1")
	b.describedAs(topic, "PartitionCount: 2 ReplicationFactor: 3",
		"Partition: 0 Leader: 1 Replicas: 1,2,3 Isr: 1,2,3 Elr: LastKnownElr:",
		"Partition: 1 Leader: 2 Replicas: 2,3,1 Isr: 2,3,1 Elr: LastKnownElr:")
	got := b.program(kafkaTopics, "--alter", "--topic", topic, "--partitions", "3",
		"--replica-assignment", "1:2:3,2:3:1,3:1").mustFail(t)
	wantContains(t, got, "Partition 2 has different replication factor: [3, 1]")
	b.run(kafkaTopics, "--alter", "--topic", topic, "--partitions", "3", "--replica-assignment", "1:2:3,2:3:1,3:1:2")
	b.describedAs(topic, "Partition: 2 Leader: 3 Replicas: 3,1,2 Isr: 3,1,2")
	got = b.program(kafkaTopics, "--create", "--topic", topic+"-far", "--replica-assignment", "1:2:77").mustFail(t)
	wantContains(t, got, "InvalidReplicaAssignmentException", "77")
	for _, condition := range []string{"--under-replicated-partitions", "--unavailable-partitions",
		"--under-min-isr-partitions"} {
		if got := b.run(kafkaTopics, "--describe", "--topic", topic, condition); strings.TrimSpace(got) != "" {
			t.Errorf("%s of a topic that is well:\n%s", condition, got)
		}
	}
}

func TestKafkaToolsReassignPartitions(t *testing.T) {
	t.Parallel()
	b, topic := sharedCluster(t), uniqueName("moved")
	b.run(kafkaTopics, "--create", "--topic", topic, "--replica-assignment", "1:2")
	produce := b.program(kafkaConsoleProduce, "--topic", topic)
	produce.stdin = lines("line %d", 50)
	produce.mustRun(t)

	topics := jsonFile(t, `{"version":1,"topics":[{"topic":%q}]}`, topic)
	got := b.run(kafkaReassign, "--generate", "--topics-to-move-json-file", topics, "--broker-list", "2,3")
	wantContains(t, got, "Current partition replica assignment", fmt.Sprintf(`"topic":%q,"partition":0`, topic),
		`"replicas":[1,2]`, "Proposed partition reassignment configuration")

	move := moveFile(t, topic, "3,2")
	got = b.run(kafkaReassign, "--execute", "--reassignment-json-file", move)
	wantContains(t, got, "Successfully started partition reassignment for "+topic+"-0", `"replicas":[1,2]`)
	b.until("the move", func() string { return b.run(kafkaReassign, "--verify", "--reassignment-json-file", move) },
		"Reassignment of partition "+topic+"-0 is completed.")
	b.describedAs(topic, "Leader: 3 Replicas: 3,2")
	wantContains(t, b.run(kafkaReassign, "--list"), "No partition reassignments found.")
	got = b.run(kafkaConsoleConsume, "--topic", topic, "--from-beginning", "--max-messages", "50", "--timeout-ms", "20000")
	if got != lines("line %d", 50) {
		t.Errorf("read after the move:\n%s", got)
	}
	got = b.program(kafkaReassign, "--execute", "--reassignment-json-file", moveFile(t, topic, "3,77")).mustFail(t)
	wantContains(t, got, "Unknown broker id 77")
}

func TestKafkaToolsSettingsOfBrokers(t *testing.T) {
	t.Parallel()
	b := sharedCluster(t)
	all := []string{"--entity-type", "brokers", "--entity-default"}
	second := []string{"--entity-type", "brokers", "--entity-name", "2"}
	configs := func(of []string, args ...string) string { return b.run(kafkaConfigs, append(args, of...)...) }
	const key = "log.segment.delete.delay.ms" // nothing else here depends on it
	wantContains(t, configs(all, "--alter", "--add-config", key+"=61000"), "Completed updating default config")
	wantContains(t, configs(second, "--alter", "--add-config", key+"=62000"), "Completed updating config for broker 2")
	b.until("settings", func() string { return configs(second, "--describe") }, key+"=62000",
		"DYNAMIC_BROKER_CONFIG:"+key+"=62000", "DYNAMIC_DEFAULT_BROKER_CONFIG:"+key+"=61000")
	b.until("settings", func() string { return configs(all, "--describe") }, key+"=61000")
	configs(second, "--alter", "--delete-config", key)
	configs(all, "--alter", "--delete-config", key)
	b.until("settings", func() string { return configs(second, "--describe", "--all") }, key+"=60000")
}

func TestKafkaToolsOnReplicas(t *testing.T) {
	t.Parallel()
	b, topic := sharedCluster(t), uniqueName("replicated")
	b.run(kafkaTopics, "--create", "--topic", topic, "--replica-assignment", "1:2:3,2:3:1")
	b.run(kafkaProducerPerf, "--topic", topic, "--num-records", "2000", "--record-size", "100", "--throughput", "-1")

	got := b.run(kafkaAPIVersions)
	for id := 1; id <= 3; id++ {
		wantContains(t, got, fmt.Sprintf("(id: %d rack: rack-%d isFenced: false)", id, id))
	}
	got = oneSpace(b.run(kafkaCluster, "list-endpoints"))
	for i, addr := range strings.Split(b.addr, ",") {
		host, port, _ := strings.Cut(addr, ":")
		wantContains(t, got, fmt.Sprintf("%d %s %s rack-%d unfenced broker", i+1, host, port, i+1))
	}

	got = b.run(kafkaLogDirs, "--describe", "--broker-list", "1,3", "--topic-list", topic)
	wantContains(t, got, `"broker":1`, `"broker":3`)
	sizes := regexp.MustCompile(`"partition":"[^"]+","size":(\d+),"offsetLag":0`).FindAllStringSubmatch(got, -1)
	if len(sizes) != 4 || strings.Contains(got, `"broker":2`) {
		t.Errorf("two partitions on two brokers, each without lag, wanted in:\n%s", got)
	}
	total := 0
	for _, line := range strings.Fields(b.run(kafkaGetOffsets, "--topic-partitions", topic)) {
		var end int
		fmt.Sscan(line[strings.LastIndex(line, ":")+1:], &end)
		total += end
	}
	if total != 2000 {
		t.Errorf("end offsets add up to %d", total)
	}

	// This one names its server otherwise, and never ends by itself.
	verify := b.command(string(kafkaVerifyReplicas), "--broker-list", b.addr, "--topics-include", topic,
		"--report-interval-ms", "1000")
	verify.timeout = 20 * time.Second
	wantContains(t, verify.run().stdout, "verification process is started", "max lag is 0 for partition "+topic)
}
