package controller

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// disks gives broker 1 two directories, with t in the first and u in the second.
func disks(t *testing.T) *cluster {
	k := newCluster(t, withELR()).brokers(1, 2)
	k.apply([]metadata.Record{&metadata.BrokerRegistrationChangeRecord{
		Broker: 1, Epoch: k.img.Broker(1).Epoch, LogDirs: []core.UUID{{2, 1}, {2, 101}},
	}})
	k.create(assigned("t", []int32{1, 2}), assigned("u", []int32{1, 2}))
	for name, dir := range map[string]core.UUID{"t": {2, 1}, "u": {2, 101}} {
		if p := k.partition(name, 0); p.Directories[0] != metadata.UnassignedDirectory() {
			t.Fatalf("%s is in %s", name, p.Directories[0])
		}
		if code := k.assign(1, dir, name); code != 0 {
			t.Fatal(code)
		}
	}
	return k
}

func (k *cluster) assign(id int32, dir core.UUID, name string) core.ErrorCode {
	k.t.Helper()
	req := kmsg.NewPtrAssignReplicasToDirsRequest()
	req.BrokerID, req.BrokerEpoch = id, -1
	if b := k.img.Broker(core.BrokerID(id)); b != nil {
		req.BrokerEpoch = int64(b.Epoch)
	}
	var topic core.UUID
	if t := k.img.TopicByName(name); t != nil {
		topic = t.ID
	}
	req.Directories = []kmsg.AssignReplicasToDirsRequestDirectory{{ID: dir,
		Topics: []kmsg.AssignReplicasToDirsRequestDirectoryTopic{{TopicID: topic,
			Partitions: []kmsg.AssignReplicasToDirsRequestDirectoryTopicPartition{{Partition: 0}}}}}}
	resp := k.decide(req).(*kmsg.AssignReplicasToDirsResponse)
	if resp.ErrorCode != 0 {
		return core.ErrorCode(resp.ErrorCode)
	}
	return core.ErrorCode(resp.Directories[0].Topics[0].Partitions[0].ErrorCode)
}

func offline(dirs ...[16]byte) func(*kmsg.BrokerHeartbeatRequest) {
	return func(r *kmsg.BrokerHeartbeatRequest) { r.OfflineLogDirs = dirs }
}

func TestAssignmentsToDirectories(t *testing.T) {
	k := disks(t)
	if p := k.partition("u", 0); p.Directories[0] != (core.UUID{2, 101}) || p.LeaderEpoch != 0 {
		t.Fatalf("%+v", p)
	}
	k.brokers(3)
	for _, c := range []struct {
		broker int32
		topic  string
		want   core.ErrorCode
	}{
		{9, "t", core.StaleBrokerEpoch}, {1, "none", core.UnknownTopicID}, {3, "t", core.NotLeaderOrFollower},
	} {
		if code := k.assign(c.broker, core.UUID{2, 1}, c.topic); code != c.want {
			t.Errorf("%+v: %v", c, code)
		}
	}
	// A directory that the broker does not have: the replica is lost to it.
	k.assign(1, core.UUID{2, 55}, "t")
	k.wantState("t", "leader 2 isr [2] elr [] last [] epoch 1")
	k.wantState("u", "leader 1 isr [1 2] elr [] last [] epoch 0")
}

func TestAFailedDirectoryTakesOnlyItsPartitions(t *testing.T) {
	k := disks(t)
	if r := k.heartbeat(1, offline([16]byte{2, 101}, [16]byte{9})); r.IsFenced {
		t.Fatal("fenced with a directory left")
	}
	k.wantState("t", "leader 1 isr [1 2] elr [] last [] epoch 0")
	k.wantState("u", "leader 2 isr [2] elr [] last [] epoch 1")
	if dirs := k.img.Broker(1).LogDirs; !slices.Equal(dirs, []core.UUID{{2, 1}}) {
		t.Fatalf("%v are left", dirs)
	}
	offset := k.img.Offset()
	k.heartbeat(1, offline([16]byte{2, 101}))
	if k.img.Offset() != offset {
		t.Fatal("said again, it is decided again")
	}
	// What is on the failed disk is not eligible, and is not elected when it is the only one up.
	k.fenceNow(2)
	k.wantState("u", "leader -1 isr [] elr [2] last [2] epoch 2")
	// With no directory left the broker is fenced.
	if r := k.heartbeat(1, offline([16]byte{2, 1})); !r.IsFenced {
		t.Fatal("not fenced without a directory")
	}
	if r := k.heartbeat(1, offline([16]byte{2, 1})); !r.IsFenced {
		t.Fatal("unfenced without a directory")
	}
	k.wantState("t", "leader -1 isr [] elr [] last [1] epoch 1")
}

func TestACleanReturnWithoutADirectoryIsNoCleanReturnOfItsReplicas(t *testing.T) {
	k := disks(t)
	for _, name := range []string{"t", "u"} {
		k.mustPropose(name, 1)
	}
	epoch := int64(k.img.Broker(1).Epoch)
	k.fenceNow(1)
	for _, name := range []string{"t", "u"} {
		k.wantState(name, "leader -1 isr [] elr [1] last [1] epoch 1")
	}
	k.register(1, 5, epoch) // with the first directory alone
	k.wantState("t", "leader -1 isr [] elr [1] last [1] epoch 1")
	k.wantState("u", "leader -1 isr [] elr [] last [1] epoch 1")
}

func TestALargeDecisionIsATransactionOverSeveralBatches(t *testing.T) {
	k := newCluster(t, withELR()).brokers(1, 2)
	var replicas [][]int32
	for range MaxPartitionsPerRequest - 1 {
		replicas = append(replicas, []int32{1, 2})
	}
	k.create(assigned("a", replicas...))
	k.create(assigned("b", replicas...))
	epoch := int64(k.img.Broker(1).Epoch)
	before := k.img
	records := atomically(k.c.fence(k.img, k.img.Broker(1)))
	batches := Batches(records)
	if len(batches) != 3 || len(batches[0]) != MaxRecordsPerBatch || len(records) != 2*len(replicas)+3 {
		t.Fatalf("%d batches of %d records", len(batches), len(records))
	}
	k.apply(batches[0])
	stable := k.img.Stable()
	if !k.img.InTransaction() || k.img.Partition("a", 0).Leader != 2 || stable.Partition("a", 0).Leader != 1 ||
		stable.Broker(1) != before.Broker(1) {
		t.Fatal("half of it took effect")
	}
	half := k.img
	k.apply(batches[1])
	k.apply(batches[2])
	if k.img.InTransaction() || !k.img.Broker(1).Fenced || k.img.Partition("b", 5).Leader != 2 {
		t.Fatal("it did not take effect")
	}
	// The next leadership undoes what was half done.
	k.img = half
	k.apply(k.c.Takeover(k.img))
	if k.img.InTransaction() || k.img.Partition("a", 0).Leader != 1 {
		t.Fatal("not undone")
	}
	// The broker's epoch is the offset of its registration, wherever that is in the batches.
	k.c.Activate(k.now, k.img)
	k.registerLarge(epoch)
}

func (k *cluster) registerLarge(previous int64) {
	k.t.Helper()
	req := kmsg.NewPtrBrokerRegistrationRequest()
	req.Version = 4
	req.BrokerID, req.ClusterID, req.IncarnationID, req.PreviousBrokerEpoch = 1, "cluster", [16]byte{7}, previous
	req.LogDirs = [][16]byte{{2, 1}}
	req.Features = []kmsg.BrokerRegistrationRequestFeature{
		{Name: metadata.MetadataVersion, MinSupportedVersion: 7, MaxSupportedVersion: 29},
		{Name: eligibleLeaderReplicas, MaxSupportedVersion: 1},
	}
	d := k.c.Decide(k.now, k.img, req)
	epoch := d.Response.(*kmsg.BrokerRegistrationResponse).BrokerEpoch
	i := slices.IndexFunc(d.Records, func(r metadata.Record) bool { return r.Type() == metadata.TypeRegisterBroker })
	if len(d.Records) <= MaxRecordsPerBatch || epoch != int64(k.img.Offset())+1+int64(i) {
		k.t.Fatalf("%d records, the epoch is %d, the registration at %d", len(d.Records), epoch, i)
	}
	k.apply(d.Records)
}
