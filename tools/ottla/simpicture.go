package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ottla.dev/netsim"
	"ottla.dev/sim/check"
	"ottla.dev/sim/fault"
)

// picture is what the page draws. Times are in microseconds.
type picture struct {
	What     string           `json:"what"`
	Plan     string           `json:"plan"`
	Machines int              `json:"machines"`
	Lanes    []string         `json:"lanes"`
	End      int64            `json:"end"`
	Failed   *pictureFailure  `json:"failed"`
	Messages []pictureMessage `json:"messages"`
	Points   []picturePoint   `json:"points"`
	Bands    []pictureBand    `json:"bands"`
	Parts    []*picturePart   `json:"parts"`
	Steps    []pictureStep    `json:"steps"`
	Earlier  int              `json:"earlier"` // steps that were left out
	// History is the file beside the page with Porcupine's picture, of what is called HistoryOf.
	History        string `json:"history"`
	HistoryOf      string `json:"historyOf"`
	HistoryIllegal bool   `json:"historyIllegal"`

	clients []int             // their lanes, and the auditor's
	down    map[int]int64     // since when machines are down
	index   map[string]int    // of partitions
	latest  map[string]string // what was drawn last of a replica
	states  []pictureStep     // what replicas came to be
	way     *regexp.Regexp
}

type pictureMessage struct {
	From   int64  `json:"from"`
	To     int64  `json:"to"`
	A      int    `json:"a"`
	B      int    `json:"b"`
	Answer bool   `json:"answer"`
	Matter bool   `json:"matter,omitempty"`
	Text   string `json:"text"`
}

type picturePoint struct {
	At     int64  `json:"at"`
	Lane   int    `json:"lane"`
	Bad    bool   `json:"bad"`
	Matter bool   `json:"matter,omitempty"`
	Text   string `json:"text"`
}

type pictureBand struct {
	Kind  string `json:"kind"`
	Lanes []int  `json:"lanes"` // empty: all
	From  int64  `json:"from"`
	To    int64  `json:"to"`
	Text  string `json:"text"`
}

type picturePart struct {
	Name   string             `json:"name"`
	Most   int64              `json:"most"`
	Matter bool               `json:"matter,omitempty"`
	Leads  []pictureLead      `json:"leads"`
	Marks  map[int][][2]int64 `json:"marks"` // high watermarks by machine
	Ends   map[int][][2]int64 `json:"ends"`  // log end offsets
}

// noLeader stands for nobody.
const noLeader = -1

type pictureLead struct {
	At    int64  `json:"at"`
	Node  int    `json:"node"`
	Epoch string `json:"epoch"`
	ISR   []int  `json:"isr"`
}

func newPicture(plan *fault.Plan, what string) *picture {
	p := &picture{What: what, Plan: plan.String(), Machines: max(len(plan.Machines), 1), Parts: []*picturePart{},
		Messages: []pictureMessage{}, Points: []picturePoint{}, Bands: []pictureBand{}, Steps: []pictureStep{},
		down: map[int]int64{}, index: map[string]int{}, latest: map[string]string{},
		way: regexp.MustCompile(`^(c?)(\d+)->(c?)(\d+)$`)}
	for i := range p.Machines {
		kind := "broker "
		if plan.Clustered() && !plan.Machines[i].Broker {
			kind = "controller "
		}
		p.Lanes = append(p.Lanes, "node "+strconv.Itoa(i)+", "+kind+strconv.Itoa(i+1)) // the id is one more
	}
	for i := range plan.Clients {
		p.clients = append(p.clients, len(p.Lanes))
		if kind := plan.Clients[i].Kind; kind != fault.Absent {
			p.Lanes = append(p.Lanes, "c"+strconv.Itoa(i)+" "+kind.String())
		}
	}
	p.clients = append(p.clients, len(p.Lanes))
	p.Lanes = append(p.Lanes, "auditor")
	p.planned(plan)
	return p
}

// planned draws the faults that last as the plan has them.
func (p *picture) planned(plan *fault.Plan) {
	for _, w := range plan.Faults {
		if w.Kind != fault.Pause {
			p.band("fault", []int{w.Node}, w.From, w.To, w.Kind.String()+", one in "+strconv.FormatUint(w.Rate, 10))
		}
	}
	for _, f := range plan.DirFailures {
		p.band("fault", []int{f.Node}, f.At, f.Back, "log directory "+strconv.Itoa(f.Dir)+" has failed")
	}
	if plan.Net == nil {
		return
	}
	for i := range plan.Net.Windows {
		w := &plan.Net.Windows[i]
		var lanes []int
		for _, h := range slices.Concat(w.Hosts, w.Peers) {
			lanes = append(lanes, p.hostLane(h))
		}
		slices.Sort(lanes)
		p.band("net", slices.Compact(lanes), w.From, w.To, "network: "+w.String())
	}
}

func (p *picture) hostLane(h netsim.Host) int {
	if int(h) < p.Machines {
		return int(h)
	}
	return p.clients[min(int(h)-p.Machines, len(p.clients)-1)]
}

func (p *picture) band(kind string, lanes []int, from, to time.Duration, text string) {
	if lanes == nil {
		lanes = []int{}
	}
	p.Bands = append(p.Bands, pictureBand{kind, lanes, from.Microseconds(), to.Microseconds(), text})
}

// lineFields are the name=value words of a line.
func lineFields(words []string) map[string]string {
	f := map[string]string{}
	for _, w := range words {
		if name, value, ok := strings.Cut(w, "="); ok {
			f[name] = value
		}
	}
	return f
}

// line takes a line of the trace.
func (p *picture) line(b []byte) {
	words := strings.Fields(string(b))
	if len(words) < 2 {
		return
	}
	at, _ := strconv.ParseInt(words[0], 10, 64)
	rest := strings.Join(words[1:], " ")
	if way := p.way.FindStringSubmatch(words[1]); way != nil {
		p.message(at, way, words)
		return
	}
	f := lineFields(words)
	node, _ := strconv.Atoi(f["node"])
	switch words[1] {
	case "state":
		p.state(at, node, slices.Contains(words, "leads"), f)
	case "stop", "halt":
		p.down[node] = at
		for _, part := range p.Parts {
			part.left(at, node)
		}
		p.point(at, node, true, rest)
	case "start":
		since, ok := p.down[node]
		if _, isNode := f["number"]; ok && isNode {
			p.Bands = append(p.Bands, pictureBand{"down", []int{node}, since, at, "down"})
			delete(p.down, node)
		}
	case "pause":
		ms, _ := strconv.ParseInt(f["ms"], 10, 64)
		p.Bands = append(p.Bands, pictureBand{"pause", []int{node}, at, at + ms*time.Millisecond.Microseconds(),
			"stands still"})
	case "fault", "clock", "unclean", "disk-full", "heal", "listen":
		p.point(at, node, words[1] == "fault", rest)
	case "quorum":
		if what := strconv.Itoa(node) + "quorum"; p.latest[what] != words[3]+f["epoch"] {
			p.latest[what] = words[3] + f["epoch"]
			p.point(at, node, false, rest)
		}
	case "lost":
		p.point(at, p.lane("c", f["client"]), false, rest)
	}
}

func (p *picture) point(at int64, lane int, bad bool, text string) {
	p.Points = append(p.Points, picturePoint{At: at, Lane: lane, Bad: bad, Text: text})
}

// lane is that of an end of a way.
func (p *picture) lane(client, number string) int {
	n, _ := strconv.Atoi(number)
	if client != "" {
		return p.clients[min(n, len(p.clients)-1)]
	}
	return min(n, p.Machines-1)
}

func (p *picture) message(at int64, way, words []string) {
	took, _ := time.ParseDuration(lineFields(words)["took"])
	p.Messages = append(p.Messages, pictureMessage{From: at - took.Microseconds(), To: at, A: p.lane(way[1], way[2]),
		B: p.lane(way[3], way[4]), Answer: len(words) > 3 && words[3] == "answer", Text: strings.Join(words[2:], " ")})
}

func (p *picture) state(at int64, node int, leads bool, f map[string]string) {
	name := f["part"]
	i, ok := p.index[name]
	if !ok {
		i = len(p.Parts)
		p.index[name] = i
		p.Parts = append(p.Parts, &picturePart{Name: name, Marks: map[int][][2]int64{}, Ends: map[int][][2]int64{}})
	}
	part := p.Parts[i]
	part.track(part.Marks, at, node, f["hw"])
	part.track(part.Ends, at, node, f["end"])
	text := "follows in epoch " + f["epoch"]
	if leads {
		isr := []int{}
		for _, id := range strings.Split(f["isr"], ",") {
			if n, err := strconv.Atoi(id); err == nil {
				isr = append(isr, n)
			}
		}
		if f["isr"] == "" {
			isr = append(isr, node)
		}
		text = "leads in epoch " + f["epoch"] + " with ISR " + strings.Trim(f["isr"]+" ", " ")
		if n := len(part.Leads); n == 0 || part.Leads[n-1].Node != node || part.Leads[n-1].Epoch != f["epoch"] ||
			!slices.Equal(part.Leads[n-1].ISR, isr) {
			part.Leads = append(part.Leads, pictureLead{at, node, f["epoch"], isr})
		}
	} else {
		part.left(at, node)
	}
	p.states = append(p.states, pictureStep{At: at, A: node, B: node, Kind: "state", part: name,
		Text: name + ": " + text + ", high watermark " + f["hw"] + ", log end " + f["end"]})
}

// left notes that a machine leads no more, if it was the last that did.
func (t *picturePart) left(at int64, node int) {
	if n := len(t.Leads); n > 0 && t.Leads[n-1].Node == node {
		t.Leads = append(t.Leads, pictureLead{At: at, Node: noLeader, ISR: []int{}})
	}
}

// track notes a value of a machine where it changes.
func (t *picturePart) track(to map[int][][2]int64, at int64, node int, value string) {
	n, _ := strconv.ParseInt(value, 10, 64)
	t.Most = max(t.Most, n)
	if m := to[node]; len(m) == 0 || m[len(m)-1][1] != n {
		to[node] = append(m, [2]int64{at, n})
	}
}

func (p *picture) finish(f *check.Failure, end time.Duration) {
	p.End = end.Microseconds()
	for node := range p.Machines {
		if since, ok := p.down[node]; ok {
			p.Bands = append(p.Bands, pictureBand{"down", []int{node}, since, p.End, "down"})
		}
	}
	slices.SortFunc(p.Parts, func(a, b *picturePart) int { return strings.Compare(a.Name, b.Name) })
	if f != nil {
		p.explain(f)
	}
}
