package partition

import (
	"slices"
	"testing"
	"time"

	"ottla.dev/core"
)

func TestOlderMetadataChangeNothing(t *testing.T) {
	c, leader, n := pair(t)
	r := leader.set.Replica(c.partitions[0])
	news := Leadership{Epoch: 5, PartitionEpoch: 9, Replicas: allBrokers, ISR: []core.BrokerID{0, 1}}
	leader.set.Lead(c.now(), r, news, &leader.out)
	for _, old := range []Leadership{
		{Epoch: 4, PartitionEpoch: 20, Replicas: allBrokers, ISR: allBrokers},
		{Epoch: 5, PartitionEpoch: 9, Replicas: allBrokers, ISR: allBrokers},
		{Epoch: 5, PartitionEpoch: 8, Replicas: allBrokers, ISR: allBrokers},
	} {
		leader.set.Lead(c.now(), r, old, &leader.out)
		if r.leaderEpoch != 5 || r.lead.partitionEpoch != 9 || len(r.lead.isr) != 2 {
			t.Errorf("after %+v: %+v", old, r.lead)
		}
	}
	leader.set.Follow(c.now(), r, Following{Epoch: 4, Leader: 1}, &leader.out)
	if r.role != leads || r.leaderEpoch != 5 {
		t.Error("a leader follows the leader of an earlier epoch")
	}
	f := n.set.Replica(c.partitions[0])
	n.set.Follow(c.now(), f, Following{Epoch: 7, Leader: 0}, &n.out)
	was := f.follow
	n.set.Follow(c.now(), f, Following{Epoch: 6, Leader: 2}, &n.out)
	n.set.Follow(c.now(), f, Following{Epoch: 7, Leader: 0}, &n.out)
	if f.follow != was {
		t.Error("a follower begins anew without a new epoch")
	}
}

func TestAReplicaThatNoCheckpointKnowsOfIsFresh(t *testing.T) {
	for start, want := range map[core.Offset]bool{core.NoOffset: true, 0: true, 5: false} {
		if r := (Replica{points: points{start: start}}); r.Fresh() != want {
			t.Errorf("a checkpoint that has the log begin at %d: %v", start, !want)
		}
	}
}

func TestALogThatIsToBeOpenedAgainHasNothingElseDue(t *testing.T) {
	r := Replica{reopening: true, unneeded: true, deadline: time.Second, lentUntil: 3 * time.Second}
	if at := r.next(false); at != 3*time.Second {
		t.Errorf("due at %v", at)
	}
	if at := r.next(true); at != core.Never {
		t.Errorf("in a process that ends: due at %v", at)
	}
}

func TestAnswersToEarlierProposalsAreIgnored(t *testing.T) {
	c, n, _ := pair(t)
	r := n.set.Replica(c.partitions[0])
	old := &Proposal{ID: r.id, ISR: []core.BrokerID{0}}
	n.set.propose(c.now(), r, []core.BrokerID{0, 1})
	pending, epoch := r.lead.pending, r.lead.partitionEpoch
	n.set.ISRAnswered(c.now(), old, core.NoError, Decided{LeaderEpoch: r.leaderEpoch, PartitionEpoch: 99}, &n.out)
	n.set.ISRAnswered(c.now(), old, core.IneligibleReplica, Decided{}, &n.out)
	if r.lead.pending != pending || r.lead.partitionEpoch != epoch {
		t.Errorf("%+v", r.lead)
	}
	n.set.Proposals = nil
}

// A follower that is always a fetch behind keeps up, because each fetch has all that there was at the one before; one
// that falls behind by more does not.
func TestFollowersKeepUpIfTheyHaveWhatTheFetchBeforeSaw(t *testing.T) {
	c, n, _ := pair(t)
	r := n.set.Replica(c.partitions[0])
	f := r.lead.follower(1)
	fetch := func(offset core.Offset) {
		op := &FetchOp{Follower: true, Replica: 1, ReplicaEpoch: 1, Items: []FetchItem{{ID: r.id, Offset: offset,
			LastFetchedEpoch: core.NoLeaderEpoch}}}
		n.set.Work(c.now(), op, &n.out)
	}
	c.mail = nil
	append3 := func() core.Offset {
		before := r.log.LogEndOffset()
		c.produceBatch(n, 0, 3, AcksLeader)
		return before
	}
	for range 5 {
		c.mono += 300 * time.Millisecond
		fetch(append3())
	}
	if !f.keepsUp(c.now(), r, 400*time.Millisecond) {
		t.Error("a fetch behind:", c.mono-f.caughtUp)
	}
	at := append3()
	for range 5 {
		c.mono += 300 * time.Millisecond
		append3()
		fetch(at)
		at++
	}
	if f.keepsUp(c.now(), r, 400*time.Millisecond) {
		t.Error("further and further behind:", c.mono-f.caughtUp)
	}
}

// quietFollower is a cluster of three partitions that one node leads, and the node that asks it for all of them in one
// session, with a fetch under way.
func quietFollower() (*cluster, *node) {
	c := newClusterOf(1, 3, 1)
	c.quiet, c.scripted, c.fetchBytes, c.segmentBytes = true, true, 1<<20, 1<<20
	c.versions[0].parts[1].leader, c.versions[0].parts[2].leader = 0, 0
	c.begin()
	for range 3 { // those whose logs are open first are asked for first, and join the session later
		c.settleQuietly()
		c.pass(60 * time.Millisecond)
	}
	c.settleQuietly()
	return c, c.nodes[1]
}

func TestPartitionsThatLeaveAreForgottenByTheNextRequest(t *testing.T) {
	c, n := quietFollower()
	f := n.set.Fetcher(0)
	if f.named != 3 || !f.inFlight {
		t.Fatalf("%+v", f)
	}
	c.mail = nil
	// One goes to another leader, one comes back in the same moment, in a new epoch.
	n.set.Follow(c.now(), n.set.Replica(c.partitions[0]), Following{Epoch: 1, Leader: 2}, &n.out)
	n.set.Follow(c.now(), n.set.Replica(c.partitions[1]), Following{Epoch: 1, Leader: 2}, &n.out)
	n.set.Follow(c.now(), n.set.Replica(c.partitions[1]), Following{Epoch: 2, Leader: 0}, &n.out)
	f.inFlight = false // as if the answer had brought nothing
	req := n.set.NextFetch(c.now(), f)
	var named, forgotten []core.TopicIDPartition
	for _, topic := range req.Topics {
		for _, p := range topic.Partitions {
			named = append(named, core.TopicIDPartition{Topic: topic.TopicID, Partition: core.PartitionID(p.Partition)})
		}
	}
	for _, topic := range req.ForgottenTopics {
		for _, p := range topic.Partitions {
			forgotten = append(forgotten, core.TopicIDPartition{Topic: topic.TopicID, Partition: core.PartitionID(p)})
		}
	}
	if !slices.Equal(named, c.partitions[1:2]) || !slices.Equal(forgotten, c.partitions[:1]) {
		t.Errorf("named %v, forgotten %v", named, forgotten)
	}
	if f.named != 2 || req.SessionEpoch == 0 {
		t.Errorf("%d in the session of epoch %d", f.named, req.SessionEpoch)
	}
}

// A replica that leaves its fetcher while it is listed for the next request, and comes back after that one has gone, as
// a damaged log does that is opened again, is asked for.
func TestAReplicaThatComesBackToItsFetcherIsAskedForAgain(t *testing.T) {
	c, n := quietFollower()
	r, f := n.set.Replica(c.partitions[0]), n.set.Fetcher(0)
	r.follow.named = false
	f.named--
	n.set.pursue(c.now(), r, &n.out)
	f.remove(r)
	f.inFlight = false // as if the answer had brought nothing
	n.set.NextFetch(c.now(), f)
	n.set.join(r, f)
	n.set.pursue(c.now(), r, &n.out)
	f.inFlight = false
	if n.set.NextFetch(c.now(), f); !r.follow.named {
		t.Errorf("it is not named: %+v", f)
	}
}

// A follower that pauses after an error while it is listed for the next request, because its log start was raised
// meanwhile, is passed over by that request, and fetches again when the pause is over, whatever else happens.
func TestAPauseEndsOfWhomTheNextRequestPassesOver(t *testing.T) {
	c, n := quietFollower()
	r, f := n.set.Replica(c.partitions[0]), n.set.Fetcher(0)
	r.follow.told.start--
	n.set.pursue(c.now(), r, &n.out)
	n.set.due, r.timed, n.set.timed = core.Never, false, nil // nothing else is due
	n.set.pause(c.now(), r)
	f.inFlight = false
	n.set.NextFetch(c.now(), f)
	if at, ok := n.set.Deadline(); !ok || at > r.follow.retryAt {
		t.Errorf("it is to fetch again at %v, and the set is due at %v", r.follow.retryAt, at)
	}
}
