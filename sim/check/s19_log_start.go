package check

// watchLogStart is S19: a log begins at or below its high watermark, and where readers were told that it begins does
// not go back, not even by a crash.
func (c *Cluster) watchLogStart(was, s *Sighting) {
	if s.Start > s.HighWatermark {
		c.wrong("log-start", s.Node, s.Name.String()+": the log starts at "+offsetText(s.Start)+
			", above the high watermark "+offsetText(s.HighWatermark))
	}
	if was.Life > 0 && s.Told < was.Told && s.Start < s.End { // else it begins anew
		c.wrong("log-start", s.Node, s.Name.String()+": the log start offset went back from "+offsetText(was.Told)+" to "+
			offsetText(s.Told))
	}
}
