package check

// watchTruncation is S9: a replica does not cut off what it knew to be committed, nor, over a restart, what it knew to
// be committed and had on its disk. Only an unclean election changes that. A log that begins anew behind its leader's
// start loses nothing that anybody could read.
func (c *Cluster) watchTruncation(was, s *Sighting) {
	if was.Life == 0 || s.Caching {
		return
	}
	least := was.HighWatermark
	if was.Life != s.Life {
		least = min(least, was.Synced)
	}
	x := c.committed.of(s.ID)
	anew := s.HighWatermark == s.End && s.Start == s.End
	if s.End < least && s.Start <= was.Start && !anew && !(x.unclean >= 0 && s.Epoch >= x.unclean) {
		c.wrong("truncation", s.Node, s.Name.String()+": the log was cut from "+offsetText(was.End)+" to "+
			offsetText(s.End)+", below "+offsetText(least)+", which was committed")
	}
}
