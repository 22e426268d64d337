package netsim

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Parse reads a schedule's text. Lines that are empty or start with # are left out. It checks the form and, with
// Schedule.Check, the sense for a network with so many hosts.
func Parse(text string, hosts int) (*Schedule, error) {
	s := &Schedule{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := s.parseLine(line); err != nil {
			return nil, fmt.Errorf("netsim: line %d: %w", number, err)
		}
	}
	if err := s.Check(hosts); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Schedule) parseLine(line string) error {
	what, rest, _ := strings.Cut(line, " ")
	f := fields{}
	if err := f.split(rest); err != nil {
		return err
	}
	switch kind, ok := parseKind(what); {
	case ok:
		if len(s.Windows) == MaxWindows {
			return fmt.Errorf("more than %d windows", MaxWindows)
		}
		s.Windows = append(s.Windows, f.window(kind))
	case what == "settings":
		s.Settings = Settings{Link: f.link(), ConnectTimeout: f.time("connect-timeout"),
			WriteTimeout: f.time("write-timeout"), RetransmitMax: f.time("retransmit-max")}
	case what == "path":
		if len(s.Paths) == MaxHosts*MaxHosts {
			return fmt.Errorf("more than %d paths", MaxHosts*MaxHosts)
		}
		s.Paths = append(s.Paths, Path{From: f.host("src"), To: f.host("dst"), Link: f.link()})
	default:
		return fmt.Errorf("unknown word %q", what)
	}
	return f.finish()
}

// fields are the name=value words of a line. The first error is kept.
type fields struct {
	names, values []string
	err           error
}

func (f *fields) split(rest string) error {
	for _, word := range strings.Fields(rest) {
		name, value, ok := strings.Cut(word, "=")
		if !ok {
			return fmt.Errorf("%q is no name=value", word)
		}
		f.names, f.values = append(f.names, name), append(f.values, value)
	}
	return nil
}

// take removes a field; absent ones have no value.
func (f *fields) take(name string) (value string, ok bool) {
	for i, n := range f.names {
		if n == name {
			value = f.values[i]
			f.names = append(f.names[:i], f.names[i+1:]...)
			f.values = append(f.values[:i], f.values[i+1:]...)
			return value, true
		}
	}
	return "", false
}

func (f *fields) finish() error {
	if f.err == nil && len(f.names) > 0 {
		return fmt.Errorf("%s is unknown or there twice", f.names[0])
	}
	return f.err
}

func (f *fields) fail(name, value string) {
	if f.err == nil {
		f.err = fmt.Errorf("%s=%s has no meaning", name, value)
	}
}

func (f *fields) time(name string) time.Duration {
	value, ok := f.take(name)
	if !ok {
		return 0
	}
	if value == "never" {
		return Never
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		f.fail(name, value)
	}
	return d
}

func (f *fields) number(name string) int64 {
	value, ok := f.take(name)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		f.fail(name, value)
	}
	return n
}

func (f *fields) host(name string) Host {
	value, _ := f.take(name)
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil {
		f.fail(name, value)
	}
	return Host(n)
}

func (f *fields) hosts(name string) (hosts []Host) {
	value, ok := f.take(name)
	if !ok {
		return nil
	}
	for word := range strings.SplitSeq(value, ",") {
		n, err := strconv.ParseInt(word, 10, 32)
		if err != nil || len(hosts) == MaxHosts {
			f.fail(name, value)
			return nil
		}
		hosts = append(hosts, Host(n))
	}
	return hosts
}

func (f *fields) link() Link {
	return Link{DelayMin: f.time("delay-min"), DelayMean: f.time("delay-mean"), Bandwidth: f.number("bandwidth"),
		Queue: f.number("queue")}
}

func (f *fields) window(kind Kind) Window {
	w := Window{Kind: kind, From: f.time("from"), To: f.time("to"), Hosts: f.hosts("hosts"), Peers: f.hosts("peers"),
		Every: f.time("every"), Delay: f.time("delay"), Bandwidth: f.number("bandwidth")}
	if value, ok := f.take("one-in"); ok {
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			f.fail("one-in", value)
		}
		w.OneIn = n
	}
	return w
}
