package controller

import (
	"reflect"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// ask is an AlterPartition request of the leader of a topic's partition 0, right in all but its ISR.
func (k *cluster) ask(name string, isr ...int32) *kmsg.AlterPartitionRequest {
	k.t.Helper()
	p := k.partition(name, 0)
	req := kmsg.NewPtrAlterPartitionRequest()
	req.Version = 3
	req.BrokerID = int32(p.Leader)
	if b := k.img.Broker(p.Leader); b != nil {
		req.BrokerEpoch = int64(b.Epoch)
	}
	in := kmsg.AlterPartitionRequestTopicPartition{
		LeaderEpoch: int32(p.LeaderEpoch), PartitionEpoch: int32(p.PartitionEpoch),
		LeaderRecoveryState: int8(p.RecoveryState), NewISR: isr,
	}
	for _, id := range isr {
		epoch := int64(-7)
		if b := k.img.Broker(core.BrokerID(id)); b != nil {
			epoch = int64(b.Epoch)
		}
		in.NewEpochISR = append(in.NewEpochISR, kmsg.AlterPartitionRequestTopicPartitionNewEpochISR{
			BrokerID: id, BrokerEpoch: epoch,
		})
	}
	req.Topics = []kmsg.AlterPartitionRequestTopic{{TopicID: k.img.TopicByName(name).ID,
		Partitions: []kmsg.AlterPartitionRequestTopicPartition{in}}}
	return req
}

// propose gives the code of the request, or of its first partition.
func (k *cluster) propose(req *kmsg.AlterPartitionRequest) core.ErrorCode {
	k.t.Helper()
	resp := k.decideAt(req).(*kmsg.AlterPartitionResponse)
	if resp.ErrorCode != 0 {
		return core.ErrorCode(resp.ErrorCode)
	}
	return core.ErrorCode(resp.Topics[0].Partitions[0].ErrorCode)
}

func (k *cluster) mustPropose(name string, isr ...int32) {
	k.t.Helper()
	if code := k.propose(k.ask(name, isr...)); code != core.NoError {
		k.t.Fatalf("ISR %v of %s: %v", isr, name, code)
	}
}

// fenceNow fences brokers as if nothing had been heard of them for a session.
func (k *cluster) fenceNow(ids ...core.BrokerID) {
	k.t.Helper()
	for _, id := range ids {
		k.apply(k.c.fence(k.img, k.img.Broker(id)))
		delete(k.c.sessions, id)
	}
}

func TestAProposedISRIsRefused(t *testing.T) {
	type request = kmsg.AlterPartitionRequest
	part := func(r *request) *kmsg.AlterPartitionRequestTopicPartition { return &r.Topics[0].Partitions[0] }
	for _, c := range []struct {
		rule   string
		change func(k *cluster, r *request)
		want   core.ErrorCode
	}{
		{"of another incarnation", func(_ *cluster, r *request) { r.BrokerEpoch-- }, core.StaleBrokerEpoch},
		{"of a broker nobody knows", func(_ *cluster, r *request) { r.BrokerID = 77 }, core.StaleBrokerEpoch},
		{"by topic names", func(_ *cluster, r *request) { r.Version = 1 }, core.UnsupportedVersion},
		{"for an unknown topic", func(_ *cluster, r *request) { r.Topics[0].TopicID[3]++ }, core.UnknownTopicID},
		{"for an unknown partition", func(_ *cluster, r *request) { part(r).Partition = 9 }, core.UnknownTopicOrPartition},
		{"with a later leader epoch", func(_ *cluster, r *request) { part(r).LeaderEpoch++ }, core.NotController},
		{"with a later partition epoch", func(_ *cluster, r *request) { part(r).PartitionEpoch++ }, core.NotController},
		{"with an earlier leader epoch", func(_ *cluster, r *request) { part(r).LeaderEpoch-- }, core.FencedLeaderEpoch},
		{"with an earlier partition epoch", func(_ *cluster, r *request) { part(r).PartitionEpoch-- },
			core.InvalidUpdateVersion},
		{"of a follower", func(k *cluster, r *request) { r.BrokerID, r.BrokerEpoch = 2, int64(k.img.Broker(2).Epoch) },
			core.InvalidRequest},
		{"with a broker that has no replica", func(k *cluster, r *request) { *r = *k.ask("t", 1, 4) }, core.InvalidRequest},
		{"without the leader", func(k *cluster, r *request) { *r = *k.ask("t", 2) }, core.InvalidRequest},
		{"that is empty", func(k *cluster, r *request) { *r = *k.ask("t") }, core.InvalidRequest},
		{"with a member twice", func(k *cluster, r *request) { *r = *k.ask("t", 1, 2, 2) }, core.InvalidRequest},
		{"in an unknown recovery state", func(_ *cluster, r *request) { part(r).LeaderRecoveryState = 5 },
			core.InvalidRequest},
		{"back in recovery", func(k *cluster, r *request) { *r = *k.ask("t", 1); part(r).LeaderRecoveryState = 1 },
			core.InvalidRequest},
		{"with a fenced member", func(k *cluster, _ *request) { k.fenceOnly(2) }, core.IneligibleReplica},
		{"with a member on its way down", func(k *cluster, _ *request) {
			k.apply([]metadata.Record{&metadata.BrokerRegistrationChangeRecord{
				Broker: 2, Epoch: k.img.Broker(2).Epoch, ControlledShutdown: 1}})
		}, core.IneligibleReplica},
		{"with a member that is unregistered", func(k *cluster, _ *request) {
			k.apply([]metadata.Record{&metadata.UnregisterBrokerRecord{Broker: 2, Epoch: k.img.Broker(2).Epoch}})
		}, core.IneligibleReplica},
		{"with a member whose log directory has failed", func(k *cluster, _ *request) {
			k.apply([]metadata.Record{&metadata.BrokerRegistrationChangeRecord{
				Broker: 2, Epoch: k.img.Broker(2).Epoch, LogDirs: []core.UUID{{2, 77}}}})
		}, core.IneligibleReplica},
		{"with an earlier incarnation of a member", func(_ *cluster, r *request) { part(r).NewEpochISR[1].BrokerEpoch-- },
			core.IneligibleReplica},
		{"with a member whose incarnation is not said", func(_ *cluster, r *request) {
			part(r).NewEpochISR[1].BrokerEpoch = -1
		}, core.NoError},
		{"in version 2", func(_ *cluster, r *request) { r.Version = 2 }, core.NoError},
	} {
		t.Run(c.rule, func(t *testing.T) {
			k := newCluster(t, withELR()).brokers(1, 2, 3, 4)
			k.create(assigned("t", []int32{1, 2, 3}))
			k.mustPropose("t", 1, 3) // epochs above 0
			k.mustPropose("t", 1)
			first := metadata.NewPartitionChange(k.img.TopicByName("t").ID, 0)
			first.Leader = 1
			k.apply([]metadata.Record{first})
			req := k.ask("t", 1, 2)
			c.change(k, req)
			before := k.partition("t", 0)
			code := k.propose(req)
			if code != c.want {
				t.Fatalf("%v, want %v", code, c.want)
			}
			after := k.partition("t", 0)
			if (after != before) != (code == core.NoError || code == core.IneligibleReplica) {
				t.Fatalf("%v: %+v became %+v", code, before, after)
			}
			if code != core.IneligibleReplica {
				return
			}
			// Another copy of it, which the network has kept, may arrive when the member is eligible again.
			renewed := *before
			if renewed.PartitionEpoch++; !reflect.DeepEqual(*after, renewed) {
				t.Errorf("%+v became %+v", before, after)
			}
			if again := k.propose(req); again != core.InvalidUpdateVersion {
				t.Errorf("the same proposal again: %v", again)
			}
		})
	}
}

// fenceOnly fences a broker and leaves its places, so that only the rules of the request can refuse it.
func (k *cluster) fenceOnly(id core.BrokerID) {
	k.apply([]metadata.Record{&metadata.BrokerRegistrationChangeRecord{
		Broker: id, Epoch: k.img.Broker(id).Epoch, Fencing: metadata.Fence}})
}

func TestAnAcceptedISRIsAnsweredAsItIs(t *testing.T) {
	k := newCluster(t, withELR()).brokers(1, 2, 3)
	k.create(assigned("t", []int32{1, 2, 3}))
	resp := k.decideAt(k.ask("t", 1, 3)).(*kmsg.AlterPartitionResponse)
	p := resp.Topics[0].Partitions[0]
	if p.ErrorCode != 0 || p.LeaderID != 1 || p.LeaderEpoch != 0 || p.PartitionEpoch != 1 ||
		!slices.Equal(p.ISR, []int32{1, 3}) || resp.Topics[0].TopidID != k.img.TopicByName("t").ID {
		t.Fatalf("%+v", resp)
	}
	// The same ISR again is no change.
	offset := k.img.Offset()
	k.mustPropose("t", 1, 3)
	if k.img.Offset() != offset {
		t.Fatal("a record that changes nothing")
	}
}

func TestAPartitionTwiceInARequestIsSeenAsChangedTheSecondTime(t *testing.T) {
	k := newCluster(t, withELR()).brokers(1, 2, 3)
	k.create(assigned("t", []int32{1, 2, 3}))
	req := k.ask("t", 1, 2)
	req.Topics = append(req.Topics, k.ask("t", 1, 3).Topics...)
	resp := k.decideAt(req).(*kmsg.AlterPartitionResponse)
	if code := core.ErrorCode(resp.Topics[1].Partitions[0].ErrorCode); code != core.InvalidUpdateVersion {
		t.Fatal(code)
	}
	k.wantState("t", "leader 1 isr [1 2] elr [] last [] epoch 0")
}

func TestALeaderRecoversBeforeItsISRGrows(t *testing.T) {
	k := newCluster(t, withELR()).brokers(1, 2)
	k.create(assigned("unclean", []int32{1, 2}))
	k.mustPropose("unclean", 1)
	k.fenceNow(1)
	k.wantState("unclean", "leader 2 isr [2] elr [] last [] epoch 1")
	if n := k.c.UncleanElections(); n != 1 {
		t.Fatalf("%d unclean elections reported", n)
	}
	k.heartbeat(1, nil)
	if code := k.propose(k.ask("unclean", 2, 1)); code != core.InvalidRequest {
		t.Fatalf("two members while the leader recovers: %v", code)
	}
	req := k.ask("unclean", 2)
	req.Topics[0].Partitions[0].LeaderRecoveryState = 0
	if code := k.propose(req); code != 0 || k.partition("unclean", 0).RecoveryState != metadata.Recovered {
		t.Fatal(code)
	}
	k.mustPropose("unclean", 2, 1)
}

func TestReplicasThatLeaveASmallISRStayEligible(t *testing.T) {
	k := newCluster(t, withELR())
	k.c.configs = fakeConfigs{minISR: 2}
	k.brokers(1, 2, 3)
	k.create(assigned("t", []int32{1, 2, 3}))
	k.mustPropose("t", 1, 2)
	k.wantState("t", "leader 1 isr [1 2] elr [] last [] epoch 0")
	k.mustPropose("t", 1)
	k.wantState("t", "leader 1 isr [1] elr [2] last [] epoch 0")
	k.mustPropose("t", 1, 3) // large enough to commit without 2
	k.wantState("t", "leader 1 isr [1 3] elr [] last [] epoch 0")
	k.mustPropose("t", 1)
	k.mustPropose("t", 1, 3, 2)
	k.wantState("t", "leader 1 isr [1 3 2] elr [] last [] epoch 0")
}

func TestEligibleReplicasAreForgottenOnceALowerMinimumIsMet(t *testing.T) {
	k := newCluster(t, withELR())
	k.c.configs = fakeConfigs{minISR: 3}
	k.brokers(1, 2, 3)
	for _, name := range []string{"t", "offline"} {
		k.create(assigned(name, []int32{1, 2, 3}))
	}
	k.mustPropose("t", 1)
	k.mustPropose("offline", 1)
	set := func(t kmsg.ConfigResourceType, name, value string) {
		k.t.Helper()
		if code := k.alter(t, name, op{Name: minInSyncReplicas, Value: &value}); code != 0 {
			k.t.Fatal(code)
		}
	}
	set(topicType, "t", "2")
	k.wantState("t", "leader 1 isr [1] elr [2 3] last [] epoch 0")
	set(topicType, "t", "1")
	k.wantState("t", "leader 1 isr [1] elr [] last [] epoch 0")
	set(topicType, "t", "3")
	// Nobody leads and nobody commits: who was eligible stays so.
	k.fenceNow(2, 3, 1)
	k.wantState("offline", "leader -1 isr [] elr [1 2 3] last [1] epoch 1")
	set(brokerType, "", "1")
	k.wantState("offline", "leader -1 isr [] elr [1 2 3] last [1] epoch 1")
	k.heartbeat(3, nil)
	// The minimum is 1 now: 3 commits alone, so nobody else is eligible.
	k.wantState("offline", "leader 3 isr [3] elr [] last [] epoch 2")
}

func TestALeaderMustHearOfAHigherMinimumBeforeItsNextISR(t *testing.T) {
	k := newCluster(t, withELR()).brokers(1, 2)
	k.create(assigned("t", []int32{1, 2}), assigned("u", []int32{1, 2}))
	req := k.ask("t", 1)
	if code := k.alter(topicType, "t", op{Name: minInSyncReplicas, Value: ptr("2")}); code != 0 {
		t.Fatal(code)
	}
	if code := k.propose(req); code != core.InvalidUpdateVersion {
		t.Fatal(code)
	}
	k.mustPropose("t", 1)
	k.wantState("t", "leader 1 isr [1] elr [2] last [] epoch 0")
	if epoch := k.partition("u", 0).PartitionEpoch; epoch != 0 {
		t.Fatalf("another topic's partition epoch is %d", epoch)
	}
}

func TestMinISRIsTheSameForAllBrokersWhileThereAreEligibleReplicas(t *testing.T) {
	k := newCluster(t, withELR()).brokers(1)
	k.apply(k.c.Takeover(k.img))
	if v, ok := k.img.Configs(metadata.Resource{Type: metadata.ResourceBroker}).Get(minInSyncReplicas); !ok || v != "1" {
		t.Fatalf("the cluster's value is %q", v)
	}
	if again := k.c.Takeover(k.img); len(again) != 0 {
		t.Fatalf("again: %v", again)
	}
	for name, o := range map[string]op{
		"1": {Name: minInSyncReplicas, Value: ptr("2")}, // one broker's own
		"":  {Name: minInSyncReplicas, Op: kmsg.IncrementalAlterConfigOpDelete},
	} {
		if code := k.alter(brokerType, name, o); code != core.InvalidConfig {
			t.Errorf("broker %q: %v", name, code)
		}
	}
}
