package controller

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// reassign asks for new replicas of a topic's partition 0; nil takes the change in progress back.
func (k *cluster) reassign(name string, replicas ...int32) core.ErrorCode {
	k.t.Helper()
	return k.reassignAs(true, name, 0, replicas)
}

func (k *cluster) reassignAs(anyFactor bool, name string, id int32, replicas []int32) core.ErrorCode {
	k.t.Helper()
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.AllowReplicationFactorChange = anyFactor
	req.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: name,
		Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{Partition: id, Replicas: replicas}}}}
	resp := k.decide(req).(*kmsg.AlterPartitionAssignmentsResponse)
	if resp.ErrorCode != 0 || resp.AllowReplicationFactorChange != anyFactor {
		k.t.Fatalf("%+v", resp)
	}
	return core.ErrorCode(resp.Topics[0].Partitions[0].ErrorCode)
}

func (k *cluster) wantAssignment(name, want string) {
	k.t.Helper()
	p := k.partition(name, 0)
	got := fmt.Sprintf("%v adding %v removing %v isr %v leader %d", p.Replicas, p.Adding, p.Removing, p.ISR, p.Leader)
	if got != want {
		k.t.Fatalf("%s: %s, want %s", name, got, want)
	}
	if len(p.Directories) != len(p.Replicas) {
		k.t.Fatalf("%s: %d directories", name, len(p.Directories))
	}
	for i, b := range p.Replicas {
		if p.Directories[i] != (core.UUID{2, byte(b)}) {
			k.t.Fatalf("%s: broker %d in directory %s", name, b, p.Directories[i])
		}
	}
}

func TestAReassignmentIsDoneOnceAllItsTargetsAreInSync(t *testing.T) {
	k := newCluster(t, withELR()).brokers(1, 2, 3, 4, 5, 6)
	k.create(assigned("t", []int32{1, 2, 3}))
	if code := k.reassign("t", 4, 5, 6); code != 0 {
		t.Fatal(code)
	}
	k.wantAssignment("t", "[4 5 6 1 2 3] adding [4 5 6] removing [1 2 3] isr [1 2 3] leader 1")
	k.mustPropose("t", 1, 2, 3, 4) // KAFKA-15665: one of them is not enough
	k.wantAssignment("t", "[4 5 6 1 2 3] adding [4 5 6] removing [1 2 3] isr [1 2 3 4] leader 1")
	k.mustPropose("t", 1, 2, 3, 4, 5)
	// The leader that asks is itself taken, and told so.
	if code := k.propose(k.ask("t", 1, 2, 3, 4, 5, 6)); code != core.NewLeaderElected {
		t.Fatal(code)
	}
	k.wantAssignment("t", "[4 5 6] adding [] removing [] isr [4 5 6] leader 4")
	if epoch := k.partition("t", 0).LeaderEpoch; epoch != 1 {
		t.Fatalf("leader epoch %d", epoch)
	}
}

func TestReassignments(t *testing.T) {
	for _, c := range []struct {
		rule   string
		do     func(k *cluster) core.ErrorCode
		code   core.ErrorCode
		result string
		epoch  core.LeaderEpoch
	}{
		{"another order is done at once, and the leader stays",
			func(k *cluster) core.ErrorCode { return k.reassign("t", 3, 2, 1) }, 0,
			"[3 2 1] adding [] removing [] isr [1 2 3] leader 1", 0},
		{"fewer replicas are done at once, and the leader that stays begins a new epoch",
			func(k *cluster) core.ErrorCode { return k.reassign("t", 1, 2) }, 0,
			"[1 2] adding [] removing [] isr [1 2] leader 1", 1},
		{"the leader's replica goes",
			func(k *cluster) core.ErrorCode { return k.reassign("t", 3, 2) }, 0,
			"[3 2] adding [] removing [] isr [2 3] leader 3", 1},
		{"more replicas wait for the new one",
			func(k *cluster) core.ErrorCode { return k.reassign("t", 1, 2, 3, 4) }, 0,
			"[1 2 3 4] adding [4] removing [] isr [1 2 3] leader 1", 0},
		{"a cancelled one gives the old replicas back, and the leader's epoch rises",
			func(k *cluster) core.ErrorCode {
				k.reassign("t", 4, 5)
				k.mustPropose("t", 1, 2, 3, 4)
				return k.reassign("t")
			}, 0, "[1 2 3] adding [] removing [] isr [1 2 3] leader 1", 1},
		{"a second one keeps replicas that are being added, and drops the others once it is done",
			func(k *cluster) core.ErrorCode { k.reassign("t", 4, 5, 3); return k.reassign("t", 4, 6, 3) }, 0,
			"[4 6 3 1 2 5] adding [4 6] removing [1 2 5] isr [1 2 3] leader 1", 0},
		{"back to the replicas there are, of which one is being added",
			func(k *cluster) core.ErrorCode { k.reassign("t", 2, 3, 4); return k.reassign("t", 1, 2, 3, 4) }, 0,
			"[1 2 3 4] adding [4] removing [] isr [1 2 3] leader 1", 0},
		{"back to the first ones is done at once",
			func(k *cluster) core.ErrorCode { k.reassign("t", 2, 3, 4); return k.reassign("t", 1, 2, 3) }, 0,
			"[1 2 3] adding [] removing [] isr [1 2 3] leader 1", 1},
		{"nothing to cancel", func(k *cluster) core.ErrorCode { return k.reassign("t") },
			core.NoReassignmentInProgress, "[1 2 3] adding [] removing [] isr [1 2 3] leader 1", 0},
		{"an empty list", func(k *cluster) core.ErrorCode { return k.reassignAs(true, "t", 0, []int32{}) },
			core.InvalidReplicaAssignment, "[1 2 3] adding [] removing [] isr [1 2 3] leader 1", 0},
		{"a broker twice", func(k *cluster) core.ErrorCode { return k.reassign("t", 1, 1) },
			core.InvalidReplicaAssignment, "[1 2 3] adding [] removing [] isr [1 2 3] leader 1", 0},
		{"an unknown broker", func(k *cluster) core.ErrorCode { return k.reassign("t", 1, 77) },
			core.InvalidReplicaAssignment, "[1 2 3] adding [] removing [] isr [1 2 3] leader 1", 0},
		{"an unknown topic", func(k *cluster) core.ErrorCode { return k.reassign("none", 1) },
			core.UnknownTopicOrPartition, "[1 2 3] adding [] removing [] isr [1 2 3] leader 1", 0},
		{"an unknown partition", func(k *cluster) core.ErrorCode { return k.reassignAs(true, "t", 7, []int32{1}) },
			core.UnknownTopicOrPartition, "[1 2 3] adding [] removing [] isr [1 2 3] leader 1", 0},
		{"another factor where that is not allowed (KIP-860)",
			func(k *cluster) core.ErrorCode { return k.reassignAs(false, "t", 0, []int32{1, 2}) },
			core.InvalidReplicationFactor, "[1 2 3] adding [] removing [] isr [1 2 3] leader 1", 0},
		{"the same factor where another is not allowed, during a reassignment",
			func(k *cluster) core.ErrorCode {
				k.reassign("t", 4, 5, 6)
				return k.reassignAs(false, "t", 0, []int32{1, 2, 4})
			}, 0, "[1 2 4 3 5 6] adding [4] removing [3 5 6] isr [1 2 3] leader 1", 0},
	} {
		t.Run(c.rule, func(t *testing.T) {
			k := newCluster(t, withELR()).brokers(1, 2, 3, 4, 5, 6)
			k.create(assigned("t", []int32{1, 2, 3}))
			if code := c.do(k); code != c.code {
				t.Fatalf("%v, want %v", code, c.code)
			}
			k.wantAssignment("t", c.result)
			if epoch := k.partition("t", 0).LeaderEpoch; epoch != c.epoch {
				t.Fatalf("leader epoch %d, want %d", epoch, c.epoch)
			}
		})
	}
}

func TestACancellationThatLosesDataNeedsLeave(t *testing.T) {
	for _, c := range []struct {
		name string
		code core.ErrorCode
		want string
	}{
		{"t", core.InvalidReplicaAssignment, "[2 1] adding [2] removing [1] isr [2] leader 2"},
		{"unclean", 0, "[1] adding [] removing [] isr [1] leader 1"},
	} {
		k := newCluster(t, withELR()).brokers(1, 2, 3)
		k.create(assigned(c.name, []int32{1}))
		k.reassign(c.name, 2, 3)
		k.reassign(c.name, 2)
		k.fenceOnly(3)
		k.apply([]metadata.Record{&metadata.PartitionChangeRecord{ // 2 alone is in sync, but not done
			Topic: k.img.TopicByName(c.name).ID, Leader: 2, RecoveryState: metadata.RecoveryUnchanged,
			ISR: []core.BrokerID{2}, Replicas: []core.BrokerID{2, 1}, Removing: []core.BrokerID{1},
			Adding: []core.BrokerID{2}, Directories: []core.UUID{{2, 2}, {2, 1}},
		}})
		if code := k.reassign(c.name); code != c.code {
			t.Fatalf("%s: %v", c.name, code)
		}
		k.wantAssignment(c.name, c.want)
		if unclean := k.partition(c.name, 0).RecoveryState == metadata.Recovering; unclean != (c.code == 0) {
			t.Fatalf("%s: recovering %v", c.name, unclean)
		}
	}
}

// A replica that a reassignment took away cannot stay eligible.
func TestEligibleReplicasAreReplicas(t *testing.T) {
	k := newCluster(t, withELR())
	k.c.configs = fakeConfigs{minISR: 3}
	k.brokers(1, 2, 3)
	k.create(assigned("t", []int32{1, 2, 3}))
	k.mustPropose("t", 1)
	k.wantState("t", "leader 1 isr [1] elr [2 3] last [] epoch 0")
	k.reassign("t", 1, 2)
	k.mustPropose("t", 1)
	k.reassign("t", 1)
	k.wantState("t", "leader 1 isr [1] elr [] last [] epoch 1")
	// A cancelled one takes the replica that it was adding, though that has become eligible.
	k.create(assigned("u", []int32{1, 2, 3}))
	k.brokers(4)
	k.reassign("u", 1, 2, 4)
	k.mustPropose("u", 1)
	k.mustPropose("u", 1, 4)
	k.mustPropose("u", 1)
	k.wantState("u", "leader 1 isr [1] elr [2 3 4] last [] epoch 0")
	k.reassign("u")
	k.wantState("u", "leader 1 isr [1] elr [2 3] last [] epoch 1")
}

func TestReassignmentsInProgressAreListed(t *testing.T) {
	k := newCluster(t, withELR()).brokers(1, 2, 3)
	k.create(assigned("a", []int32{1}, []int32{2}), assigned("b", []int32{1}), assigned("c", []int32{3}))
	k.reassignAs(true, "a", 1, []int32{3, 1})
	k.reassign("b", 1, 2)
	list := func(topics ...kmsg.ListPartitionReassignmentsRequestTopic) (out []string) {
		req := kmsg.NewPtrListPartitionReassignmentsRequest()
		req.Topics = topics
		for _, t := range k.decide(req).(*kmsg.ListPartitionReassignmentsResponse).Topics {
			for _, p := range t.Partitions {
				out = append(out, fmt.Sprintf("%s-%d %v +%v -%v", t.Topic, p.Partition, p.Replicas, p.AddingReplicas,
					p.RemovingReplicas))
			}
		}
		return out
	}
	all := []string{"a-1 [3 1 2] +[1 3] -[2]", "b-0 [1 2] +[2] -[]"}
	if got := list(); !slices.Equal(got, all) {
		t.Fatalf("all: %q", got)
	}
	type topic = kmsg.ListPartitionReassignmentsRequestTopic
	some := []topic{{Topic: "none", Partitions: []int32{0}}, {Topic: "a", Partitions: []int32{0, 1, 9}}, {Topic: "c"}}
	if got := list(some...); !slices.Equal(got, all[:1]) {
		t.Fatalf("some: %q", got)
	}
}
