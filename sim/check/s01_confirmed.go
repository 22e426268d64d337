package check

import "ottla.dev/core"

// question is one of a leader's, whether it leads still.
type question struct {
	number    uint64
	committed core.Offset // where the committed metadata ended when it was asked, by all that was seen
	sole      bool        // a controller that is alone needs nobody's word
}

// watchConfirmed is S1 of answers that nothing is committed for: a leader that asks whether it leads still is told so
// only if it did when it asked, or later. The committed metadata say whether it did, whoever it asks: a controller that
// is deposed, and does not know it, has no majority that would tell it so.
func (c *Cluster) watchConfirmed(seen *seenReplica, was, s *Sighting) {
	if was.Life != s.Life || was.Epoch != s.Epoch || !s.Appointed || c.images.latest == nil {
		seen.deposed = 0
		return
	}
	if seen.deposed > 0 && s.Lead.Confirmed >= seen.deposed {
		c.wrong("confirmed", s.Node, s.Name.String()+": it is told that it leads in epoch "+epochText(s.Epoch)+
			", and another epoch was committed before it asked")
		return
	}
	if seen.deposed > 0 || s.Lead.Doubted == was.Lead.Doubted {
		return
	}
	if p := partitionOf(c.images.latest, s.ID); p != nil && p.LeaderEpoch > s.Epoch {
		seen.deposed = was.Lead.Doubted + 1
	}
}

// watchMajority is S1 of controllers: one that says that somebody leads has asked a majority whether it decides itself,
// after it was asked (Raft, section 8). Some record of the metadata was committed in between.
func (c *Cluster) watchMajority(seen *seenReplica, was, s *Sighting) {
	if was.Life != s.Life || was.Epoch != s.Epoch || !s.Appointed || s.Lead.Confirmed != was.Lead.Confirmed {
		seen.confirmations++
	}
	if was.Life != s.Life || was.Epoch != s.Epoch || !s.Appointed {
		seen.questions = seen.questions[:0]
	}
	sole := false
	if s.Lead.Doubted > was.Lead.Doubted || s.Lead.Confirmed > was.Lead.Confirmed {
		sole = c.soleController()
	}
	for n := len(seen.questions) - 1; n >= 0 && s.Lead.Confirmed > was.Lead.Confirmed; n-- {
		q := seen.questions[n]
		if q.number != s.Lead.Confirmed {
			continue
		}
		if q.committed == c.quorum.end && !q.sole && !sole {
			c.wrong("confirmed", s.Node, s.Name.String()+": it is told that it leads in epoch "+epochText(s.Epoch)+
				", and nothing was committed in the metadata since it asked: who says so has no majority's word for it")
		}
		seen.questions = append(seen.questions[:0], seen.questions[n+1:]...)
		break
	}
	if !s.Appointed {
		return
	}
	for n := asked(was, s) + 1; n <= s.Lead.Doubted; n++ {
		seen.questions = append(seen.questions, question{n, c.quorum.end, sole})
	}
}

// asked is how many questions a leader had asked in this leadership when it was seen last.
func asked(was, s *Sighting) uint64 {
	if was.Life != s.Life || was.Epoch != s.Epoch || !was.Appointed {
		return 0
	}
	return was.Lead.Doubted
}

// soleController reports whether some leader of the metadata quorum is the only voter that it knows.
func (c *Cluster) soleController() bool {
	for i := range c.brokers {
		if q := &c.brokers[i].quorum; q.Leading && len(q.Voters) <= 1 {
			return true
		}
	}
	return false
}

// Confirmations counts how often a broker was told that it leads a partition, for who has got an answer that no leader
// gives without: it has grown between the request and the answer. It reports false if there is nothing to go by.
func (c *Cluster) Confirmations(node int, name core.TopicPartition) (uint64, bool) {
	if c.brokers[node].wiped || c.brokers[node].rotten {
		return 0, false
	}
	if seen := c.replicaOf(node, name); seen != nil {
		return seen.confirmations, seen.Appointed
	}
	return 0, false
}
