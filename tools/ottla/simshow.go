package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ottla.dev/sim"
	"ottla.dev/sim/check"
	"ottla.dev/sim/fault"
)

//go:embed simshow.html
var showPage string

func showCommand() *cobra.Command {
	var o simOptions
	var name string
	cmd := &cobra.Command{
		Use:   "show SEED|PLAN",
		Short: "Draw a picture of a simulation",
		Long: "Draw a picture of a simulation, as one HTML file that needs nothing else: a lane for each machine and\n" +
			"client, faults as bands, messages as arrows, leaders and high watermarks of partitions below. It can be\n" +
			"zoomed, and says what is under the mouse.",
		Example: "  ottla sim show 47 --brokers 3\n  ottla sim show 47.plan --out 47.html",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.show(args[0], name, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.brokers, "brokers", 1, "how many brokers the seed's world has")
	f.BoolVar(&o.cluster, "cluster", false, "the seed draws how many brokers there are")
	f.StringVar(&name, "out", "simulation.html", "write the picture to this `file`")
	return cmd
}

func (o *simOptions) show(what, name string, out io.Writer) error {
	if o.brokers < 1 || o.brokers > fault.MaxBrokers {
		return fmt.Errorf("--brokers %d: 1 to %d", o.brokers, fault.MaxBrokers)
	}
	plan, err := o.seedOrPlan(what)
	if err != nil {
		return err
	}
	p := newPicture(plan, o.named(what))
	r := runWorld(sim.New(plan, p.line), searchOneIn)
	p.finish(r.Failure, r.Stats.Simulated)
	page, err := p.page()
	if err != nil {
		return err
	}
	if err := os.WriteFile(name, page, 0o600); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %d messages; open it in a browser\n", name, len(p.Messages))
	return nil
}

// picture is what the page draws. Times are in microseconds.
type picture struct {
	What     string            `json:"what"`
	Plan     string            `json:"plan"`
	Machines int               `json:"machines"`
	Lanes    []string          `json:"lanes"`
	End      int64             `json:"end"`
	Failed   *pictureFailure   `json:"failed"`
	Messages []pictureMessage  `json:"messages"`
	Points   []picturePoint    `json:"points"`
	Bands    []pictureBand     `json:"bands"`
	Parts    []*picturePart    `json:"parts"`
	clients  []int             // their lanes, and the auditor's
	down     map[int]int64     // since when machines are down
	index    map[string]int    // of partitions
	latest   map[string]string // what was drawn last of a replica
	way      *regexp.Regexp
}

type pictureFailure struct {
	At    int64  `json:"at"`
	Check string `json:"check"`
	Text  string `json:"text"`
}

type pictureMessage struct {
	From   int64  `json:"from"`
	To     int64  `json:"to"`
	A      int    `json:"a"`
	B      int    `json:"b"`
	Answer bool   `json:"answer"`
	Text   string `json:"text"`
}

type picturePoint struct {
	At   int64  `json:"at"`
	Lane int    `json:"lane"`
	Bad  bool   `json:"bad"`
	Text string `json:"text"`
}

type pictureBand struct {
	Kind string `json:"kind"`
	Lane int    `json:"lane"` // -1: all
	From int64  `json:"from"`
	To   int64  `json:"to"`
	Text string `json:"text"`
}

type picturePart struct {
	Name  string             `json:"name"`
	Most  int64              `json:"most"`
	Leads []pictureLead      `json:"leads"`
	Marks map[int][][2]int64 `json:"marks"` // high watermarks by machine
}

type pictureLead struct {
	At    int64  `json:"at"`
	Node  int    `json:"node"`
	Epoch string `json:"epoch"`
	ISR   string `json:"isr"`
}

func newPicture(plan *fault.Plan, what string) *picture {
	p := &picture{What: what, Plan: plan.String(), Machines: max(len(plan.Machines), 1), Parts: []*picturePart{},
		Messages: []pictureMessage{}, Points: []picturePoint{}, Bands: []pictureBand{}, down: map[int]int64{},
		index: map[string]int{}, latest: map[string]string{},
		way: regexp.MustCompile(`^(c?)(\d+)->(c?)(\d+)$`)}
	for i := range p.Machines {
		name := "broker " + strconv.Itoa(i)
		if plan.Clustered() && !plan.Machines[i].Broker {
			name = "controller " + strconv.Itoa(i)
		}
		p.Lanes = append(p.Lanes, name)
	}
	for i := range plan.Clients {
		p.clients = append(p.clients, len(p.Lanes))
		if kind := plan.Clients[i].Kind; kind != fault.Absent {
			p.Lanes = append(p.Lanes, "c"+strconv.Itoa(i)+" "+kind.String())
		}
	}
	p.clients = append(p.clients, len(p.Lanes))
	p.Lanes = append(p.Lanes, "auditor")
	band := func(kind string, lane int, from, to time.Duration, text string) {
		p.Bands = append(p.Bands, pictureBand{kind, lane, from.Microseconds(), to.Microseconds(), text})
	}
	for _, w := range plan.Faults {
		if w.Kind != fault.Pause {
			band("fault", w.Node, w.From, w.To, w.Kind.String()+", one in "+strconv.FormatUint(w.Rate, 10))
		}
	}
	for _, f := range plan.DirFailures {
		band("fault", f.Node, f.At, f.Back, "log directory "+strconv.Itoa(f.Dir)+" has failed")
	}
	if plan.Net != nil {
		for i := range plan.Net.Windows {
			w := &plan.Net.Windows[i]
			band("net", -1, w.From, w.To, "network: "+w.String())
		}
	}
	return p
}

// fields are the name=value words of a line.
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
		p.point(at, node, true, rest)
	case "start":
		since, ok := p.down[node]
		if _, isNode := f["number"]; ok && isNode {
			p.Bands = append(p.Bands, pictureBand{"down", node, since, at, "down"})
			delete(p.down, node)
		}
	case "pause":
		ms, _ := strconv.ParseInt(f["ms"], 10, 64)
		p.Bands = append(p.Bands, pictureBand{"pause", node, at, at + ms*time.Millisecond.Microseconds(), "stands still"})
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
	p.Points = append(p.Points, picturePoint{at, lane, bad, text})
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
		p.Parts = append(p.Parts, &picturePart{Name: name, Marks: map[int][][2]int64{}})
	}
	part := p.Parts[i]
	hw, _ := strconv.ParseInt(f["hw"], 10, 64)
	part.Most = max(part.Most, hw)
	if m := part.Marks[node]; len(m) == 0 || m[len(m)-1][1] != hw {
		part.Marks[node] = append(m, [2]int64{at, hw})
	}
	if !leads {
		return
	}
	isr := f["isr"]
	if isr == "" {
		isr = strconv.Itoa(node)
	}
	if n := len(part.Leads); n == 0 || part.Leads[n-1].Node != node || part.Leads[n-1].Epoch != f["epoch"] ||
		part.Leads[n-1].ISR != isr {
		part.Leads = append(part.Leads, pictureLead{at, node, f["epoch"], isr})
	}
}

func (p *picture) finish(f *check.Failure, end time.Duration) {
	p.End = end.Microseconds()
	for node, since := range p.down {
		p.Bands = append(p.Bands, pictureBand{"down", node, since, p.End, "down"})
	}
	slices.SortFunc(p.Parts, func(a, b *picturePart) int { return strings.Compare(a.Name, b.Name) })
	if f != nil {
		p.Failed = &pictureFailure{f.At.Microseconds(), f.Check, f.Error()}
	}
}

// page puts the data into the page. JSON as Go writes it has no < in it.
func (p *picture) page() ([]byte, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	return []byte(strings.Replace(showPage, "/*DATA*/", string(text), 1)), nil
}
