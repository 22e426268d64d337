package broker_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

func describeRequest() *kmsg.DescribeQuorumRequest {
	req := kmsg.NewPtrDescribeQuorumRequest()
	req.Version = 2
	req.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: "__cluster_metadata",
		Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{}}}}
	return req
}

// quorum asks a broker about the quorum.
func (c *cluster) quorum(t *testing.T, id int) *kmsg.DescribeQuorumResponseTopicPartition {
	t.Helper()
	resp := c.ask(t, id, describeRequest()).(*kmsg.DescribeQuorumResponse)
	if resp.ErrorCode != 0 || resp.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatalf("%+v", resp)
	}
	return &resp.Topics[0].Partitions[0]
}

type replicaState = kmsg.DescribeQuorumResponseTopicPartitionReplicaState

func replicaIDs(states []replicaState) []int {
	var ids []int
	for _, s := range states {
		ids = append(ids, int(s.ReplicaID))
	}
	slices.Sort(ids)
	return ids
}

// directory is what the quorum knows a replica's folder by.
func directory(t *testing.T, p *kmsg.DescribeQuorumResponseTopicPartition, id int) [16]byte {
	t.Helper()
	for _, s := range slices.Concat(p.CurrentVoters, p.Observers) {
		if int(s.ReplicaID) == id {
			return s.ReplicaDirectoryID
		}
	}
	t.Fatalf("node %d is not among %v and %v", id, replicaIDs(p.CurrentVoters), replicaIDs(p.Observers))
	return [16]byte{}
}

func (c *cluster) addVoter(t *testing.T, through, id int) core.ErrorCode {
	t.Helper()
	req := kmsg.NewPtrAddRaftVoterRequest()
	req.Version, req.TimeoutMillis, req.AckWhenCommitted = 1, 5000, true
	req.VoterID, req.VoterDirectoryID = int32(id), directory(t, c.quorum(t, through), id)
	req.Listeners = []kmsg.AddRaftVoterRequestListener{{Name: "CONTROLLER", Host: "n" + strconv.Itoa(id), Port: 9093}}
	return core.ErrorCode(c.ask(t, through, req).(*kmsg.AddRaftVoterResponse).ErrorCode)
}

func (c *cluster) removeVoter(t *testing.T, through, id int) core.ErrorCode {
	t.Helper()
	req := kmsg.NewPtrRemoveRaftVoterRequest()
	req.VoterID, req.VoterDirectoryID = int32(id), directory(t, c.quorum(t, through), id)
	return core.ErrorCode(c.ask(t, through, req).(*kmsg.RemoveRaftVoterResponse).ErrorCode)
}

// growing is a cluster that nodes 1 to 3, which are controllers alone, and the brokers 4 and 5 find by node 1.
func growing() *cluster {
	c := newCluster(5, 3, map[string]string{"default.replication.factor": "2", "offsets.topic.replication.factor": "2"})
	c.bootstrap, c.brokers = 1, []int{4, 5}
	return c
}

func TestNodesWithoutDataJoinTheClusterOfTheirBootstrapServer(t *testing.T) {
	c := growing()
	for _, id := range []int{2, 3, 4, 5} {
		c.start(id)
	}
	c.pass(3 * time.Second)
	for _, id := range []int{2, 3, 4, 5} {
		if c.worlds[id-1].listens || c.disks[id-1].Ops > 0 && c.worlds[id-1].listensQuorum {
			t.Fatalf("node %d knows a cluster that there is not", id)
		}
	}
	c.start(1)
	c.until(t, 10*time.Second, "all listening", func() bool {
		return !slices.ContainsFunc(c.worlds, func(w *world) bool { return !w.listens })
	})
	for _, w := range c.worlds {
		if id := w.broker.Identity().ClusterID; id != c.worlds[0].broker.Identity().ClusterID {
			t.Errorf("cluster %s", id)
		}
	}
	p := c.quorum(t, 4)
	if voters, observers := replicaIDs(p.CurrentVoters), replicaIDs(p.Observers); !slices.Equal(voters, []int{1}) ||
		!slices.Equal(observers, []int{2, 3, 4, 5}) {
		t.Errorf("voters %v, observers %v", voters, observers)
	}
	if code := c.createTopic(t, 5, "t", 2); code != core.NoError {
		t.Error(code)
	}
}

func TestVotersAreAddedAndRemovedThroughBrokersAndOutliveRestarts(t *testing.T) {
	c := growing().startAll(t)
	for _, id := range []int{2, 3} {
		if code := c.addVoter(t, 4, id); code != core.NoError {
			t.Fatalf("adding %d: %v", id, code)
		}
	}
	const duplicateVoter core.ErrorCode = 126
	if code := c.addVoter(t, 5, 2); code != duplicateVoter {
		t.Errorf("adding it again: %v", code)
	}
	c.kill(1)
	c.until(t, 10*time.Second, "led by another", func() bool { return c.quorum(t, 4).LeaderID != 1 })
	if code := c.createTopic(t, 4, "t", 2); code != core.NoError {
		t.Fatal(code)
	}
	c.start(1)
	c.until(t, 10*time.Second, "back", func() bool { return c.worlds[0].listens })
	leader := int(c.quorum(t, 4).LeaderID)
	if code := c.removeVoter(t, 5, leader); code != core.NoError {
		t.Fatalf("the leader removes itself: %v", code)
	}
	c.until(t, 10*time.Second, "led by another", func() bool { return int(c.quorum(t, 4).LeaderID) != leader })
	for id := range 5 {
		c.kill(id + 1)
	}
	for id := range 5 {
		c.start(id + 1)
	}
	c.until(t, 20*time.Second, "all listening", func() bool {
		return !slices.ContainsFunc(c.worlds, func(w *world) bool { return !w.listens })
	})
	p := c.quorum(t, 5)
	if voters := replicaIDs(p.CurrentVoters); len(voters) != 2 || slices.Contains(voters, leader) {
		t.Errorf("voters %v after %d was removed", voters, leader)
	}
	if m := c.metadata(t, 5, "t"); m.Topics[0].ErrorCode != 0 {
		t.Errorf("%+v", m.Topics[0])
	}
}

func (c *cluster) updateFeature(t *testing.T, through int, name string, level int16) *kmsg.UpdateFeaturesResponse {
	t.Helper()
	req := kmsg.NewPtrUpdateFeaturesRequest()
	req.Version = 2
	u := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
	u.Feature, u.MaxVersionLevel, u.UpgradeType = name, level, 1
	req.FeatureUpdates = append(req.FeatureUpdates, u)
	return c.ask(t, through, req).(*kmsg.UpdateFeaturesResponse)
}

func TestVotersOfTheConfigurationChangeAfterAnUpgradeOfKRaftVersion(t *testing.T) {
	c := newCluster(4, 3, nil).startAll(t)
	if code := c.addVoter(t, 1, 4); code != core.UnsupportedVersion {
		t.Errorf("before the upgrade: %v", code)
	}
	c.kill(c.other(int(c.quorum(t, 4).LeaderID), 4))
	if resp := c.updateFeature(t, 4, "kraft.version", 2); core.ErrorCode(resp.ErrorCode) != core.InvalidUpdateVersion {
		t.Errorf("a level that there is not: %+v", resp)
	}
	for i, w := range c.worlds {
		if w == nil {
			c.start(i + 1)
		}
	}
	c.until(t, 20*time.Second, "all listening", func() bool {
		return !slices.ContainsFunc(c.worlds, func(w *world) bool { return !w.listens })
	})
	c.until(t, 10*time.Second, "all voters named", func() bool {
		return c.updateFeature(t, 4, "kraft.version", 1).ErrorCode == 0
	})
	for _, s := range c.quorum(t, 4).CurrentVoters {
		if s.ReplicaDirectoryID == [16]byte{} {
			t.Errorf("voter %d has no directory", s.ReplicaID)
		}
	}
	if resp := c.updateFeature(t, 4, "kraft.version", 0); core.ErrorCode(resp.ErrorCode) != core.InvalidUpdateVersion {
		t.Errorf("the way back: %+v", resp)
	}
	if code := c.addVoter(t, 1, 4); code != core.NoError {
		t.Fatalf("after the upgrade: %v", code)
	}
	for id := range 4 {
		c.kill(id + 1)
	}
	for id := range 3 { // three of four voters are a majority, and those of the configuration are not asked
		c.start(id + 2)
	}
	c.until(t, 20*time.Second, "listening", func() bool { return c.worlds[3].listens })
	if voters := replicaIDs(c.quorum(t, 4).CurrentVoters); !slices.Equal(voters, []int{1, 2, 3, 4}) {
		t.Errorf("voters %v", voters)
	}
}

func TestFeaturesAreRaisedAllOrNone(t *testing.T) {
	c := newCluster(3, 3, nil).startAll(t)
	resp := c.updateFeature(t, 2, "metadata.version", 12)
	if core.ErrorCode(resp.ErrorCode) != core.InvalidUpdateVersion || resp.ErrorMessage == nil {
		t.Errorf("%+v", resp)
	}
	if resp := c.updateFeature(t, 2, "no.such.version", 1); core.ErrorCode(resp.ErrorCode) != core.InvalidUpdateVersion {
		t.Errorf("%+v", resp)
	}
	if resp := c.updateFeature(t, 2, "eligible.leader.replicas.version", 1); resp.ErrorCode != 0 {
		t.Errorf("what it is already: %+v", resp)
	}
}
