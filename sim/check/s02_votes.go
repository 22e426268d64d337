package check

import (
	"slices"
	"strconv"

	"ottla.dev/core"
	"ottla.dev/core/raft"
)

// votes is S2: whom each node has voted for in an epoch, which never changes once it is on disk.
type votes map[voteKey]core.BrokerID

type voteKey struct {
	node  int
	epoch core.LeaderEpoch
}

// watchVote judges votes. A leader's must all be on disk: those of a majority, in its epoch or, since they may have
// gone on, with a later one.
func (c *Cluster) watchVote(was, s *QuorumSighting) {
	if v := s.Saved.Voted; v != core.NoBroker {
		key := voteKey{s.Node, s.Saved.Epoch}
		if before, ok := c.votes[key]; ok && before != v {
			c.wrong("vote", s.Node, "has voted for "+strconv.Itoa(int(v))+" in epoch "+epochText(s.Saved.Epoch)+
				", and for "+strconv.Itoa(int(before))+" before")
		}
		c.votes[key] = v
	}
	if !s.Leading || was.Leading && was.Life == s.Life && was.Epoch == s.Epoch {
		return
	}
	kept := 0
	for _, id := range s.Voters {
		node := int(id) - 1
		saved := s.Saved
		if node != s.Node {
			if node < 0 || node >= len(c.brokers) || c.brokers[node].wiped {
				return // there is nothing to go by
			}
			saved = c.brokers[node].quorum.Saved
		}
		if saved.Epoch > s.Epoch || saved.Epoch == s.Epoch && saved.Voted == core.BrokerID(s.Node+1) {
			kept++
		}
	}
	if slices.Contains(s.Voters, core.BrokerID(s.Node+1)) && kept <= len(s.Voters)/2 {
		c.wrong("vote", s.Node, "leads in epoch "+epochText(s.Epoch)+" with "+strconv.Itoa(kept)+" votes on disk of "+
			strconv.Itoa(len(s.Voters))+" voters")
	}
}

// watchGranted is S4 of votes: nobody votes for a candidate that lacks something of the voter's own log, of which a
// majority may have been made (Raft, section 5.4.1). A candidate's log stays as it is, and grows only when it leads.
func (c *Cluster) watchGranted(was, s *QuorumSighting) {
	v := s.Saved.Voted
	if v < 1 || int(v) == s.Node+1 || was.Life != s.Life || s.Epoch != s.Saved.Epoch ||
		was.Saved.Epoch == s.Saved.Epoch && was.Saved.Voted == v || int(v) > len(c.brokers) || s.End <= s.Start {
		return
	}
	b := &c.brokers[v-1]
	x := &b.quorum
	if b.rotten || c.brokers[s.Node].rotten || x.Life != b.life || x.Epoch != s.Epoch || x.Role != raft.Candidate ||
		x.End <= x.Start {
		return
	}
	own, theirs := s.Epochs.EpochAt(s.End-1), x.Epochs.EpochAt(x.End-1)
	if theirs < own || theirs == own && x.End < s.End {
		c.wrong("vote", s.Node, "has voted for "+strconv.Itoa(int(v))+" in epoch "+epochText(s.Epoch)+", whose metadata end "+
			"at offset "+offsetText(x.End)+" with epoch "+epochText(theirs)+", and has metadata up to offset "+
			offsetText(s.End)+" with epoch "+epochText(own))
	}
}
