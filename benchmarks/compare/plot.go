package main

import (
	"fmt"
	"math"
	"strings"
)

// plot is a picture of the page.
type plot struct {
	name, title string
	draw        func(p *page, title string) string
}

var plots = []plot{
	{"ratios", "Ottla's figures as multiples of Kafka's", drawRatios},
	{"cost", "Broker CPU-seconds per GB", drawCost},
	{"latency", "Acknowledgement latency at a fixed load", drawLatency},
}

// The measures of a picture, in its own units.
const (
	pictureWidth = 900
	labelWidth   = 250
	plotWidth    = pictureWidth - labelWidth - 90
	barHeight    = 13
	gapHeight    = 14
	topHeight    = 46
)

// colours are those of the kinds of brokers, told apart by the colour-blind as well.
var colours = map[string]string{"limit": "#bbbbbb", "limit-sync": "#888888", "ottla": "#0072b2",
	"ottla-cache": "#56b4e9", "kafka": "#d55e00", "kafka-sync": "#e69f00", "nats": "#009e73"}

// picture is an SVG that grows downwards.
type picture struct {
	body strings.Builder
	y    int
}

func (s *picture) text(x, y int, anchor, style, text string) {
	escaped := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
	fmt.Fprintf(&s.body, `<text x="%d" y="%d" text-anchor="%s" %s>%s</text>`+"\n", x, y, anchor, style, escaped)
}

func (s *picture) rect(x, y, width, height int, colour string) {
	fmt.Fprintf(&s.body, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`+"\n", x, y, width, height, colour)
}

func (s *picture) line(x1, y1, x2, y2 int, colour string) {
	fmt.Fprintf(&s.body, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s"/>`+"\n", x1, y1, x2, y2, colour)
}

// whiskers show the least and the most.
func (s *picture) whiskers(from, to, middle int) {
	s.line(from, middle, to, middle, "#222")
	s.line(from, middle-3, from, middle+3, "#222")
	s.line(to, middle-3, to, middle+3, "#222")
}

// finish gives the file.
func (s *picture) finish(title string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d"
 font-family="sans-serif" font-size="12">
<title>%s</title>
<rect width="100%%" height="100%%" fill="white"/>
<text x="12" y="20" font-size="15" font-weight="bold">%s</text>
%s</svg>
`, pictureWidth, s.y+12, title, title, s.body.String())
}

// legend names the colours.
func (s *picture) legend(kinds []kind) {
	x := labelWidth
	for _, k := range kinds {
		s.rect(x, topHeight-16, 10, 10, colours[k.name])
		s.text(x+14, topHeight-7, "start", "", k.name)
		x += 30 + 7*len(k.name)
	}
	s.y = topHeight + 4
}

// drawCost has a group of bars for each workload that has a cost per byte. Each group has a scale of its own: what is
// compared is the brokers.
func drawCost(p *page, title string) string {
	s := new(picture)
	s.legend(p.Kinds)
	for _, w := range p.Workloads {
		most := 0.0
		for _, k := range p.Kinds {
			most = max(most, p.Results.spread(w.name, k.name, "cpu").Max)
		}
		if most == 0 {
			continue
		}
		s.text(12, s.y+barHeight-2, "start", `font-weight="bold"`, w.name)
		s.text(12, s.y+2*barHeight, "start", `font-size="10" fill="#555"`, shorten(w.what))
		for _, k := range p.Kinds {
			v := p.Results.spread(w.name, k.name, "cpu")
			if v.N == 0 {
				continue
			}
			at := func(v float64) int { return labelWidth + int(v/most*plotWidth) }
			s.rect(labelWidth, s.y, at(v.Median)-labelWidth, barHeight-2, colours[k.name])
			s.whiskers(at(v.Min), at(v.Max), s.y+barHeight/2-1)
			s.text(at(v.Max)+6, s.y+barHeight-3, "start", `font-size="11"`, number(v.Median))
			s.y += barHeight
		}
		s.y += gapHeight
	}
	return s.finish(title)
}

// shorten keeps a label within its column.
func shorten(text string) string {
	const most = 44
	if len(text) <= most {
		return text
	}
	cut := strings.LastIndexByte(text[:most], ' ')
	return strings.TrimRight(text[:cut], ",:") + " …"
}

// logScale puts values between two powers of ten on a line.
type logScale struct{ from, to float64 }

func newLogScale(least, most float64) logScale {
	return logScale{math.Floor(math.Log10(least)), max(math.Ceil(math.Log10(most)), math.Floor(math.Log10(least))+1)}
}

func (l logScale) x(v float64) int {
	share := (math.Log10(v) - l.from) / (l.to - l.from)
	return labelWidth + int(min(max(share, 0), 1)*plotWidth)
}

// grid draws a line for each power of ten.
func (l logScale) grid(s *picture, top int, unit string) string {
	g := new(picture)
	for e := l.from; e <= l.to; e++ {
		x := l.x(math.Pow(10, e))
		g.line(x, top, x, s.y, "#dddddd")
		g.text(x, s.y+14, "middle", `fill="#555"`, fmt.Sprintf("%g%s", math.Pow(10, e), unit))
	}
	s.y += 18
	return g.body.String()
}

// drawLatency has a line for each broker and workload: marks at p50, p99 and p99.9.
func drawLatency(p *page, title string) string {
	least, most := math.Inf(1), 0.0
	for _, w := range p.Workloads {
		for _, k := range p.Kinds {
			if v := p.Results.spread(w.name, k.name, "ack50"); v.N > 0 && v.Median > 0 {
				least = min(least, v.Median)
				most = max(most, p.Results.spread(w.name, k.name, "ack999").Median)
			}
		}
	}
	s := &picture{y: topHeight}
	if most == 0 {
		s.text(12, s.y, "start", "", "not measured in this run")
		s.y += barHeight
		return s.finish(title)
	}
	s.text(labelWidth, topHeight-10, "start", `fill="#555"`,
		"from left to right: p50, p99, p99.9 with its figure; medians of the rounds")
	scale := newLogScale(least, most)
	for _, w := range p.Workloads {
		before := s.y
		for _, k := range p.Kinds {
			v := p.Results.spread(w.name, k.name, "ack50")
			if v.N == 0 {
				continue
			}
			s.text(labelWidth-10, s.y+10, "end", "", w.name+", "+k.name)
			from, middle := scale.x(v.Median), scale.x(p.Results.spread(w.name, k.name, "ack99").Median)
			to := scale.x(p.Results.spread(w.name, k.name, "ack999").Median)
			s.line(from, s.y+6, to, s.y+6, colours[k.name])
			for i, x := range []int{from, middle, to} {
				fmt.Fprintf(&s.body, `<circle cx="%d" cy="%d" r="%d" fill="%s"/>`+"\n", x, s.y+6, 3+i, colours[k.name])
			}
			last := p.Results.spread(w.name, k.name, "ack999").Median
			s.text(to+12, s.y+10, "start", `font-size="11"`, number(last)+" ms")
			s.y += barHeight + 5
		}
		if s.y > before {
			s.y += gapHeight / 2
		}
	}
	body := s.body.String()
	s.body.Reset()
	s.body.WriteString(scale.grid(s, topHeight-4, " ms") + body)
	return s.finish(title)
}

// drawRatios has a mark for each ratio of Ottla to Kafka, with a line at 1: left of it is better.
func drawRatios(p *page, title string) string {
	type row struct {
		label string
		v     spread
		kind  string
	}
	var rows []row
	least, most := 1.0, 1.0
	for _, name := range p.names() {
		for _, key := range []string{"cpu", "peak", "idle", "start", "restart", "ack99", "gap"} {
			for _, k := range []string{"ottla", "ottla-cache"} {
				if v := p.Results.ratio(name, k, kafkaName, key); v.N > 0 && v.Min > 0 {
					rows = append(rows, row{name + ": " + ratioLabels[key], v, k})
					least, most = min(least, v.Min), max(most, v.Max)
				}
			}
		}
	}
	s := &picture{}
	var shown []kind
	for _, k := range p.Kinds {
		if strings.HasPrefix(k.name, "ottla") {
			shown = append(shown, k)
		}
	}
	s.legend(shown)
	if len(rows) == 0 {
		s.text(12, s.y+barHeight, "start", "", "Kafka did not take part in this run")
		s.y += 2 * barHeight
		return s.finish(title)
	}
	scale, label := newLogScale(least, most), ""
	for _, r := range rows {
		if r.label != label {
			s.y += 4
			s.text(labelWidth-10, s.y+10, "end", "", r.label)
			label = r.label
		}
		s.whiskers(scale.x(r.v.Min), scale.x(r.v.Max), s.y+6)
		fmt.Fprintf(&s.body, `<circle cx="%d" cy="%d" r="5" fill="%s"/>`+"\n", scale.x(r.v.Median), s.y+6, colours[r.kind])
		s.text(labelWidth+plotWidth+80, s.y+10, "end", `font-size="11"`, number(r.v.Median))
		s.y += barHeight
	}
	s.line(scale.x(1), topHeight, scale.x(1), s.y, "#222")
	s.text(scale.x(1)-8, topHeight-7, "end", `fill="#555"`, "better than Kafka")
	s.text(scale.x(1)+8, topHeight-7, "start", `fill="#555"`, "worse")
	body := s.body.String()
	s.body.Reset()
	s.body.WriteString(scale.grid(s, topHeight, " x") + body)
	return s.finish(title)
}

var ratioLabels = map[string]string{"cpu": "CPU per GB", "peak": "memory under load", "idle": "idle memory",
	"start": "time to first record", "restart": "time to first record", "ack99": "ack p99", "gap": "gap"}
