package interop

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
)

// TestKafkaToolsWithBrokersStopped looks at a cluster, and mends it, while brokers of it are away.
func TestKafkaToolsWithBrokersStopped(t *testing.T) {
	t.Parallel()
	java, brokers := newJVMFirst(t), ownCluster(t)
	for _, broker := range brokers {
		broker.settings = append(broker.settings, "auto.leader.rebalance.enable=false")
	}
	if err := brokers.start(); err != nil {
		t.Fatal(err)
	}
	b := toolbox{java, t, brokers.bootstrap()}
	steps := []struct {
		name string
		run  func(*testing.T, toolbox, brokerCluster)
	}{
		{"a broker is away", toolsWhileAway},
		{"a move that cannot end is taken back", toolsCancelMove},
		{"leaders go back to the preferred replica", toolsPreferredElection},
		{"an election from outside the ISR", toolsUncleanElection},
		{"a broker is unregistered", toolsUnregister},
	}
	for _, step := range steps {
		if !t.Run(step.name, func(t *testing.T) { step.run(t, toolbox{b.jvm, t, b.addr}, brokers) }) {
			t.Fatal("the steps after it need this one\n" + brokers.logTail())
		}
	}
}

func mustStop(t *testing.T, b *brokerProcess) {
	t.Helper()
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
}

func toolsWhileAway(t *testing.T, b toolbox, brokers brokerCluster) {
	b.run(kafkaTopics, "--create", "--topic", "three", "--replica-assignment", "3:1:2")
	b.run(kafkaTopics, "--create", "--topic", "alone", "--replica-assignment", "3,1", "--config", "min.insync.replicas=1")
	b.run(kafkaTopics, "--create", "--topic", "pair", "--replica-assignment", "1:2")
	mustStop(t, brokers[2])

	describe := func(condition string) string {
		return strings.ReplaceAll(b.run(kafkaTopics, "--describe", condition), "\t", " ")
	}
	b.until("under-replicated partitions", func() string { return describe("--under-replicated-partitions") },
		"Topic: three Partition: 0 Leader: 1 Replicas: 3,1,2 Isr: 1,2", "Topic: alone Partition: 0 Leader: none Replicas: 3")
	for _, condition := range []string{"--unavailable-partitions", "--under-replicated-partitions"} {
		if got := describe(condition); strings.Contains(got, "Topic: pair") {
			t.Errorf("%s has a partition that is well:\n%s", condition, got)
		}
	}
	got := describe("--unavailable-partitions")
	wantContains(t, oneSpace(got), "Topic: alone Partition: 0 Leader: none")
	if strings.Contains(got, "Topic: three") || strings.Contains(got, "Partition: 1") {
		t.Errorf("unavailable partitions:\n%s", got)
	}
	wantContains(t, describe("--at-min-isr-partitions"), "Topic: three")
	b.until("fenced brokers", func() string { return b.run(kafkaCluster, "list-endpoints", "--include-fenced-brokers") },
		"rack-1 unfenced broker", "rack-3 fenced broker")
	if got := b.run(kafkaCluster, "list-endpoints"); strings.Contains(got, "rack-3") {
		t.Errorf("a broker that is away is listed:\n%s", got)
	}
}

// toolsCancelMove begins the move by itself: the tool refuses one to a broker that is away, the protocol does not.
func toolsCancelMove(t *testing.T, b toolbox, _ brokerCluster) {
	move := moveFile(t, "pair", "1,3")
	got := b.program(kafkaReassign, "--execute", "--reassignment-json-file", move).mustFail(t)
	wantContains(t, got, "Unknown broker id 3")
	var assign kadm.AlterPartitionAssignmentsReq
	assign.Assign("pair", 0, []int32{1, 3})
	begun, err := kadm.NewClient(franzAt(t, b.addr)).AlterPartitionAssignments(withTimeout(t), assign)
	if err != nil || begun.Error() != nil {
		t.Fatal(err, begun.Error())
	}
	wantContains(t, b.run(kafkaReassign, "--list"), "Current partition reassignments:",
		"pair-0: replicas: 1,3,2. adding: 3. removing: 2.")
	got = b.run(kafkaReassign, "--verify", "--reassignment-json-file", move, "--preserve-throttles")
	wantContains(t, got, "Reassignment of partition pair-0 is still in progress.")
	got = b.run(kafkaReassign, "--cancel", "--reassignment-json-file", move, "--preserve-throttles")
	wantContains(t, got, "Successfully cancelled partition reassignment for: pair-0")
	wantContains(t, b.run(kafkaReassign, "--list"), "No partition reassignments found.")
	b.describedAs("pair", "Leader: 1 Replicas: 1,2 Isr: 1,2")
	got = b.run(kafkaReassign, "--cancel", "--reassignment-json-file", move, "--preserve-throttles")
	wantContains(t, got, "None of the specified partition moves are active")
}

func toolsPreferredElection(t *testing.T, b toolbox, brokers brokerCluster) {
	mustStart(t, brokers[2])
	ctx, admin := withTimeout(t), kadm.NewClient(franzAt(t, b.addr))
	eventually(ctx, t, "all replicas in sync", func() bool {
		topics, err := admin.ListTopics(ctx, "three")
		return err == nil && topics["three"].Partitions[0].Leader == 1 && len(topics["three"].Partitions[0].ISR) == 3
	})
	b.describedAs("alone", "Partition: 0 Leader: 3")
	elect := func() string {
		return b.run(kafkaElection, "--election-type", "preferred", "--topic", "three", "--partition", "0")
	}
	wantContains(t, elect(), "Successfully completed leader election (PREFERRED) for partitions three-0")
	wantContains(t, elect(), "Valid replica already elected for partitions three-0")
	b.describedAs("three", "Leader: 3 Replicas: 3,1,2")
	got := b.program(kafkaElection, "--election-type", "preferred", "--topic", "nothing", "--partition", "0").mustFail(t)
	wantContains(t, got, "nothing-0", "UnknownTopicOrPartitionException")
}

// toolsUncleanElection leaves the last replica in sync away. With min.insync.replicas=1 nobody else is eligible.
func toolsUncleanElection(t *testing.T, b toolbox, brokers brokerCluster) {
	b.run(kafkaTopics, "--create", "--topic", "unclean", "--replica-assignment", "3:1",
		"--config", "min.insync.replicas=1")
	mustStop(t, brokers[0])
	b.describedAs("unclean", "Leader: 3 Replicas: 3,1 Isr: 3 Elr:")
	brokers[2].kill()
	mustStart(t, brokers[0])
	b.describedAs("unclean", "Leader: none Replicas: 3,1 Isr: Elr: 3 LastKnownElr: 3") // KIP-966
	elect := func(of string) string {
		return b.program(kafkaElection, "--election-type", of, "--topic", "unclean", "--partition", "0").run().stdout
	}
	if got := elect("preferred"); strings.Contains(got, "Successfully completed") {
		t.Errorf("a replica that is away was elected:\n%s", got)
	}
	wantContains(t, elect("unclean"), "Successfully completed leader election (UNCLEAN) for partitions unclean-0")
	b.describedAs("unclean", "Leader: 1 Replicas: 3,1 Isr: 1")
}

func toolsUnregister(t *testing.T, b toolbox, brokers brokerCluster) {
	wantContains(t, b.run(kafkaCluster, "unregister", "--id", "3"), "Broker 3 is no longer registered.")
	if got := b.run(kafkaCluster, "list-endpoints", "--include-fenced-brokers"); strings.Contains(got, "rack-3") {
		t.Errorf("an unregistered broker is listed:\n%s", got)
	}
	got := b.program(kafkaCluster, "unregister", "--id", "3").run()
	wantContains(t, got.stdout+got.stderr, "3")
	mustStart(t, brokers[2]) // which registers it again
	if err := brokers.awaitKnown(); err != nil {
		t.Fatal(err)
	}
	ctx, admin := withTimeout(t), kadm.NewClient(franzAt(t, b.addr))
	eventually(ctx, t, "its replicas in sync", func() bool {
		topics, err := admin.ListTopics(ctx, "three", "unclean")
		return err == nil && len(topics["three"].Partitions[0].ISR) == 3 && len(topics["unclean"].Partitions[0].ISR) == 2
	})
	if err := brokers.stop(); err != nil {
		t.Error(err)
	}
}
