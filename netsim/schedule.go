package netsim

import (
	"fmt"
	"strconv"
	"time"
)

// MaxWindows is the largest number of fault windows of a schedule.
const MaxWindows = 10_000

// Schedule is a network and the faults that it will have, as data: it can be printed, parsed again, cut down and
// replayed.
type Schedule struct {
	Settings Settings
	// Paths are the links that differ from Settings.Link.
	Paths   []Path
	Windows []Window
}

// Check tells what is wrong with the schedule for a network with so many hosts.
func (s *Schedule) Check(hosts int) error {
	if hosts < 1 || hosts > MaxHosts {
		return fmt.Errorf("netsim: %d hosts, at most %d", hosts, MaxHosts)
	}
	if err := s.Settings.check(); err != nil {
		return err
	}
	for _, p := range s.Paths {
		if p.From < 0 || int(p.From) >= hosts || p.To < 0 || int(p.To) >= hosts {
			return fmt.Errorf("netsim: no path from %d to %d", p.From, p.To)
		}
		if err := p.Link.check(); err != nil {
			return err
		}
	}
	if len(s.Windows) > MaxWindows {
		return fmt.Errorf("netsim: %d windows, at most %d", len(s.Windows), MaxWindows)
	}
	for i := range s.Windows {
		if err := s.Windows[i].Check(hosts); err != nil {
			return err
		}
	}
	return nil
}

// LinkOf is what the way from one host to another is like without faults.
func (s *Schedule) LinkOf(from, to Host) Link {
	link := s.Settings.Link
	for _, p := range s.Paths {
		if p.From == from && p.To == to {
			link = p.Link
		}
	}
	return link
}

// String gives the schedule's text.
func (s *Schedule) String() string { return string(s.AppendText(nil)) }

// AppendText appends the schedule, one thing a line, without the values that are zero. Parse reads it.
func (s *Schedule) AppendText(dst []byte) []byte {
	dst = s.Settings.Link.appendText(append(dst, "settings"...))
	dst = appendTime(dst, "connect-timeout", s.Settings.ConnectTimeout)
	dst = appendTime(dst, "write-timeout", s.Settings.WriteTimeout)
	dst = append(appendTime(dst, "retransmit-max", s.Settings.RetransmitMax), '\n')
	for _, p := range s.Paths {
		dst = strconv.AppendInt(append(dst, "path src="...), int64(p.From), 10)
		dst = strconv.AppendInt(append(dst, " dst="...), int64(p.To), 10)
		dst = append(p.Link.appendText(dst), '\n')
	}
	for i := range s.Windows {
		dst = append(s.Windows[i].AppendText(dst), '\n')
	}
	return dst
}

func (l Link) appendText(dst []byte) []byte {
	dst = appendTime(dst, "delay-min", l.DelayMin)
	dst = appendTime(dst, "delay-mean", l.DelayMean)
	dst = appendNumber(dst, "bandwidth", l.Bandwidth)
	return appendNumber(dst, "queue", l.Queue)
}

// String gives the window's line.
func (w *Window) String() string { return string(w.AppendText(nil)) }

// AppendText appends the window as a line without its end.
func (w *Window) AppendText(dst []byte) []byte {
	dst = append(dst, w.Kind.String()...)
	dst = appendTime(dst, "from", w.From)
	dst = appendTime(dst, "to", w.To)
	dst = appendHosts(dst, "hosts", w.Hosts)
	dst = appendHosts(dst, "peers", w.Peers)
	dst = appendTime(dst, "every", w.Every)
	if w.OneIn > 0 {
		dst = strconv.AppendUint(append(dst, " one-in="...), w.OneIn, 10)
	}
	dst = appendTime(dst, "delay", w.Delay)
	return appendNumber(dst, "bandwidth", w.Bandwidth)
}

func appendTime(dst []byte, name string, d time.Duration) []byte {
	switch d {
	case 0:
		return dst
	case Never:
		return append(append(append(dst, ' '), name...), "=never"...)
	}
	dst = append(append(append(dst, ' '), name...), '=')
	return append(dst, d.String()...)
}

func appendNumber(dst []byte, name string, n int64) []byte {
	if n == 0 {
		return dst
	}
	dst = append(append(append(dst, ' '), name...), '=')
	return strconv.AppendInt(dst, n, 10)
}

func appendHosts(dst []byte, name string, hosts []Host) []byte {
	for i, h := range hosts {
		if i == 0 {
			dst = append(append(append(dst, ' '), name...), '=')
		} else {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, int64(h), 10)
	}
	return dst
}
