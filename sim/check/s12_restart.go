package check

// watchRecovered is S12 in a cluster: what a broker has recovered is what it had synced, at least. [Recovery] asks more
// of a broker that is alone.
func (c *Cluster) watchRecovered(was, s *Sighting) {
	if was.Life == 0 || was.Life == s.Life || was.Synced <= was.Start || s.Start > was.Start {
		return
	}
	if s.End < was.Synced {
		c.wrong("recovery", s.Node, s.Name.String()+" ends at "+offsetText(s.End)+" after a restart, and was synced up to "+
			offsetText(was.Synced))
	}
}
