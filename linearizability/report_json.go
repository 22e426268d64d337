package linearizability

import (
	"encoding/json"
	"errors"
	"io"
)

type reportJSON struct {
	Verdict      Verdict       `json:"verdict"`
	ExitCode     int           `json:"exit_code"`
	Note         string        `json:"note,omitempty"`
	Malformed    string        `json:"malformed,omitempty"`
	Line         int           `json:"malformed_line,omitempty"`
	Operations   int           `json:"operations"`
	Failed       int           `json:"failed"`
	Unknown      int           `json:"unknown"`
	Partitions   int           `json:"partitions"`
	Records      int           `json:"records"`
	Offsets      int           `json:"committed_offsets"`
	Transactions int           `json:"transactions"`
	Settled      settledJSON   `json:"settled_sends"`
	Counts       []countJSON   `json:"counts"`
	Anomalies    []anomalyJSON `json:"anomalies"`
	Inconclusive []string      `json:"inconclusive,omitempty"`
	Notes        []string      `json:"notes,omitempty"`
	Lag          *lagJSON      `json:"realtime_lag,omitempty"`
}

type settledJSON struct {
	Seen    int `json:"seen"`
	Dropped int `json:"dropped"`
	Open    int `json:"open"`
}

type countJSON struct {
	Name    Name `json:"name"`
	Total   int  `json:"total"`
	Allowed int  `json:"allowed"`
}

type anomalyJSON struct {
	Name    Name     `json:"name"`
	Where   string   `json:"where"`
	Text    string   `json:"text"`
	Allowed string   `json:"allowed,omitempty"`
	Ops     []opJSON `json:"operations"`
}

// opJSON is an operation as in a file, with its line.
type opJSON struct {
	Line int `json:"line"`
	opLine
}

type lagJSON struct {
	Partition   string `json:"partition"`
	Nanoseconds int64  `json:"nanoseconds"`
	Poll        int    `json:"poll_line"`
}

// WriteJSON writes the report as one JSON object. Operations have the fields of the file format, and their line.
func (r *Report) WriteJSON(w io.Writer) error {
	j := reportJSON{
		Verdict: r.Verdict(), ExitCode: r.Verdict().ExitCode(), Note: r.Note,
		Operations: r.Ops, Failed: r.Failed, Unknown: r.Unknown, Partitions: r.Partitions, Records: r.Records,
		Offsets: r.Groups, Transactions: r.Transactions,
		Settled: settledJSON{r.SettledSeen, r.SettledDropped, r.SettledOpen},
		Counts:  []countJSON{}, Anomalies: []anomalyJSON{}, Inconclusive: r.Inconclusive, Notes: r.Notes,
	}
	if r.Malformed != nil {
		j.Malformed = r.Malformed.Error()
		var at *MalformedError
		if errors.As(r.Malformed, &at) {
			j.Malformed, j.Line = at.Reason, at.Line
		}
	}
	for _, c := range r.Counts {
		j.Counts = append(j.Counts, countJSON(c))
	}
	for i := range r.Anomalies {
		a := &r.Anomalies[i]
		out := anomalyJSON{Name: a.Name, Where: a.Where, Text: a.Text, Allowed: a.Allowed, Ops: []opJSON{}}
		for _, op := range a.Ops {
			out.Ops = append(out.Ops, opJSON{op.Line, lineOf(op)})
		}
		j.Anomalies = append(j.Anomalies, out)
	}
	if r.Lag != nil {
		j.Lag = &lagJSON{r.Lag.Partition.String(), r.Lag.Nanoseconds, r.Lag.Poll.Line}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(j)
}
