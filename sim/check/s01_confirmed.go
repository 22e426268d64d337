package check

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
