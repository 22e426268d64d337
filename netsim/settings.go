package netsim

import (
	"errors"
	"fmt"
	"time"
)

const (
	// DefaultQueue is how many bytes a sender may have under way in one direction of a connection.
	DefaultQueue = 256 << 10
	// DefaultConnectTimeout is how long a dialer waits.
	DefaultConnectTimeout = 10 * time.Second
	// DefaultWriteTimeout is how long bytes stay unacknowledged before their sender gives the connection up.
	DefaultWriteTimeout = 30 * time.Second
	// DefaultRetransmitMax is how long after a partition the first bytes pass, at most.
	DefaultRetransmitMax = time.Second

	// maxDelay keeps sums of times far away from Never.
	maxDelay = 24 * time.Hour
	// maxSpeed is the largest bandwidth in bytes a second that is told apart from none.
	maxSpeed = int64(1e12)
)

// Link is what one direction between two hosts is like.
type Link struct {
	// DelayMin and DelayMean make a delay: the least one and something exponential on top of it.
	// Invariant: DelayMin <= DelayMean.
	DelayMin, DelayMean time.Duration
	// Bandwidth is in bytes a second, shared by all connections; 0 means without limit.
	Bandwidth int64
	// Queue is how many bytes one connection may have under way; 0 means DefaultQueue.
	Queue int64
}

func (l Link) check() error {
	switch {
	case l.DelayMin < 0 || l.DelayMean < l.DelayMin || l.DelayMean > maxDelay:
		return errors.New("netsim: delays must be 0 <= min <= mean <= 24h")
	case l.Bandwidth < 0 || l.Bandwidth > maxSpeed:
		return errors.New("netsim: bandwidth out of range")
	case l.Queue < 0:
		return errors.New("netsim: negative queue")
	}
	return nil
}

func (l Link) queue() int64 {
	if l.Queue == 0 {
		return DefaultQueue
	}
	return l.Queue
}

// transmission is how long size bytes occupy the link.
func (l Link) transmission(size int) time.Duration {
	if l.Bandwidth == 0 {
		return 0
	}
	return time.Duration(int64(size) * int64(time.Second) / l.Bandwidth)
}

// Path is the link from one host to another.
type Path struct {
	From, To Host
	Link     Link
}

// Settings are what a network is like without faults. Zero times stand for the defaults.
type Settings struct {
	// Link is that of every pair of hosts without a Path of its own. A host reaches itself without delay.
	Link Link
	// ConnectTimeout is how long a dialer waits for an answer.
	ConnectTimeout time.Duration
	// WriteTimeout is how long bytes may stay unacknowledged (TCP_USER_TIMEOUT). A connection on which nothing is under
	// way never times out: there are no keep-alives.
	WriteTimeout time.Duration
	// RetransmitMax bounds how long after a partition held-up bytes pass.
	RetransmitMax time.Duration
}

func (s Settings) check() error {
	for _, d := range []time.Duration{s.ConnectTimeout, s.WriteTimeout, s.RetransmitMax} {
		if d < 0 || d > maxDelay {
			return fmt.Errorf("netsim: timeout %v out of range", d)
		}
	}
	return s.Link.check()
}

func (s Settings) withDefaults() Settings {
	set := func(d *time.Duration, otherwise time.Duration) {
		if *d == 0 {
			*d = otherwise
		}
	}
	set(&s.ConnectTimeout, DefaultConnectTimeout)
	set(&s.WriteTimeout, DefaultWriteTimeout)
	set(&s.RetransmitMax, DefaultRetransmitMax)
	return s
}
