package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"ottla.dev/sim/check"
)

// pictureFailure is the failure, and what it is about.
type pictureFailure struct {
	At    int64  `json:"at"`
	Check string `json:"check"`
	Text  string `json:"text"`
	// Lanes are those of the machines and clients that the failure is seen at.
	Lanes   []int    `json:"lanes"`
	Parts   []string `json:"parts"`
	Offsets []string `json:"offsets"`
	groups  []string
	quorum  bool // it is about the metadata quorum
}

// pictureStep is something that led to the failure.
type pictureStep struct {
	At   int64  `json:"at"`
	A    int    `json:"a"`
	B    int    `json:"b"`
	Kind string `json:"kind"` // request, answer, state, point or fault
	Hot  bool   `json:"hot"`  // it names an offset that the failure names
	Text string `json:"text"`

	part string
}

// mostSteps is how many steps the page lists: the last ones.
const mostSteps = 60

var (
	brokerWord = regexp.MustCompile(`\b[Bb]rokers? (\d+)`)
	clientWord = regexp.MustCompile(`\bclients? (\d+)|\bc(\d+)\b`)
	partWord   = regexp.MustCompile(`\b[\w.]+-\d+\b`)
	groupWord  = regexp.MustCompile(`\bgroup (\S+)`)
	offsetWord = regexp.MustCompile(`\b(?:offsets?|to|at|watermark of|watermark) (\d+)\b`)
	offsetName = regexp.MustCompile(`\b(?:from|offset|hw|end)=(\d+)\b|(?:watermark|end) (\d+)\b`)
)

// explain finds what the failure is about, and marks what led to it: of all that happened before it, those messages
// about its partitions (its group, the quorum) from which something could have come to where it was seen, over other
// messages.
func (p *picture) explain(f *check.Failure) {
	p.Failed = p.about(f)
	known := p.past()
	for i := range p.Messages {
		m := &p.Messages[i]
		m.Matter = m.To <= known[m.B] && p.Failed.concerns(m.Text)
	}
	p.askedFor()
	for i := range p.Points {
		t := &p.Points[i]
		t.Matter = t.At <= known[t.Lane] && p.pointMatters(t)
	}
	p.list(known)
}

// about reads the failure's text.
func (p *picture) about(f *check.Failure) *pictureFailure {
	a := &pictureFailure{At: f.At.Microseconds(), Check: f.Check, Text: f.Error(), Lanes: []int{}, Parts: []string{},
		Offsets: []string{}}
	text, _, _ := strings.Cut(f.Text, "\n")
	for _, m := range brokerWord.FindAllStringSubmatch(text, -1) {
		if id, _ := strconv.Atoi(m[1]); id >= 1 && id <= p.Machines {
			a.Lanes = append(a.Lanes, id-1)
		}
	}
	for _, m := range clientWord.FindAllStringSubmatch(text, -1) {
		if n, err := strconv.Atoi(m[1] + m[2]); err == nil && n < len(p.clients) {
			a.Lanes = append(a.Lanes, p.clients[n])
		}
	}
	for _, name := range partWord.FindAllString(text, -1) {
		if _, ok := p.index[name]; ok && !slices.Contains(a.Parts, name) {
			a.Parts = append(a.Parts, name)
		}
	}
	for _, m := range groupWord.FindAllStringSubmatch(text, -1) {
		a.groups = append(a.groups, m[1])
	}
	for _, m := range offsetWord.FindAllStringSubmatch(text, -1) {
		if len(a.Parts) > 0 && !slices.Contains(a.Offsets, m[1]) {
			a.Offsets = append(a.Offsets, m[1])
		}
	}
	a.quorum = len(a.Parts) == 0 && len(a.groups) == 0
	for _, part := range p.Parts {
		part.Matter = slices.Contains(a.Parts, part.Name)
	}
	for _, m := range p.Messages {
		if m.To == a.At && a.concerns(m.Text) {
			a.Lanes = append(a.Lanes, m.B)
		}
	}
	slices.Sort(a.Lanes)
	a.Lanes = slices.Compact(a.Lanes)
	return a
}

// concerns reports whether a message is about what the failure is about.
func (a *pictureFailure) concerns(text string) bool {
	key, _, _ := strings.Cut(text, " ")
	if len(a.groups) == 0 && strings.HasPrefix(key, "Offset") {
		return false // what a group has committed is not about the records
	}
	for _, w := range strings.Fields(text) {
		name, value, _ := strings.Cut(w, "=")
		if name == "part" && slices.Contains(a.Parts, value) || name == "group" && slices.Contains(a.groups, value) {
			return true
		}
	}
	if !a.quorum {
		return false
	}
	return slices.Contains([]string{"Vote", "BeginQuorumEpoch", "EndQuorumEpoch", "BrokerRegistration"}, key)
}

// past gives, for each lane, up to when what happened there could have come to where the failure was seen: the
// failure's past as Lamport has it. It goes back over the messages in the order of their arrivals.
func (p *picture) past() []int64 {
	known := make([]int64, len(p.Lanes))
	for i := range known {
		known[i] = -1
		if len(p.Failed.Lanes) == 0 {
			known[i] = p.Failed.At
		}
	}
	for _, lane := range p.Failed.Lanes {
		known[lane] = p.Failed.At
	}
	order := make([]int, len(p.Messages))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p.Messages[b].To, p.Messages[a].To) })
	for _, i := range order {
		if m := &p.Messages[i]; m.To <= known[m.B] {
			known[m.A] = max(known[m.A], m.From)
		}
	}
	return known
}

// askedFor marks requests that say nothing of their partition, as those of fetch sessions, and whose answers matter.
func (p *picture) askedFor() {
	type way struct {
		a, b int
		key  string
	}
	open := map[way][]int{}
	for i := range p.Messages {
		m := &p.Messages[i]
		key, _, _ := strings.Cut(m.Text, " ")
		if !m.Answer {
			open[way{m.A, m.B, key}] = append(open[way{m.A, m.B, key}], i)
			continue
		}
		asked := open[way{m.B, m.A, key}]
		for n := len(asked) - 1; n >= 0 && m.Matter; n-- { // the last one: those before may have been lost
			if r := &p.Messages[asked[n]]; r.To <= m.From {
				r.Matter = true
				open[way{m.B, m.A, key}] = asked[n+1:]
				break
			}
		}
	}
}

// pointMatters reports whether a moment of a machine is about the failure: the machine has to do with it.
func (p *picture) pointMatters(t *picturePoint) bool {
	if strings.HasPrefix(t.Text, "quorum") || t.Lane >= p.Machines {
		return p.Failed.quorum && t.Lane < p.Machines
	}
	if slices.Contains(p.Failed.Lanes, t.Lane) {
		return true
	}
	for _, part := range p.Parts {
		if part.Matter && len(part.Marks[t.Lane]) > 0 {
			return true
		}
	}
	return false
}

// idle is an answer, or a request, that brings nothing new.
var idle = regexp.MustCompile(`^Fetch answer.* bytes=0\b`)

// list makes the steps.
func (p *picture) list(known []int64) {
	var steps []pictureStep
	for i := range p.Messages {
		m := &p.Messages[i]
		if !m.Matter || idle.MatchString(m.Text) && !strings.Contains(m.Text, "err=") {
			continue
		}
		kind := "request"
		if m.Answer {
			kind = "answer"
		}
		steps = append(steps, pictureStep{At: m.To, A: m.A, B: m.B, Kind: kind, Text: m.Text})
	}
	for _, t := range p.Points {
		if t.Matter && !strings.HasPrefix(t.Text, "listen") {
			steps = append(steps, pictureStep{At: t.At, A: t.Lane, B: t.Lane, Kind: "point", Text: t.Text})
		}
	}
	for _, s := range p.states {
		if slices.Contains(p.Failed.Parts, s.part) && s.At <= known[s.A] {
			steps = append(steps, s)
		}
	}
	for _, b := range p.Bands {
		if b.Kind == "down" || b.From > p.Failed.At {
			continue
		}
		for _, lane := range b.Lanes {
			if p.pointMatters(&picturePoint{Lane: lane}) {
				steps = append(steps, pictureStep{At: b.From, A: lane, B: lane, Kind: "fault",
					Text: fmt.Sprintf("%s, until %.3fs", b.Text, float64(b.To)/1e6)})
				break
			}
		}
	}
	slices.SortStableFunc(steps, func(a, b pictureStep) int { return cmp.Compare(a.At, b.At) })
	for i := range steps {
		for _, m := range offsetName.FindAllStringSubmatch(steps[i].Text, -1) {
			steps[i].Hot = steps[i].Hot || slices.Contains(p.Failed.Offsets, m[1]+m[2])
		}
	}
	p.Earlier = max(len(steps)-mostSteps, 0)
	p.Steps = append(p.Steps, steps[p.Earlier:]...)
}
