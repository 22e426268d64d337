package check

import (
	"strconv"

	"ottla.dev/core"
)

// committed is S5: for each partition what any leader has ever called committed.
type committed map[core.TopicIDPartition]*commitment

type commitment struct {
	lineage
	newest  core.LeaderEpoch // that any broker knows to be committed
	unclean core.LeaderEpoch // the epoch of the last unclean election that somebody allowed, or NoLeaderEpoch
	lossy   bool             // its winner was not seen yet: nobody knows what it has
	renewed int              // how often in a row nothing but the partition's epoch has changed
}

func (c committed) of(id core.TopicIDPartition) *commitment {
	x := c[id]
	if x == nil {
		x = &commitment{unclean: core.NoLeaderEpoch}
		c[id] = x
	}
	return x
}

// watchCommitted judges leaders: one that was elected in the newest epoch has all that was ever committed, and all that
// clients know of. An unclean election is the end of what its winner lacks, which the metadata say. A leader moves the
// high watermark only while the ISR is large enough (KIP-966).
func (c *Cluster) watchCommitted(was, s *Sighting) {
	x := c.committed.of(s.ID)
	if !s.Leading || s.Caching {
		return
	}
	begins := !was.Leading || was.Life != s.Life || was.Epoch != s.Epoch
	if s.Epoch >= x.newest {
		if x.lossy {
			x.lossy = false
			x.cut(s.End)
			if at := x.parts(s.Epochs, s.Start, s.End); at != core.NoOffset {
				x.cut(at)
			}
		}
		c.holds(x, s, begins)
	}
	// A leader that an unclean election has deposed without its knowledge commits for nobody.
	if s.HighWatermark > x.end && s.Epoch >= x.unclean {
		c.enoughReplicas(was, s)
		c.eligibleHave(s)
		x.extend(s.Epochs, s.HighWatermark)
	}
}

func (c *Cluster) holds(x *commitment, s *Sighting, begins bool) {
	name := func() string { return s.Name.String() + ": leads in epoch " + epochText(s.Epoch) }
	if s.End < x.end {
		c.wrong("committed", s.Node, name()+" with a log that ends at "+offsetText(s.End)+", and offset "+
			offsetText(x.end-1)+" was committed")
	}
	if p := c.ledger.Partition(s.Name); p != nil && c.ledger.plan.Clustered() && x.unclean < 0 && s.End < p.Known() {
		c.wrong("lost-write", s.Node, name()+" with a log that ends at "+offsetText(s.End)+", and offset "+
			offsetText(p.Known()-1)+" was acknowledged or read")
	}
	if !begins {
		return
	}
	c.begins(s)
	if at := x.parts(s.Epochs, s.Start, s.End); at != core.NoOffset {
		c.wrong("committed", s.Node, name()+", and offset "+offsetText(at)+" is of epoch "+epochText(s.Epochs.EpochAt(at))+
			", where another record was committed")
	}
}

// enoughReplicas judges a high watermark that moves by the ISR before the step or after it, whichever is larger. One
// piece of news may lower min.insync.replicas and take a replica from the ISR: the settings come first, and what all of
// the ISR of before have is committed then.
func (c *Cluster) enoughReplicas(was, s *Sighting) {
	if !s.Appointed || was.Life != s.Life || s.HighWatermark == was.HighWatermark {
		return
	}
	n := len(s.Lead.ISR)
	if was.Leading && was.Appointed && was.Epoch == s.Epoch {
		n = max(n, len(was.Lead.ISR))
	}
	if n < s.Lead.MinISR {
		c.wrong("min-isr", s.Node, s.Name.String()+": the high watermark moves to "+offsetText(s.HighWatermark)+" with "+
			strconv.Itoa(n)+" replicas in sync of at least "+strconv.Itoa(s.Lead.MinISR))
	}
}

// answered is S5 of answers: what a client is told to be there, with acks=all, some leader has called committed before.
// Whoever answers earlier is found out by this at once, and not only when the records are lost.
func (c *Cluster) answered(p *Partition, end core.Offset) {
	if c.images.latest == nil || p.Caching() || p.forgiven || c.ledger.Forgiven(p.Name) ||
		c.ledger.Partition(p.Name) != p {
		return
	}
	t := c.images.latest.TopicByName(p.Name.Topic)
	if t == nil {
		return
	}
	x := c.committed.of(core.TopicIDPartition{Topic: t.ID, Partition: p.Name.Partition})
	if x.unclean == core.NoLeaderEpoch && x.end < end {
		c.fail(Correctness, "answered-early", p.Name.String()+": records up to offset "+offsetText(end-1)+
			" are acknowledged with acks=all, and no leader has called them committed: the high watermark was never above "+
			offsetText(x.end))
	}
}
