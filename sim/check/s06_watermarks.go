package check

import (
	"slices"
	"strconv"

	"ottla.dev/core"
	"ottla.dev/core/partition"
)

// watchWatermark is S6 of partitions: a high watermark does not go back in a life, lies within the log, and a leader
// moves it only over what all of its maximal ISR have made durable, by their own account (which S10 compares with
// their disks).
func (c *Cluster) watchWatermark(was, s *Sighting) {
	name := s.Name.String
	x := c.committed.of(s.ID)
	// A log that begins anew, because the leader's starts behind its end, may have to begin a little earlier than it had
	// thought: where the batch begins that the leader's log start offset lies in.
	anew := s.HighWatermark == s.End && s.Start == s.End
	if was.Life == s.Life && s.HighWatermark < was.HighWatermark && !anew && !c.ledger.Forgiven(s.Name) {
		c.wrong("high-watermark", s.Node, name()+": the high watermark went back from "+offsetText(was.HighWatermark)+" to "+
			offsetText(s.HighWatermark))
	}
	if s.End < s.HighWatermark {
		c.wrong("high-watermark", s.Node, name()+": the log ends at "+offsetText(s.End)+", below the high watermark "+
			offsetText(s.HighWatermark))
	}
	if !s.Leading || was.Life != s.Life || s.HighWatermark <= was.HighWatermark || c.ledger.Forgiven(s.Name) ||
		s.Epoch < x.unclean {
		return
	}
	if s.durable() < s.HighWatermark && !(s.Appointed && !was.Leading) {
		c.wrong("isr-watermark", s.Node, name()+": the high watermark moves to "+offsetText(s.HighWatermark)+
			", and the leader has made durable up to "+offsetText(s.durable())+" only")
	}
	if !s.Appointed {
		return
	}
	maximal := s.Lead.ISR
	if s.Lead.Pending != nil {
		maximal = append(slices.Clone(maximal), s.Lead.Pending.ISR...)
	}
	for _, id := range maximal {
		if c.lacks(id, s.ID, s.HighWatermark) && int(id)-1 != s.Node && !c.dismissed(id, s) {
			c.wrong("isr-watermark", s.Node, name()+": the high watermark moves to "+offsetText(s.HighWatermark)+
				", which broker "+strconv.Itoa(int(id))+" of the ISR has not made durable")
		}
	}
}

// watchBehind is S6 the other way round, and L1: when the ISR has changed, a leader commits at once what all that count
// have by its own account, for nobody else may come and make it look (KAFKA-13091). It waits for those that keep up and
// are about to join, but for none that the controller would not admit (KAFKA-15021).
func (c *Cluster) watchBehind(was, s *Sighting, r *partition.Replica) {
	if c.Followers == nil || !s.Appointed || !was.Appointed || was.Life != s.Life || was.Epoch != s.Epoch ||
		was.Lead.PartitionEpoch == s.Lead.PartitionEpoch && len(was.Lead.Left) == len(s.Lead.Left) ||
		len(s.Lead.ISR) < s.Lead.MinISR {
		return
	}
	counts := slices.Concat(s.Lead.ISR, s.Lead.Left)
	if s.Lead.Pending != nil {
		counts = append(counts, s.Lead.Pending.ISR...)
	}
	all, who := s.durable(), s.Node+1
	for _, f := range c.Followers(s.Node, c.shard, r) {
		if f.End < all && (slices.Contains(counts, f.ID) || f.End != core.NoOffset && f.KeepsUp && f.Eligible) {
			all, who = f.End, int(f.ID)
		}
	}
	if s.HighWatermark < all {
		c.wrong("watermark-behind", s.Node, s.Name.String()+": the ISR has changed, and the high watermark stays at "+
			offsetText(s.HighWatermark)+", although all that count have everything below "+offsetText(all)+" (broker "+
			strconv.Itoa(who)+" has least)")
	}
}

// dismissed reports whether the committed metadata have taken a broker out of the ISR and the leader does not know yet:
// it counts a fetch that the broker sent before it gave its replica away, and so waits for one more than it has to.
// What the rest of the ISR has, it has waited for all the same.
func (c *Cluster) dismissed(id core.BrokerID, s *Sighting) bool {
	if c.images.latest == nil {
		return false
	}
	t := c.images.latest.TopicByID(s.ID.Topic)
	if t == nil {
		return true
	}
	p := t.Partition(s.ID.Partition)
	return p != nil && p.PartitionEpoch > s.Lead.PartitionEpoch && !slices.Contains(p.ISR, id)
}

// lacks reports whether a replica, as it was seen last, has not made everything below an offset durable.
func (c *Cluster) lacks(id core.BrokerID, p core.TopicIDPartition, end core.Offset) bool {
	node := int(id) - 1
	if end == 0 || node < 0 || node >= len(c.brokers) || c.brokers[node].wiped {
		return false
	}
	r := c.replicas[replicaKey{node, p}]
	if r == nil || r.Life == 0 {
		return !c.brokers[node].mended
	}
	return r.durable() < end
}

// watchQuorumWatermark is S6 of the metadata quorum: the high watermark does not go back in a life; a leader moves it
// only over what a majority of the voters have synced, and only up to a record of its own epoch (Raft, section 5.4.2).
func (c *Cluster) watchQuorumWatermark(was, s *QuorumSighting) {
	hw := s.HighWatermark
	if was.Life == s.Life && hw < was.HighWatermark {
		c.wrong("quorum-watermark", s.Node, "the quorum's high watermark went back from "+offsetText(was.HighWatermark)+
			" to "+offsetText(hw))
	}
	if s.End < hw {
		c.wrong("quorum-watermark", s.Node, "the metadata log ends at "+offsetText(s.End)+", below its high watermark "+
			offsetText(hw))
	}
	if !s.Leading || was.Life != s.Life || !was.Leading || hw <= was.HighWatermark {
		return
	}
	if e := s.Epochs.EpochAt(hw - 1); e != s.Epoch {
		c.wrong("quorum-watermark", s.Node, "the high watermark moves to "+offsetText(hw)+" in epoch "+
			epochText(s.Epoch)+", behind a record of epoch "+epochText(e))
	}
	have := 0
	for _, id := range s.Voters {
		switch node := int(id) - 1; {
		case node == s.Node && s.Synced >= hw, node != s.Node && c.voterHas(node, hw, s.Epoch):
			have++
		}
	}
	if have <= len(s.Voters)/2 {
		c.wrong("quorum-watermark", s.Node, "the high watermark moves to "+offsetText(hw)+", which "+strconv.Itoa(have)+
			" of "+strconv.Itoa(len(s.Voters))+" voters have synced")
	}
}

// watchActive is S1 and S6 of the controller: who leads the quorum decides only when it knows what is committed, which
// a record of its own epoch that is committed tells it (KAFKA-15345).
func (c *Cluster) watchActive(s *QuorumSighting) {
	if s.Active && (s.HighWatermark <= s.Start || s.Epochs.EpochAt(s.HighWatermark-1) != s.Epoch) {
		c.wrong("quorum-active", s.Node, "is the active controller of epoch "+epochText(s.Epoch)+
			", and nothing of that epoch is committed below "+offsetText(s.HighWatermark))
	}
}

// voterHas reports whether a voter has synced everything below an offset, the last of it a record of an epoch: one
// whose log is as long and has parted from the leader's has not. What a snapshot has replaced since has no epoch any
// more: a leader that did not hear of its successor for long counts fetches that are as old.
func (c *Cluster) voterHas(node int, end core.Offset, epoch core.LeaderEpoch) bool {
	if node < 0 || node >= len(c.brokers) || c.brokers[node].wiped {
		return true
	}
	q := &c.brokers[node].quorum
	return q.Synced >= end && (q.Epochs == nil || end <= q.Start || q.Epochs.EpochAt(end-1) == epoch)
}
