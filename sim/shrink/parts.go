package shrink

import (
	"slices"
	"strconv"
	"time"

	"ottla.dev/netsim"
	"ottla.dev/sim/fault"
)

// part is something that a plan has many of.
type part struct {
	count  func(p *fault.Plan) int
	remove func(p *fault.Plan, i int)
	at     func(p *fault.Plan, i int) time.Duration // nil: all the time
}

// of is the part that a list is.
func of[T any](list func(p *fault.Plan) *[]T, at func(*T) time.Duration) part {
	t := part{count: func(p *fault.Plan) int { return len(*list(p)) },
		remove: func(p *fault.Plan, i int) { *list(p) = slices.Delete(*list(p), i, i+1) }}
	if at != nil {
		t.at = func(p *fault.Plan, i int) time.Duration { return at(&(*list(p))[i]) }
	}
	return t
}

// parts are all of them, those first whose absence saves the most time.
//
//core:table
var parts = [...]part{
	{count: clients, remove: removeClient},
	of(func(p *fault.Plan) *[]fault.Stop { return &p.Stops }, func(s *fault.Stop) time.Duration { return s.At }),
	of(func(p *fault.Plan) *[]fault.Window { return &p.Faults }, func(w *fault.Window) time.Duration { return w.From }),
	of(func(p *fault.Plan) *[]fault.DirFailure { return &p.DirFailures },
		func(f *fault.DirFailure) time.Duration { return f.At }),
	of(func(p *fault.Plan) *[]fault.Rot { return &p.Rots }, func(r *fault.Rot) time.Duration { return r.At }),
	of(func(p *fault.Plan) *[]fault.Ambush { return &p.Ambushes }, nil),
	of(func(p *fault.Plan) *[]fault.Loss { return &p.Losses }, nil),
	of(func(p *fault.Plan) *[]fault.Late { return &p.Lates }, nil),
	of(windows, func(w *netsim.Window) time.Duration { return w.From }),
	of(func(p *fault.Plan) *[]fault.Operation { return &p.Operations },
		func(o *fault.Operation) time.Duration { return o.At }),
	of(func(p *fault.Plan) *[]fault.Jump { return &p.Jumps }, func(j *fault.Jump) time.Duration { return j.At }),
	{count: func(p *fault.Plan) int { return len(p.Machines) }, remove: removeMachine},
	{count: func(p *fault.Plan) int { return len(p.Topics) }, remove: removeTopic},
	of(paths, nil),
	of(func(p *fault.Plan) *[]fault.Setting { return &p.Static }, nil),
	{count: topicSettings, remove: removeTopicSetting},
}

func windows(p *fault.Plan) *[]netsim.Window {
	if p.Net == nil {
		return &[]netsim.Window{}
	}
	return &p.Net.Windows
}

func paths(p *fault.Plan) *[]netsim.Path {
	if p.Net == nil {
		return &[]netsim.Path{}
	}
	return &p.Net.Paths
}

// place gives where the i-th client is that is there.
func place(p *fault.Plan, i int) int {
	for at := range p.Clients {
		if p.Clients[at].Kind == fault.Absent {
			continue
		}
		if i == 0 {
			return at
		}
		i--
	}
	panic("shrink: no such client")
}

func clients(p *fault.Plan) (n int) {
	for i := range p.Clients {
		if p.Clients[i].Kind != fault.Absent {
			n++
		}
	}
	return n
}

func removeClient(p *fault.Plan, i int) { p.Clients[place(p, i)] = fault.Client{} }

func removeTopic(p *fault.Plan, i int) {
	p.Topics = slices.Delete(p.Topics, i, i+1)
	p.Operations = slices.DeleteFunc(p.Operations, func(o fault.Operation) bool {
		return len(p.Topics) == 0 || o.Topic == i && !ofCluster(o.Kind)
	})
	for j := range p.Operations {
		if o := &p.Operations[j]; o.Topic == i {
			o.Topic, o.Partition = 0, 0
		} else if o.Topic > i {
			o.Topic--
		}
	}
}

// ofCluster reports whether an operation is not about a topic.
func ofCluster(k fault.OperationKind) bool {
	return k == fault.UnregisterBroker || k == fault.RaiseKRaftVersion || k == fault.RemoveVoter || k == fault.AddVoter
}

func topicSettings(p *fault.Plan) (n int) {
	for i := range p.Topics {
		n += len(p.Topics[i].Settings)
	}
	return n
}

func removeTopicSetting(p *fault.Plan, i int) {
	for t := range p.Topics {
		s := &p.Topics[t].Settings
		if i < len(*s) {
			*s = slices.Delete(*s, i, i+1)
			return
		}
		i -= len(*s)
	}
}

// removeMachine takes a machine out, with what happens to it, and numbers those behind it anew. Two stay, since one
// alone is another kind of world.
func removeMachine(p *fault.Plan, m int) {
	if len(p.Machines) <= 2 || p.Brokers == 1 && p.Machines[m].Broker {
		return
	}
	if p.Machines[m].Broker {
		p.Brokers--
	}
	p.Machines = slices.Delete(p.Machines, m, m+1)
	p.Stops = renumbered(p.Stops, m, func(s *fault.Stop) *int { return &s.Node })
	p.Faults = renumbered(p.Faults, m, func(w *fault.Window) *int { return &w.Node })
	p.Jumps = renumbered(p.Jumps, m, func(j *fault.Jump) *int { return &j.Node })
	p.DirFailures = renumbered(p.DirFailures, m, func(f *fault.DirFailure) *int { return &f.Node })
	p.Rots = renumbered(p.Rots, m, func(r *fault.Rot) *int { return &r.Node })
	for i := range p.Operations {
		p.Operations[i].Brokers = renumbered(p.Operations[i].Brokers, int32(m+1), func(b *int32) *int32 { return b })
	}
	p.Operations = slices.DeleteFunc(p.Operations, func(o fault.Operation) bool {
		switch o.Kind {
		case fault.Reassign, fault.UnregisterBroker, fault.RemoveVoter, fault.AddVoter:
			return len(o.Brokers) == 0
		default:
			return false
		}
	})
	for i := range p.Topics {
		t := &p.Topics[i]
		t.Replicas = min(t.Replicas, int16(p.Brokers))
		lower(t.Settings, "min.insync.replicas", int(t.Replicas))
	}
	lower(p.Static, "offsets.topic.replication.factor", p.Brokers)
	removeHost(p.Net, m, p.Hosts())
}

// lower brings a setting down to what is possible.
func lower(settings []fault.Setting, name string, most int) {
	for i := range settings {
		if n, err := strconv.Atoi(settings[i].Value); settings[i].Name == name && err == nil && n > most {
			settings[i].Value = strconv.Itoa(most)
		}
	}
}

func removeHost(s *netsim.Schedule, m, hosts int) {
	host := netsim.Host(m)
	self := func(h *netsim.Host) *netsim.Host { return h }
	s.Windows = slices.DeleteFunc(s.Windows, func(w netsim.Window) bool {
		return slices.Equal(w.Hosts, []netsim.Host{host}) || slices.Equal(w.Peers, []netsim.Host{host})
	})
	for i := range s.Windows {
		w := &s.Windows[i]
		w.Hosts, w.Peers = renumbered(w.Hosts, host, self), renumbered(w.Peers, host, self)
	}
	s.Windows = slices.DeleteFunc(s.Windows, func(w netsim.Window) bool { return w.Check(hosts) != nil })
	s.Paths = renumbered(s.Paths, host, func(p *netsim.Path) *netsim.Host { return &p.From })
	s.Paths = renumbered(s.Paths, host, func(p *netsim.Path) *netsim.Host { return &p.To })
}

// renumbered takes out what is of a number, and numbers what is of higher ones anew.
func renumbered[T any, N ~int | ~int32](list []T, gone N, number func(*T) *N) []T {
	list = slices.DeleteFunc(list, func(t T) bool { return *number(&t) == gone })
	for i := range list {
		if n := number(&list[i]); *n > gone {
			*n--
		}
	}
	return list
}
