package check

import "ottla.dev/core"

// watchQuorumLog is S4: what one node of the quorum has called committed is in every later leader's log, and in the log
// of everybody who has as much.
func (c *Cluster) watchQuorumLog(was, s *QuorumSighting) {
	q := &c.quorum
	if s.Leading && !(was.Leading && was.Life == s.Life && was.Epoch == s.Epoch) {
		// The answers to its requests for votes may come when its successor has long committed something.
		end := q.upTo(s.Epoch)
		if s.End < end {
			c.wrong("quorum-committed", s.Node, "leads the quorum in epoch "+epochText(s.Epoch)+" with a log that ends at "+
				offsetText(s.End)+", and "+offsetText(end-1)+" was committed")
		}
		c.sameQuorumLog(s, end)
	}
	if s.HighWatermark > was.HighWatermark || was.Life != s.Life {
		c.sameQuorumLog(s, s.HighWatermark)
		q.extend(s.Epochs, s.HighWatermark)
	}
}

func (c *Cluster) sameQuorumLog(s *QuorumSighting, limit core.Offset) {
	if at := c.quorum.parts(s.Epochs, s.Start, min(limit, s.End)); at != core.NoOffset {
		c.wrong("quorum-committed", s.Node, "the metadata record at offset "+offsetText(at)+" is of epoch "+
			epochText(s.Epochs.EpochAt(at))+", and another one was committed")
	}
}
