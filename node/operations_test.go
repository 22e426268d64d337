package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/node/config"
)

// operated is three real brokers, of which only the first is a voter, so that the other two may be down together.
type operated struct {
	*testing.T
	ctx      context.Context
	settings []*config.Config
	dirs     []string
	nodes    []*Node
	client   *kgo.Client
	admin    *kadm.Client
}

func newOperated(t *testing.T) *operated {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 120*time.Second)
	o := &operated{T: t, ctx: ctx, nodes: make([]*Node, 3)}
	ports, dir := freePorts(t, 4), t.TempDir()
	var seeds []string
	for i := range 3 {
		listeners := fmt.Sprintf("listeners=PLAINTEXT://127.0.0.1:%d", ports[i])
		roles := "process.roles=broker"
		if i == 0 {
			listeners += fmt.Sprintf(",CONTROLLER://127.0.0.1:%d", ports[3])
			roles += ",controller"
		}
		o.dirs = append(o.dirs, filepath.Join(dir, fmt.Sprint(i+1)))
		c, err := config.Load(config.Input{Set: []string{fmt.Sprintf("node.id=%d", i+1), roles, listeners,
			fmt.Sprintf("controller.quorum.voters=1@127.0.0.1:%d", ports[3]), "controller.listener.names=CONTROLLER",
			"log.dirs=" + o.dirs[i], "ottla.shards=2", "broker.heartbeat.interval.ms=200",
			"offsets.topic.replication.factor=1", "leader.imbalance.check.interval.seconds=1",
		}})
		if err != nil {
			t.Fatal(err)
		}
		o.settings, seeds = append(o.settings, c), append(seeds, c.Listeners[0].Address())
		o.nodes[i] = startNode(t, c)
	}
	awaitReady(t, o.nodes...)
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds[0]), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	o.client, o.admin = client, kadm.NewClient(client)
	t.Cleanup(func() {
		client.Close()
		for i := 2; i >= 0; i-- {
			if o.nodes[i] != nil {
				o.nodes[i].Shutdown(ctx)
			}
		}
		cancel()
	})
	return o
}

func (o *operated) stop(id int) {
	o.Helper()
	if err := o.nodes[id-1].Shutdown(o.ctx); err != nil {
		o.Fatalf("node %d: %v", id, err)
	}
	o.nodes[id-1] = nil
}

func (o *operated) start(id int) {
	o.Helper()
	o.nodes[id-1] = startNode(o.T, o.settings[id-1])
	awaitReady(o.T, o.nodes[id-1])
}

// create makes a topic with the given replicas of each partition.
func (o *operated) create(name string, minISR string, replicas ...[]int32) {
	o.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, -1, -1
	for i, r := range replicas {
		a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		a.Partition, a.Replicas = int32(i), r
		t.ReplicaAssignment = append(t.ReplicaAssignment, a)
	}
	c := kmsg.NewCreateTopicsRequestTopicConfig()
	c.Name, c.Value = "min.insync.replicas", &minISR
	t.Configs = append(t.Configs, c)
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(o.ctx, o.client)
	if err != nil || resp.Topics[0].ErrorCode != 0 {
		o.Fatal(err, resp)
	}
}

// state is a partition as the first node tells it: "leader 1 replicas [1 2] isr [1 2] elr []".
func (o *operated) state(topic string, partition int32) string {
	o.Helper()
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	t := kmsg.NewDescribeTopicPartitionsRequestTopic()
	t.Topic = topic
	req.Topics, req.ResponsePartitionLimit = append(req.Topics, t), 100
	resp, err := req.RequestWith(o.ctx, o.client)
	if err != nil {
		o.Fatal(err)
	}
	for _, p := range resp.Topics[0].Partitions {
		if p.Partition == partition {
			slices.Sort(p.ISR)
			slices.Sort(p.EligibleLeaderReplicas)
			return fmt.Sprintf("leader %d replicas %v isr %v elr %v", p.LeaderID, p.Replicas, p.ISR,
				p.EligibleLeaderReplicas)
		}
	}
	return "none"
}

func (o *operated) becomes(topic string, partition int32, want string) {
	o.Helper()
	var got string
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		if got = o.state(topic, partition); got == want {
			return
		}
	}
	o.Fatalf("%s-%d: %s, want %s", topic, partition, got, want)
}

func (o *operated) unregister(id int32) core.ErrorCode {
	o.Helper()
	req := kmsg.NewPtrUnregisterBrokerRequest()
	req.BrokerID = id
	resp, err := req.RequestWith(o.ctx, o.client)
	if err != nil {
		o.Fatal(err)
	}
	return core.ErrorCode(resp.ErrorCode)
}

// What an operator does to a cluster of real brokers: stop one, forget it, have it back, move a partition and think
// better of it.
func TestBrokersAreStoppedForgottenAndComeBack(t *testing.T) {
	o := newOperated(t)
	o.create("t", "1", []int32{1, 2, 3}, []int32{2, 3, 1}, []int32{3, 1, 2})
	if code := o.unregister(3); code != core.InvalidRequest {
		t.Errorf("a broker that is alive is forgotten: %v", code)
	}
	o.stop(3)
	// Its leaderships have moved before it was gone, not after a session.
	if got := o.state("t", 2); got != "leader 1 replicas [3 1 2] isr [1 2] elr []" {
		t.Errorf("right after the stop: %s", got)
	}
	if code := o.unregister(3); code != 0 {
		t.Errorf("unregistered: %v", code)
	}
	if code := o.unregister(3); code != core.BrokerIDNotRegistered {
		t.Errorf("unregistered again: %v", code)
	}
	o.create("moving", "1", []int32{2})
	move := kadm.AlterPartitionAssignmentsReq{}
	move.Assign("moving", 0, []int32{1})
	if r, err := o.admin.AlterPartitionAssignments(o.ctx, move); err != nil || r.Error() != nil {
		t.Fatal(err, r.Error())
	}
	o.becomes("moving", 0, "leader 1 replicas [1] isr [1] elr []")
	o.start(3)
	// It registers anew, catches up, and leads again what it is preferred for.
	o.becomes("t", 2, "leader 3 replicas [3 1 2] isr [1 2 3] elr []")
	o.becomes("t", 0, "leader 1 replicas [1 2 3] isr [1 2 3] elr []")
}

// A reassignment to a broker that is away stays in progress until it is cancelled.
func TestAReassignmentIsCancelled(t *testing.T) {
	o := newOperated(t)
	o.create("t", "1", []int32{1, 2})
	o.stop(3)
	move := kadm.AlterPartitionAssignmentsReq{}
	move.Assign("t", 0, []int32{2, 3})
	if r, err := o.admin.AlterPartitionAssignments(o.ctx, move); err != nil || r.Error() != nil {
		t.Fatal(err, r.Error())
	}
	one := kadm.TopicsSet{}
	one.Add("t", 0)
	list, err := o.admin.ListPartitionReassignments(o.ctx, one)
	if err != nil || len(list.Sorted()) != 1 {
		t.Fatalf("in progress: %v, %v; %s", list, err, o.state("t", 0))
	}
	cancel := kadm.AlterPartitionAssignmentsReq{}
	cancel.CancelAssign("t", 0)
	if r, err := o.admin.AlterPartitionAssignments(o.ctx, cancel); err != nil || r.Error() != nil {
		t.Fatal(err, r.Error())
	}
	// As in Kafka, the order is that of the reassignment: the targets first (PartitionReassignmentRevert).
	o.becomes("t", 0, "leader 2 replicas [2 1] isr [1 2] elr []")
	if list, err = o.admin.ListPartitionReassignments(o.ctx, one); err != nil || len(list.Sorted()) != 0 {
		t.Errorf("after it was cancelled: %v, %v", list, err)
	}
}

// KIP-966: who comes back from a clean stop is still eligible to lead, who comes back from anything else is not.
func TestOnlyACleanStopLeavesABrokerEligible(t *testing.T) {
	o := newOperated(t)
	o.create("t", "2", []int32{2, 3})
	o.becomes("t", 0, "leader 2 replicas [2 3] isr [2 3] elr []")
	o.stop(2)
	o.becomes("t", 0, "leader 3 replicas [2 3] isr [3] elr [2]")
	o.stop(3)
	o.becomes("t", 0, "leader -1 replicas [2 3] isr [] elr [2 3]")
	marker := filepath.Join(o.dirs[1], ".kafka_cleanshutdown")
	if err := os.Remove(marker); err != nil {
		t.Fatal(err)
	}
	o.start(2) // as after a kill
	if got := o.state("t", 0); !strings.HasSuffix(got, "leader -1 replicas [2 3] isr [] elr [3]") {
		t.Errorf("after an unclean return: %s", got)
	}
	o.start(3)                                                    // after a clean stop
	o.becomes("t", 0, "leader 2 replicas [2 3] isr [2 3] elr []") // preferred again
}
