package proxy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"ottla.dev/netsim"
)

// ErrClosed says that the fabric is closed.
var ErrClosed = errors.New("proxy: closed")

// Fabric is a set of paths between hosts, and the faults on them. Its methods may be called from anywhere.
type Fabric struct {
	hosts    int
	schedule *netsim.Schedule
	epoch    time.Time
	stop     context.CancelFunc
	done     context.Context
	poke     chan struct{} // the windows have changed
	running  sync.WaitGroup
	fired    [netsim.Kinds]atomic.Uint64
	tunnels  atomic.Int64

	mu      sync.Mutex
	rng     *rand.Rand
	windows []netsim.Window // by the time since epoch
	healed  int             // windows before the first
	paths   []*path
}

// New returns a fabric for so many hosts. The settings of the schedule hold at once, its faults begin with Start.
func New(hosts int, seed uint64, s *netsim.Schedule) (*Fabric, error) {
	if err := s.Check(hosts); err != nil {
		return nil, err
	}
	done, stop := context.WithCancel(context.Background())
	f := &Fabric{hosts: hosts, schedule: s, epoch: time.Now(), stop: stop, done: done,
		poke: make(chan struct{}, 1), rng: rand.New(rand.NewPCG(seed, 0))}
	f.running.Add(1)
	go f.run()
	return f, nil
}

// Close ends all connections with resets, and returns when everything has stopped.
func (f *Fabric) Close() {
	f.mu.Lock()
	f.stop()
	f.mu.Unlock()
	f.running.Wait()
}

// Path makes a path from one host to another and returns the address to dial. It listens on that address, or on a free
// port of 127.0.0.1 if it is empty, and forwards to the target, an address that need not be listened on yet.
func (f *Fabric) Path(from, to netsim.Host, listen, target string) (addr string, err error) {
	if from < 0 || int(from) >= f.hosts || to < 0 || int(to) >= f.hosts || from == to {
		return "", fmt.Errorf("proxy: no path from %d to %d", from, to)
	}
	p, err := newPath(f, from, to, listen, target)
	if err != nil {
		return "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done.Err() != nil {
		p.port.release()
		return "", ErrClosed
	}
	f.paths = append(f.paths, p)
	p.refresh(f.windows, f.now())
	f.running.Add(1)
	go p.serve()
	return p.port.addr, nil
}

func (f *Fabric) now() time.Duration { return time.Since(f.epoch) }

// Start begins the schedule's faults: its time 0 is now.
func (f *Fabric) Start() {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	for _, w := range f.schedule.Windows {
		w.From += now
		if w.To != netsim.Never {
			w.To += now
		}
		f.windows = append(f.windows, w)
	}
	f.refresh()
}

// Begin starts a fault at once; its From is set, its To is how long it lasts, or 0 until Finish of the handle.
func (f *Fabric) Begin(w netsim.Window) (handle int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.From = f.now()
	if w.To == 0 {
		w.To = netsim.Never
	} else {
		w.To += w.From
	}
	if err := w.Check(f.hosts); err != nil {
		return 0, err
	}
	f.windows = append(f.windows, w)
	f.refresh()
	return f.healed + len(f.windows) - 1, nil
}

// Finish ends a fault that Begin started.
func (f *Fabric) Finish(handle int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := handle - f.healed; i >= 0 && i < len(f.windows) {
		f.windows[i].To = min(f.windows[i].To, max(f.now(), f.windows[i].From))
		f.refresh()
	}
}

// Heal ends all faults, those to come too. Connections that swallow everything are reset.
func (f *Fabric) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.healed += len(f.windows)
	f.windows = nil
	f.refresh()
	for _, p := range f.paths {
		for _, t := range p.open() {
			if t.dark.Load() {
				t.reset(0)
				t.reset(1)
			}
		}
	}
}

// Strike hits all connections of a path with a fault that strikes: LoseAnswer with the next answer, Fragment with the
// next bytes of the dialer, the others at once. It returns how many there were.
func (f *Fabric) Strike(k netsim.Kind, from, to netsim.Host) (hit int) {
	if !k.Strikes() {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.paths {
		if p.from != from || p.to != to {
			continue
		}
		for _, t := range p.open() {
			hit++
			switch k {
			case netsim.LoseAnswer:
				t.doom[1].Store(uint32(k))
			case netsim.Fragment:
				t.doom[0].Store(uint32(k))
			default:
				t.strike(k, f.rng.IntN(2))
				f.fired[k].Add(1)
			}
		}
	}
	return hit
}

// Fired is how often a kind of fault held, slowed or struck something.
func (f *Fabric) Fired(k netsim.Kind) uint64 { return f.fired[k].Load() }

// Connections is how many connections the paths carry now.
func (f *Fabric) Connections() int { return int(f.tunnels.Load()) }

// run follows the edges of the windows.
func (f *Fabric) run() {
	defer f.running.Done()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		f.mu.Lock()
		now := f.now()
		for _, p := range f.paths {
			p.refresh(f.windows, now)
		}
		next, ok := netsim.NextEdge(f.windows, now)
		f.mu.Unlock()
		if ok {
			timer.Reset(next - now)
		} else {
			timer.Stop()
		}
		select {
		case <-timer.C:
		case <-f.poke:
		case <-f.done.Done():
			return
		}
	}
}

// refresh makes a change of the windows felt at once. The caller holds mu.
func (f *Fabric) refresh() {
	now := f.now()
	for _, p := range f.paths {
		p.refresh(f.windows, now)
	}
	nudge(f.poke)
}

// nudge wakes whoever waits for c, now or the next time.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// draw calls fn with the random stream.
func (f *Fabric) draw(fn func(r *rand.Rand)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn(f.rng)
}
