package controller

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// elect asks for elections; the answer is "topic-partition CODE" for each, or the code of the whole.
func (k *cluster) elect(kind int8, topics ...kmsg.ElectLeadersRequestTopic) []string {
	k.t.Helper()
	req := kmsg.NewPtrElectLeadersRequest()
	req.ElectionType, req.Topics = kind, topics
	resp := k.decide(req).(*kmsg.ElectLeadersResponse)
	if resp.ErrorCode != 0 {
		return []string{core.ErrorCode(resp.ErrorCode).String()}
	}
	var out []string
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			out = append(out, fmt.Sprintf("%s-%d %s", t.Topic, p.Partition, core.ErrorCode(p.ErrorCode)))
		}
	}
	return out
}

func elections(name string, partitions ...int32) kmsg.ElectLeadersRequestTopic {
	return kmsg.ElectLeadersRequestTopic{Topic: name, Partitions: partitions}
}

func (k *cluster) wantElections(got []string, want ...string) {
	k.t.Helper()
	if !slices.Equal(got, want) {
		k.t.Fatalf("%q, want %q", got, want)
	}
}

func TestPreferredElections(t *testing.T) {
	k := newCluster(t, withELR()).brokers(1, 2, 3)
	k.create(assigned("a", []int32{1, 2}, []int32{2, 1}, []int32{1, 3}), assigned("b", []int32{1, 3}))
	k.fenceNow(1)
	k.heartbeat(1, nil)
	k.mustPropose("a", 2, 1)
	k.wantElections(k.elect(0, elections("a", 0, 1, 2, 9), elections("none", 0)), "a-0 NONE",
		"a-1 ELECTION_NOT_NEEDED", "a-2 PREFERRED_LEADER_NOT_AVAILABLE", "a-9 UNKNOWN_TOPIC_OR_PARTITION",
		"none-0 UNKNOWN_TOPIC_OR_PARTITION")
	k.wantState("a", "leader 1 isr [2 1] elr [] last [] epoch 2")
	// All partitions: only those that need one are answered.
	k.mustPropose("b", 3, 1)
	k.wantElections(k.elect(0), "a-2 PREFERRED_LEADER_NOT_AVAILABLE", "b-0 NONE")
	// A partition twice: the second time it is done.
	k.fenceNow(1)
	k.heartbeat(1, nil)
	k.mustPropose("a", 2, 1)
	k.wantElections(k.elect(0, elections("a", 0, 0)), "a-0 NONE", "a-0 ELECTION_NOT_NEEDED")
	k.wantElections(k.elect(2, elections("a", 0)), "INVALID_REQUEST")
	if n := k.c.UncleanElections(); n != 0 {
		t.Fatalf("%d unclean", n)
	}
}

// An eligible replica has what was committed and not what the leader is about to commit.
func TestAnEligibleReplicaLeadsOnlyWithoutAnISR(t *testing.T) {
	k := newCluster(t, withELR())
	k.c.configs = fakeConfigs{minISR: 2}
	k.brokers(1, 2)
	k.create(assigned("t", []int32{1, 2}))
	k.fenceNow(1)
	k.heartbeat(1, nil)
	k.wantState("t", "leader 2 isr [2] elr [1] last [] epoch 1")
	k.wantElections(k.elect(0), "t-0 PREFERRED_LEADER_NOT_AVAILABLE")
	k.fenceNow(2)
	k.heartbeat(2, nil)
	k.wantState("t", "leader 1 isr [1] elr [2] last [] epoch 2")
}

func TestUncleanElectionsOnRequest(t *testing.T) {
	k := newCluster(t, withELR()).brokers(1, 2)
	k.create(assigned("t", []int32{1, 2}))
	k.wantElections(k.elect(1, elections("t", 0)), "t-0 ELECTION_NOT_NEEDED")
	k.mustPropose("t", 1)
	k.fenceNow(1)
	k.wantState("t", "leader -1 isr [] elr [1] last [1] epoch 1")
	k.fenceNow(2)
	k.wantElections(k.elect(1, elections("t", 0)), "t-0 ELIGIBLE_LEADERS_NOT_AVAILABLE")
	k.heartbeat(2, nil)
	k.wantState("t", "leader -1 isr [] elr [1] last [1] epoch 1")
	k.wantElections(k.elect(0, elections("t", 0)), "t-0 PREFERRED_LEADER_NOT_AVAILABLE")
	k.wantElections(k.elect(1), "t-0 NONE")
	k.wantState("t", "leader 2 isr [2] elr [] last [] epoch 2")
	if k.c.UncleanElections() != 1 || k.partition("t", 0).RecoveryState != metadata.Recovering {
		t.Fatal("not reported")
	}
}

// KAFKA-19522.
func TestTheLastKnownLeaderIsElectedOnlyWhenItIsUp(t *testing.T) {
	k := newCluster(t, withELR()).brokers(1, 2)
	k.create(assigned("t", []int32{1, 2}))
	k.mustPropose("t", 1)
	k.fenceNow(1)
	k.now = at(time.Second)
	k.c.Activate(k.now, k.img)
	k.register(1, 9, -1) // killed: not eligible any more
	k.wantState("t", "leader -1 isr [] elr [] last [1] epoch 1")
	k.fenceNow(2)
	k.heartbeat(2, nil)
	k.wantState("t", "leader -1 isr [] elr [] last [1] epoch 1")
	k.wantElections(k.elect(0), "t-0 PREFERRED_LEADER_NOT_AVAILABLE")
	k.heartbeat(1, nil)
	k.wantState("t", "leader 1 isr [1] elr [] last [] epoch 2")
}

func (k *cluster) tick() (records int) {
	k.t.Helper()
	for {
		r := k.c.Tick(k.now, k.img)
		if len(r) == 0 {
			return records
		}
		records += len(r)
		k.apply(r)
	}
}

func TestLeadershipsGoBackByThemselves(t *testing.T) {
	for _, c := range []struct {
		rule    string
		enabled bool
		want    core.BrokerID
	}{
		{"if that is enabled", true, 1},
		{"not if it is not", false, 2},
	} {
		t.Run(c.rule, func(t *testing.T) {
			k := newCluster(t, withELR())
			k.c.Settings.AutoLeaderRebalance = c.enabled
			k.c.Settings.LeaderImbalanceCheckInterval = 300 * time.Second
			k.c.Settings.SessionTimeout = time.Hour
			k.c.Activate(k.now, k.img)
			k.brokers(1, 2)
			k.create(assigned("t", []int32{1, 2}), assigned("u", []int32{1}))
			k.fenceNow(1)
			k.heartbeat(1, nil)
			k.mustPropose("t", 2, 1)
			k.now = at(299 * time.Second)
			if n := k.tick(); n != 0 {
				t.Fatalf("%d records before the time", n)
			}
			k.now = at(300 * time.Second)
			k.tick()
			if got := k.partition("t", 0).Leader; got != c.want {
				t.Fatalf("leader %d, want %d", got, c.want)
			}
			if d, ok := k.c.Deadline(k.img); c.enabled && (!ok || d != 600*time.Second) {
				t.Fatalf("the next look is at %v", d)
			}
		})
	}
}

func TestManyLeadershipsGoBackInSeveralSteps(t *testing.T) {
	k := newCluster(t, withELR())
	k.c.Settings.AutoLeaderRebalance, k.c.Settings.LeaderImbalanceCheckInterval = true, time.Second
	k.c.Settings.SessionTimeout = time.Hour
	k.c.Activate(k.now, k.img)
	k.brokers(1, 2)
	var replicas [][]int32
	for range MaxElectionsPerTick + 500 {
		replicas = append(replicas, []int32{1, 2})
	}
	k.create(assigned("t", replicas...))
	id := k.img.TopicByName("t").ID
	for i := range replicas {
		change := metadata.NewPartitionChange(id, core.PartitionID(i))
		change.Leader = 2
		k.apply([]metadata.Record{change})
	}
	k.now = at(time.Second)
	if n := len(k.c.Tick(k.now, k.img)); n != MaxElectionsPerTick {
		t.Fatalf("%d elections in one step", n)
	}
	if n := k.tick(); n != len(replicas) {
		t.Fatalf("%d elections", n)
	}
}

func TestOfflinePartitionsAreLookedAtFromTimeToTime(t *testing.T) {
	k := newCluster(t, withELR())
	k.c.Settings.UncleanElectionInterval = time.Minute
	k.c.Settings.SessionTimeout = time.Hour
	k.c.Activate(k.now, k.img)
	k.brokers(1, 2)
	k.create(assigned("t", []int32{1, 2}), assigned("unclean", []int32{1, 2}))
	for _, name := range []string{"t", "unclean"} { // as if unclean had only now been allowed what it is
		change := metadata.NewPartitionChange(k.img.TopicByName(name).ID, 0)
		change.Leader, change.ISR, change.ELR = core.NoBroker, []core.BrokerID{}, []core.BrokerID{1}
		k.apply([]metadata.Record{change})
	}
	k.fenceOnly(1)
	k.now = at(time.Minute)
	k.tick()
	k.wantState("t", "leader -1 isr [] elr [1] last [] epoch 1")
	k.wantState("unclean", "leader 2 isr [2] elr [] last [] epoch 2")
}
