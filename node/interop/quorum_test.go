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

// kafkaQuorum is the class behind kafka-metadata-quorum.sh.
const kafkaQuorum javaTool = "org.apache.kafka.tools.MetadataQuorumCommand"

// quorumNodes prepares three nodes, each broker and controller, with the settings that name the others. It gives the
// controllers' addresses too.
func quorumNodes(t *testing.T, others func(controllers []string) string) ([]*brokerProcess, []string) {
	t.Helper()
	var nodes []*brokerProcess
	var controllers []string
	if foreignServer() || standIn() {
		t.Skip("needs three nodes of its own")
	}
	first := ownBroker(t)
	for range 3 {
		addr, err := freeLoopbackAddress()
		if err != nil {
			t.Fatal(err)
		}
		controllers = append(controllers, addr)
	}
	for i := range 3 {
		b, err := newBroker(first.binary, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		b.listeners += ",CONTROLLER://" + controllers[i]
		b.settings = []string{fmt.Sprintf("node.id=%d", i+1), "process.roles=broker,controller",
			"controller.listener.names=CONTROLLER", others(controllers), "offsets.topic.replication.factor=1"}
		nodes = append(nodes, b)
	}
	for _, b := range nodes {
		if err := b.launch(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.kill)
	}
	for _, b := range nodes {
		if err := b.awaitListening(); err != nil {
			t.Fatal(err)
		}
	}
	return nodes, controllers
}

// properties writes a node's settings as the file that Kafka's tools read.
func (b *brokerProcess) properties(t *testing.T) string {
	t.Helper()
	lines := append([]string{"listeners=" + b.listeners, "log.dirs=" + b.dataDir}, b.settings...)
	file := filepath.Join(t.TempDir(), "server.properties")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestKafkaToolsQuorum describes, adds and removes controllers with kafka-metadata-quorum.
func TestKafkaToolsQuorum(t *testing.T) {
	nodes, controllers := quorumNodes(t, func(c []string) string { return "controller.quorum.bootstrap.servers=" + c[0] })
	b := toolbox{newJVM(t), t, nodes[0].addr}
	quorum := func(args ...string) string {
		t.Helper()
		return b.command(string(kafkaQuorum), append([]string{"--bootstrap-server", nodes[0].addr}, args...)...).mustRun(t)
	}
	status := func() string { return quorum("describe", "--status") }

	got := status()
	wantContains(t, got, "LeaderId:               1", "MaxFollowerLag:         0", `CurrentVoters:          [{"id": 1,`,
		`"endpoints": ["CONTROLLER://`+controllers[0]+`"]}]`, `{"id": 2,`, `{"id": 3,`)
	for i, node := range nodes[1:] {
		got = quorum("--command-config", node.properties(t), "add-controller")
		wantContains(t, got, fmt.Sprintf("Added controller %d with directory id", i+2), "CONTROLLER://"+controllers[i+1])
	}
	got = quorum("describe", "--replication")
	if n := strings.Count(got, "Follower"); n != 2 || !strings.Contains(got, "Leader") {
		t.Errorf("wanted a leader and two followers:\n%s", got)
	}
	wantContains(t, quorum("describe", "--replication", "--human-readable"), "ms ago")
	direct := b.command(string(kafkaQuorum), "--bootstrap-controller", controllers[1], "describe", "--status").mustRun(t)
	// Leadership may have moved since: a machine with too much to do keeps the leader from fetching voters for too long.
	wantContains(t, direct, "LeaderId:", "CONTROLLER://"+controllers[2])

	directory := regexp.MustCompile(`\{"id": 1, "directoryId": "([^"]+)"`).FindStringSubmatch(got + direct)
	if directory == nil {
		t.Fatalf("no directory id of node 1 in:\n%s", direct)
	}
	refused := b.command(string(kafkaQuorum), "--bootstrap-server", nodes[0].addr, "remove-controller", "-i", "1", "-d",
		"AAAAAAAAAAAAAAAAAAAAAQ").mustFail(t)
	wantContains(t, refused, "VoterNotFoundException")
	got = quorum("remove-controller", "--controller-id", "1", "--controller-directory-id", directory[1])
	wantContains(t, got, "KRaft controller 1 with directory id "+directory[1])
	deadline := time.Now().Add(20 * time.Second)
	for got = status(); strings.Contains(got, "LeaderId:               1"); got = status() {
		if time.Now().After(deadline) {
			t.Fatalf("the leader that was removed still leads:\n%s", got)
		}
	}
	wantContains(t, got, `CurrentVoters:          [{"id": 2,`)
	wantContains(t, b.run(kafkaTopics, "--create", "--topic", "after", "--partitions", "1", "--replication-factor", "3"),
		"Created topic after")
}

// TestKafkaToolsUpgradeOfVoters raises kraft.version with kafka-features where the configuration has fixed the voters.
func TestKafkaToolsUpgradeOfVoters(t *testing.T) {
	nodes, _ := quorumNodes(t, func(c []string) string {
		return fmt.Sprintf("controller.quorum.voters=1@%s,2@%s,3@%s", c[0], c[1], c[2])
	})
	b := toolbox{newJVM(t), t, nodes[0].addr}
	features := func(args ...string) string {
		t.Helper()
		return b.command(string(kafkaFeatures), append([]string{"--bootstrap-server", nodes[0].addr}, args...)...).mustRun(t)
	}
	if got := features("describe"); !regexp.MustCompile(`kraft\.version .*FinalizedVersionLevel: 0`).MatchString(got) {
		t.Errorf("before the upgrade:\n%s", got)
	}
	features("upgrade", "--feature", "kraft.version=1")
	got := features("describe")
	if !regexp.MustCompile(`kraft\.version.*FinalizedVersionLevel: 1`).MatchString(got) {
		t.Errorf("after the upgrade:\n%s", got)
	}
	got = b.command(string(kafkaQuorum), "--bootstrap-server", nodes[1].addr, "describe", "--status").mustRun(t)
	if strings.Contains(got, `"directoryId": null`) {
		t.Errorf("a voter without a directory:\n%s", got)
	}
}
