package fault

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"ottla.dev/core/config"
	"ottla.dev/netsim"
)

// Parse reads a plan's text. Lines that are empty or begin with # are left out. What is wrong is an error that names
// the line; so is a plan of another version.
func Parse(text string) (*Plan, error) {
	p, r := &Plan{}, &reader{settings: map[string]int{}}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if number > maxLines {
			return nil, fmt.Errorf("line %d: a plan has at most %d lines", number, maxLines)
		}
		settings := len(p.Static)
		if err := r.line(p, line); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if len(p.Static) > settings {
			r.settings[p.Static[settings].Name] = number
		}
	}
	if err := r.end(p); err != nil {
		return nil, err
	}
	if !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("line %d: the line has no end; was the file cut off?", number)
	}
	return p, nil
}

// reader is what the lines so far have been.
type reader struct {
	begun, world bool
	settings     map[string]int // the lines of the brokers' settings
}

func (r *reader) line(p *Plan, line string) error {
	what, rest, _ := strings.Cut(line, " ")
	if !r.begun {
		r.begun = true
		return begins(what, rest)
	}
	if (what == "world") == r.world {
		if r.world {
			return errors.New("a second world")
		}
		return fmt.Errorf("%q comes before the world", what)
	}
	if what == "net" {
		return p.addNet(rest)
	}
	f := &fields{}
	if f.split(rest); f.err != nil {
		return f.err
	}
	switch what {
	case "world":
		r.world = true
		p.fields(f)
	case "delays":
		p.Delays.fields(f)
	case "machine":
		return p.addMachine(f)
	case "broker":
		return p.addSetting(f)
	case "client":
		return p.addClient(f)
	case "topic":
		if len(p.Topics) == maxTopics {
			return fmt.Errorf("more than %d topics", maxTopics)
		}
		var t Topic
		t.fields(f, p)
		p.Topics, p.Partitions = append(p.Topics, t), p.Partitions+int(t.Partitions)
	case "fault":
		p.Faults = append(p.Faults, Window{})
		p.Faults[len(p.Faults)-1].fields(f, p)
	case "stop":
		p.Stops = append(p.Stops, Stop{})
		p.Stops[len(p.Stops)-1].fields(f, p)
	case "directory-failure":
		p.DirFailures = append(p.DirFailures, DirFailure{})
		p.DirFailures[len(p.DirFailures)-1].fields(f, p)
	case "rot":
		p.Rots = append(p.Rots, Rot{})
		p.Rots[len(p.Rots)-1].fields(f, p)
	case "ambush":
		p.addAmbush(f)
	case "loss":
		p.Losses = append(p.Losses, Loss{})
		p.Losses[len(p.Losses)-1].fields(f)
	case "late":
		p.Lates = append(p.Lates, Late{})
		p.Lates[len(p.Lates)-1].fields(f)
	case "operation":
		p.Operations = append(p.Operations, Operation{})
		p.Operations[len(p.Operations)-1].fields(f, p)
	case "clock":
		p.Jumps = append(p.Jumps, Jump{})
		p.Jumps[len(p.Jumps)-1].fields(f, p)
	default:
		return fmt.Errorf("%q is nothing that a plan has", what)
	}
	return f.done()
}

func (p *Plan) addAmbush(f *fields) {
	var a Ambush
	if a.fields(f); a.Networked() && !p.Clustered() {
		f.fail("cuts and answers that get lost are for several machines, and they come first")
	}
	p.Ambushes = append(p.Ambushes, a)
}

// begins reads the first line.
func begins(what, version string) error {
	if what != "ottla-plan" {
		return fmt.Errorf("a plan begins with \"ottla-plan %d\"", Format)
	}
	v, err := strconv.Atoi(strings.TrimSpace(version))
	switch {
	case err != nil:
		return fmt.Errorf("%q is no version of a plan; this one is %d", version, Format)
	case v != Format:
		return fmt.Errorf("a plan of version %d, and this Ottla reads version %d: it would replay something else; "+
			"run it with an Ottla of its time", v, Format)
	}
	return nil
}

func (p *Plan) addMachine(f *fields) error {
	if len(p.Machines) == MaxBrokers+MaxVoters {
		return fmt.Errorf("more than %d machines", MaxBrokers+MaxVoters)
	}
	if len(p.Faults)+len(p.Stops)+len(p.DirFailures)+len(p.Rots)+len(p.Operations)+len(p.Jumps) > 0 || p.Net != nil {
		return errors.New("machines come before what happens to them")
	}
	var m Machine
	m.fields(f, len(p.Machines))
	if m.Broker != (len(p.Machines) < p.Brokers) {
		f.fail("brokers come first, and the world has %d", p.Brokers)
	}
	p.Machines = append(p.Machines, m)
	return f.done()
}

func (p *Plan) addSetting(f *fields) error {
	if len(f.names) != 1 || len(f.bare) > 0 {
		return errors.New("one setting, as name=value")
	}
	s := Setting{f.names[0], f.values[0]}
	if err := config.ValidateBroker(s.Name, s.Value); err != nil {
		return err
	}
	for _, o := range p.Static {
		if o.Name == s.Name {
			return fmt.Errorf("%s is there twice", s.Name)
		}
	}
	p.Static = append(p.Static, s)
	return nil
}

func (p *Plan) addClient(f *fields) error {
	at := -1
	var c Client
	if c.fields(f, &at); f.err != nil {
		return f.err
	}
	if at < 0 || at >= len(p.Clients) {
		return fmt.Errorf("client %d of %d: the world says how many places for clients there are", at, len(p.Clients))
	}
	if p.Clients[at].Kind != Absent {
		return fmt.Errorf("a second client %d", at)
	}
	if c.Kind == Operator && !p.Clustered() {
		return errors.New("an operator is for several machines")
	}
	p.Clients[at] = c
	return f.done()
}

// Hosts is how many hosts the network of a cluster has: the machines, the places for clients, and the auditor.
func (p *Plan) Hosts() int { return len(p.Machines) + len(p.Clients) + 1 }

// addNet reads a line of the network's schedule.
func (p *Plan) addNet(line string) error {
	if !p.Clustered() {
		return errors.New("a network is for several machines, and they come first")
	}
	s, err := netsim.Parse(line, p.Hosts())
	if err != nil {
		return errors.New(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "netsim: "), "line 1: "))
	}
	if p.Net == nil {
		p.Net = &netsim.Schedule{}
	}
	switch {
	case len(s.Windows)+len(s.Paths) > 0:
		p.Net.Windows, p.Net.Paths = append(p.Net.Windows, s.Windows...), append(p.Net.Paths, s.Paths...)
	case p.Net.Settings != netsim.Settings{}:
		return errors.New("the settings of the network are there twice")
	default:
		p.Net.Settings = s.Settings
	}
	return nil
}

// end reports what is missing.
func (r *reader) end(p *Plan) error {
	switch {
	case !r.begun:
		return begins("", "")
	case !r.world:
		return errors.New("at the end: no world")
	case len(p.Topics) == 0:
		return errors.New("at the end: no topic")
	case len(p.Machines) == 1 || len(p.Machines) == 0 && p.Brokers > 1 || len(p.Machines) > 0 && p.Brokers == 0:
		return fmt.Errorf("at the end: %d brokers on %d machines", p.Brokers, len(p.Machines))
	case p.Clustered() && len(p.Machines) < p.Brokers:
		return fmt.Errorf("at the end: %d machines for %d brokers", len(p.Machines), p.Brokers)
	case p.Clustered() && len(p.Voters()) == 0:
		return errors.New("at the end: no voter")
	case len(p.Voters()) > MaxVoters:
		return fmt.Errorf("at the end: more than %d voters", MaxVoters)
	}
	if p.Clustered() && p.Net == nil {
		p.Net = &netsim.Schedule{}
	}
	return r.together(p)
}

// together reports settings that are wrong together, or beside what others are by default.
func (r *reader) together(p *Plan) error {
	errs := config.CheckBroker(config.Layers{Static: p.StaticMap()})
	if len(errs) == 0 {
		return nil
	}
	var wrong *config.Error
	if errors.As(errs[0], &wrong) && r.settings[wrong.Key] > 0 {
		return fmt.Errorf("line %d: %w", r.settings[wrong.Key], errs[0])
	}
	return fmt.Errorf("the settings together: %w", errs[0])
}
