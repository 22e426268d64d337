package partition

import (
	"testing"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// lonely is a leader of a partition with a follower that has everything and was dropped from the ISR; it is not
// heard from any more.
func lonely(t *testing.T) (c *cluster, n *node, r *Replica, news Leadership) {
	c, n, _ = pair(t)
	c.mail = nil
	for _, other := range c.nodes[1:] {
		other.up = false
	}
	r = n.set.Replica(c.partitions[0])
	news = Leadership{Epoch: r.leaderEpoch, PartitionEpoch: r.lead.partitionEpoch + 1,
		Replicas: []core.BrokerID{0, 1}, Directories: []core.UUID{{1}, {2}}, ISR: []core.BrokerID{0}}
	return c, n, r, news
}

func (n *node) proposed() int {
	count := len(n.set.Proposals)
	n.set.Proposals = nil
	return count
}

// The controller answers a proposal with an ineligible member by a new partition epoch. If that were news enough to
// propose the same again, each refusal would bring the next, as fast as the controller's disk can sync.
func TestARefusedProposalIsRepeatedWhenItsFollowerFetchesAgain(t *testing.T) {
	for _, order := range []string{"news first", "answer first", "news alone"} {
		c, n, r, news := lonely(t)
		n.set.Lead(c.now(), r, news, &n.out)
		if n.proposed() != 1 {
			t.Fatal(order, ": a follower that has everything is not proposed")
		}
		for range 3 {
			p := r.lead.pending
			news.PartitionEpoch++
			if order == "answer first" {
				n.set.ISRAnswered(c.now(), p, core.IneligibleReplica, Decided{}, &n.out)
			}
			n.set.Lead(c.now(), r, news, &n.out)
			if order == "news first" {
				n.set.ISRAnswered(c.now(), p, core.IneligibleReplica, Decided{}, &n.out)
			}
			if n.proposed() != 0 || r.lead.pending != nil {
				t.Fatal(order, ": proposed again at once")
			}
			n.set.Lead(c.now(), r, news, &n.out) // and nothing at all is news
			if n.proposed() != 0 {
				t.Fatal(order, ": proposed again without news")
			}
			op := &FetchOp{Follower: true, Replica: 1, ReplicaEpoch: 1, Items: []FetchItem{{ID: r.id,
				Offset: r.log.LogEndOffset(), LastFetchedEpoch: core.NoLeaderEpoch}}}
			n.set.Work(c.now(), op, &n.out)
			if n.proposed() != 1 {
				t.Fatal(order, ": not proposed again when it fetches")
			}
		}
	}
}

func TestOtherNewsLetARefusedFollowerIn(t *testing.T) {
	c, n, r, news := lonely(t)
	n.set.Lead(c.now(), r, news, &n.out)
	news.PartitionEpoch++
	n.set.Lead(c.now(), r, news, &n.out)
	n.proposed()
	news.PartitionEpoch++
	news.ELR = []core.BrokerID{1}
	n.set.Lead(c.now(), r, news, &n.out)
	if n.proposed() != 1 {
		t.Error("a follower of which there is news is not proposed")
	}
}

// Of two that are refused, neither brings the other one back.
func TestTwoRefusedFollowersAreProposedOnceEach(t *testing.T) {
	c, n, r, news := lonely(t)
	news.Replicas, news.Directories = allBrokers, nil
	count := 0
	for range 6 {
		n.set.Lead(c.now(), r, news, &n.out)
		count += n.proposed()
		news.PartitionEpoch++
	}
	if count != 2 {
		t.Error(count, "proposals")
	}
}

func TestAFollowerInADirectoryThatItsBrokerDoesNotUseIsNotProposed(t *testing.T) {
	c, n, r, news := lonely(t)
	peers := []Peer{{ID: 0, Epoch: 1}, {ID: 1, Epoch: 1, LogDirs: []core.UUID{{9}}}}
	n.set.SetPeers(c.now(), peers, &n.out)
	n.proposed()
	n.set.Lead(c.now(), r, news, &n.out)
	if n.proposed() != 0 {
		t.Error("proposed, and the controller refuses it")
	}
	peers = append([]Peer(nil), peers...)
	peers[1].LogDirs = []core.UUID{{9}, {2}}
	n.set.SetPeers(c.now(), peers, &n.out)
	if n.proposed() != 1 || len(r.lead.pending.ISR) != 2 {
		t.Error("not proposed when the directory is used again")
	}
}

func TestARecoveryThatWasRefusedIsProposedAgainAtTheNextLook(t *testing.T) {
	c, n, r, news := lonely(t)
	n.set.SetPeers(c.now(), nil, &n.out)
	news.Epoch++
	news.Recovery = metadata.Recovering
	n.set.Lead(c.now(), r, news, &n.out)
	if n.proposed() != 1 {
		t.Fatal("not proposed")
	}
	news.PartitionEpoch++
	n.set.Lead(c.now(), r, news, &n.out)
	if n.proposed() != 0 {
		t.Fatal("proposed again at once")
	}
	c.mono += time.Second
	n.set.Tick(c.now(), &n.out)
	if n.proposed() != 1 {
		t.Error("not proposed again")
	}
}
