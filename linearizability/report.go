package linearizability

// Verdict is the class of a result, in the order of what wins.
type Verdict string

// The verdicts.
const (
	// VerdictOK means that everything that can be checked was, and that nothing is wrong.
	VerdictOK Verdict = "ok"
	// VerdictInconclusive means that nothing wrong was found, but that not all could be checked.
	VerdictInconclusive Verdict = "inconclusive"
	// VerdictAnomalies means that there are anomalies which are not allowed.
	VerdictAnomalies Verdict = "anomalies"
	// VerdictMalformed means that the history makes no sense.
	VerdictMalformed Verdict = "malformed"
)

// Exit codes of a command that checks a history. 1 is left for all else that can go wrong.
const (
	ExitOK           = 0
	ExitAnomalies    = 2
	ExitInconclusive = 3
	ExitMalformed    = 4
)

// ExitCode is the verdict as an exit code.
func (v Verdict) ExitCode() int {
	switch v {
	case VerdictOK:
		return ExitOK
	case VerdictAnomalies:
		return ExitAnomalies
	case VerdictInconclusive:
		return ExitInconclusive
	}
	return ExitMalformed
}

// Report is the result of a check.
type Report struct {
	Note string
	// Malformed is why the history could not be checked, or nil. It is a *MalformedError.
	Malformed error
	// Anomalies are what is wrong, at most MaxListed of each name that are not allowed and as many that are.
	Anomalies []Anomaly
	// Counts are the numbers of anomalies by name, listed or not, in the order in which the names were first found.
	Counts []Count
	// Inconclusive is what could not be checked and should have been.
	Inconclusive []string
	// Notes are what a reader of the report should know.
	Notes []string

	Ops, Failed, Unknown                     int
	Partitions, Records, Groups              int
	Transactions                             int
	SettledSeen, SettledDropped, SettledOpen int

	// Lag is the stalest poll, or nil. It is reported and never an anomaly.
	Lag *Lag
}

// Count is how often an anomaly was found, and how often of these it was allowed.
type Count struct {
	Name           Name
	Total, Allowed int
}

// Add adds an anomaly, for checkers outside of this package.
func (r *Report) Add(a Anomaly) {
	var c *Count
	for i := range r.Counts {
		if r.Counts[i].Name == a.Name {
			c = &r.Counts[i]
		}
	}
	if c == nil {
		r.Counts = append(r.Counts, Count{Name: a.Name})
		c = &r.Counts[len(r.Counts)-1]
	}
	c.Total++
	listed := c.Total - c.Allowed
	if a.Allowed != "" {
		c.Allowed++
		listed = c.Allowed
	}
	if listed <= MaxListed {
		r.Anomalies = append(r.Anomalies, a)
	}
}

// listed says whether another anomaly of a name may still be listed.
func (r *Report) listed(name Name) bool {
	for _, c := range r.Counts {
		if c.Name == name {
			return c.Allowed < MaxListed || c.Total-c.Allowed < MaxListed
		}
	}
	return true
}

// First is the first anomaly that is not allowed, or nil.
func (r *Report) First() *Anomaly {
	for i := range r.Anomalies {
		if r.Anomalies[i].Allowed == "" {
			return &r.Anomalies[i]
		}
	}
	return nil
}

// Verdict sums the report up.
func (r *Report) Verdict() Verdict {
	if r.Malformed != nil {
		return VerdictMalformed
	}
	for _, c := range r.Counts {
		if c.Allowed < c.Total {
			return VerdictAnomalies
		}
	}
	if len(r.Inconclusive) > 0 {
		return VerdictInconclusive
	}
	return VerdictOK
}

// Found says how many anomalies of a name are not allowed.
func (r *Report) Found(name Name) int {
	for _, c := range r.Counts {
		if c.Name == name {
			return c.Total - c.Allowed
		}
	}
	return 0
}
