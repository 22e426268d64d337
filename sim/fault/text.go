package fault

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"

	"ottla.dev/core/config"
)

// Bounds of what a plan that somebody has written may ask for.
const (
	maxShards     = 64
	maxClients    = 200
	maxTopics     = 50
	maxPartitions = 100
	maxLines      = 10_000
	maxInFlight   = 100
	maxRecords    = 10_000
	maxValue      = 1 << 20
	maxOneIn      = 1 << 30
)

// AppendText appends the plan, one thing a line, without what is zero. [Parse] reads it.
func (p *Plan) AppendText(dst []byte) []byte {
	dst = append(dst, "ottla-plan "+strconv.Itoa(Format)+"\n"...)
	line := func(what string, each func(*fields)) {
		f := fields{writing: true, text: append(dst, what...)}
		each(&f)
		dst = append(f.text, '\n')
	}
	line("world", p.fields)
	if p.Delays != (Delays{}) {
		line("delays", p.Delays.fields)
	}
	for i := range p.Machines {
		line("machine", func(f *fields) { p.Machines[i].fields(f, i) })
	}
	for _, s := range p.Static {
		line("broker", func(f *fields) { f.write(s.Name, s.Value) })
	}
	for i := range p.Topics {
		line("topic", func(f *fields) { p.Topics[i].fields(f, p) })
	}
	for i := range p.Clients {
		if p.Clients[i].Kind != Absent {
			line("client", func(f *fields) { p.Clients[i].fields(f, &i) })
		}
	}
	for i := range p.Faults {
		line("fault", func(f *fields) { p.Faults[i].fields(f, p) })
	}
	for i := range p.Stops {
		line("stop", func(f *fields) { p.Stops[i].fields(f, p) })
	}
	for i := range p.DirFailures {
		line("directory-failure", func(f *fields) { p.DirFailures[i].fields(f, p) })
	}
	for i := range p.Rots {
		line("rot", func(f *fields) { p.Rots[i].fields(f, p) })
	}
	for i := range p.Ambushes {
		line("ambush", p.Ambushes[i].fields)
	}
	for i := range p.Losses {
		line("loss", p.Losses[i].fields)
	}
	for i := range p.Lates {
		line("late", p.Lates[i].fields)
	}
	for i := range p.Operations {
		line("operation", func(f *fields) { p.Operations[i].fields(f, p) })
	}
	for i := range p.Jumps {
		line("clock", func(f *fields) { p.Jumps[i].fields(f, p) })
	}
	if p.Net != nil {
		for l := range bytes.Lines(p.Net.AppendText(nil)) {
			if string(l) != "settings\n" {
				dst = append(append(dst, "net "...), l...)
			}
		}
	}
	return dst
}

// String gives the plan's text.
func (p *Plan) String() string { return string(p.AppendText(nil)) }

func (p *Plan) fields(f *fields) {
	f.unsigned("seed", &p.Seed, 0)
	f.unsigned("salt", &p.Salt, 0)
	f.time("duration", &p.Duration, 0)
	number(f, "shards", &p.Shards, 1, maxShards)
	number(f, "brokers", &p.Brokers, 0, MaxBrokers)
	slots := len(p.Clients)
	number(f, "clients", &slots, 0, maxClients)
	if !f.writing && f.err == nil {
		p.Clients = make([]Client, slots)
	}
	if f.writing && p.Dirs > 1 || !f.writing {
		number(f, "directories", &p.Dirs, 0, maxDirs)
		p.Dirs = max(p.Dirs, 1)
	}
	f.flag("dynamic-voters", &p.Dynamic)
	f.flag("unordered-names", &p.UnorderedNames)
	f.flag("stale-cache", &p.StaleCache)
}

func (d *Delays) fields(f *fields) {
	f.time("message", &d.Message, 0)
	f.time("write", &d.Write, 0)
	f.time("sync", &d.Sync, 0)
	f.time("network", &d.Network, 0)
	f.time("job", &d.JobStep, 0)
	f.time("stall", &d.Stall, 0)
	f.time("round", &d.Round, 0)
}

func (m *Machine) fields(f *fields, i int) {
	at := i
	if f.ordinal(&at); at != i {
		f.fail("machine %d comes after machine %d", at, i-1)
	}
	f.flag("broker", &m.Broker)
	f.flag("controller", &m.Controller)
	f.flag("voter", &m.Voter)
	f.word("rack", &m.Rack)
	f.time("joins", &m.Joins, 0)
	f.time("skew", &m.Skew, -longest)
	number(f, "drift-ppm", &m.Drift, -million/2, million/2)
	if m.Voter && !m.Controller || !m.Broker && !m.Controller {
		f.fail("a machine is a broker or a controller, and a voter is a controller")
	}
}

const million = 1_000_000

func (t *Topic) fields(f *fields, p *Plan) {
	f.first("name", &t.Name)
	number(f, "partitions", &t.Partitions, 1, maxPartitions)
	number(f, "replicas", &t.Replicas, 0, int16(max(p.Brokers, 1)))
	if f.writing {
		for _, s := range t.Settings {
			f.write(s.Name, s.Value)
		}
		return
	}
	for i, name := range f.names {
		if slices.Contains(f.names[:i], name) {
			f.fail("%s is there twice", name)
		}
		if err := config.ValidateTopic(name, f.values[i]); err != nil {
			f.fail("%w", err)
		}
		t.Settings = append(t.Settings, Setting{name, f.values[i]})
	}
	f.names, f.values = nil, nil
	if t.Name == "" || strings.ContainsFunc(t.Name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}) {
		f.fail("%q is no name of a plan's topic: small letters and digits", t.Name)
	}
	if p.topic(t.Name) >= 0 {
		f.fail("a second topic %s", t.Name)
	}
	t.derive()
}

// topic finds a topic by its name, or gives -1.
func (p *Plan) topic(name string) int {
	return slices.IndexFunc(p.Topics, func(t Topic) bool { return t.Name == name })
}

// derive finds what the settings say.
func (t *Topic) derive() {
	value := func(name string, absent int64) int64 {
		for _, s := range t.Settings {
			if s.Name == name {
				n, _ := strconv.ParseInt(s.Value, 10, 64)
				return n
			}
		}
		return absent
	}
	t.SegmentBytes = int(value("internal.segment.bytes", value("segment.bytes", 1<<30)))
	t.IndexInterval = value("index.interval.bytes", 4096)
	t.MaxMessage = int(value("max.message.bytes", 1048588))
	t.Caching = slices.Contains(t.Settings, Setting{"write.caching", "true"})
	t.Retained = value("retention.bytes", -1) < 0 && value("retention.ms", -1) < 0
}

func (c *Client) fields(f *fields, at *int) {
	f.ordinal(at)
	kind(f, &c.Kind, Stranger)
	f.flag("idempotent", &c.Idempotent)
	number(f, "acks", &c.Acks, -1, 1)
	least := map[bool]int{true: 1}[c.Kind == Producer]
	number(f, "in-flight", &c.InFlight, least, maxInFlight)
	f.time("pause", &c.Pause, 0)
	number(f, "records", &c.MaxRecords, least, maxRecords)
	number(f, "value", &c.MaxValue, least, maxValue)
	number(f, "requests", &c.Requests, 0, maxOneIn)
	f.word("group", &c.Group)
	number(f, "drop-one-in", &c.Drop, 0, maxOneIn)
	number(f, "bad-one-in", &c.Bad, 0, maxOneIn)
	number(f, "sequence", &c.Sequence, 0, math.MaxInt32)
	number(f, "epoch", &c.Epoch, 0, math.MaxInt16)
	f.time("session", &c.Session, 0)
	f.time("patience", &c.Patience, 0)
	f.flag("old", &c.Old)
	f.word("instance", &c.Instance)
	number(f, "restart-one-in", &c.Restart, 0, maxOneIn)
	number(f, "late-one-in", &c.Late, 0, maxOneIn)
	number(f, "rest-one-in", &c.Rest, 0, maxOneIn)
	number(f, "bump-one-in", &c.Bump, 0, maxOneIn)
	f.flag("epochs", &c.Epochs)
	number(f, "delete-one-in", &c.Delete, 0, maxOneIn)
	number(f, "odd-one-in", &c.Odd, 0, maxOneIn)
}

// node is a machine by its number.
func (p *Plan) node(f *fields, v *int) { number(f, "node", v, 0, max(len(p.Machines), 1)-1) }

func (w *Window) fields(f *fields, p *Plan) {
	kind(f, &w.Kind, Pause)
	p.node(f, &w.Node)
	f.time("from", &w.From, 0)
	f.time("to", &w.To, w.From)
	f.unsigned("one-in", &w.Rate, 1)
}

func (s *Stop) fields(f *fields, p *Plan) {
	kind(f, &s.Kind, Crash)
	p.node(f, &s.Node)
	f.time("at", &s.At, 0)
	f.flag("wipe", &s.Wipe)
	f.flag("pending", &s.Pending)
	f.time("down", &s.Down, 0)
	f.time("crash-after", &s.Crash, 0)
	numbers(f, "again", &s.Again, 1, maxOneIn)
}

func (o *Operation) fields(f *fields, p *Plan) {
	kind(f, &o.Kind, LastOperation)
	f.time("at", &o.At, 0)
	name := ""
	if f.writing {
		name = p.Topics[o.Topic].Name
	}
	f.word("topic", &name)
	if o.Topic = p.topic(name); o.Topic < 0 {
		f.fail("no topic %q", name)
		return
	}
	f.flag("offsets", &o.Offsets)
	most := p.Topics[o.Topic].Partitions - 1
	if o.Offsets {
		most = maxPartitions
	}
	number(f, "partition", &o.Partition, 0, most)
	number(f, "value", &o.Value, 0, maxPartitions)
	numbers(f, "brokers", &o.Brokers, 1, int32(max(len(p.Machines), 1)))
	switch o.Kind {
	case Reassign, UnregisterBroker, RemoveVoter, AddVoter:
		if len(o.Brokers) == 0 {
			f.fail("%s of no broker", o.Kind)
		}
	default:
	}
}

func (j *Jump) fields(f *fields, p *Plan) {
	p.node(f, &j.Node)
	f.time("at", &j.At, 0)
	f.time("by", &j.By, -longest)
}
