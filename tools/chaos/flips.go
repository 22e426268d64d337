package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// flipsAtOnce is how many places of one broker's files are damaged before it is to repair them.
	flipsAtOnce = 50
	// repairWithin bounds how long that takes.
	repairWithin = 90 * time.Second
	// settleFor is how long brokers may take to hear what the controller has decided.
	settleFor = 500 * time.Millisecond
	// sayAfter is how often a broker that is not repaired is talked about.
	sayAfter = 10 * time.Second
	// betweenDamage is for how long there is load between two damages, so that there is something new to damage.
	betweenDamage = time.Second
)

// flipSettings have all kinds of files written often, and everything read again all the time.
var flipSettings = []string{"log.flush.offset.checkpoint.interval.ms=1000", "log.index.interval.bytes=1024",
	"metadata.log.max.record.bytes.between.snapshots=20000", "ottla.scrub.interval.ms=1000",
	"ottla.scrub.bytes.per.second=100000000", "log.segment.delete.delay.ms=1000"}

// flipSegment is the size of segments: there are to be several.
const flipSegment = "200000"

// flipRounds damage the files of one broker at a time, until there were enough places. What is damaged is sound on the
// other two, so that it has to be found and repaired before the next round.
func (r *run) flipRounds(ctx context.Context) error {
	for left := r.options.Flips; left > 0 && ctx.Err() == nil; {
		r.round.Add(1)
		if _, ok := r.observer.await(ctx, healWithin, (*view).whole); !ok {
			return fmt.Errorf("chaos: the replicas are not in sync after %s; see the logs in %s", healWithin, r.options.Dir)
		}
		pause(ctx, betweenDamage)
		done, err := r.flipRound(ctx, min(left, flipsAtOnce))
		if err != nil {
			return err
		}
		if left -= done; r.failed() {
			return nil // the files stay as they are
		}
	}
	return nil
}

// flipRound damages one broker, and waits until that is repaired.
func (r *run) flipRound(ctx context.Context, places int) (int, error) {
	m := r.cluster.members[r.rng.IntN(brokers)]
	how := weighted{{"damage after a stop", 40}, {"damage after kill -9", 35}, {"damage while it runs", 25}}.draw(r.rng)
	live := how == "damage while it runs"
	switch {
	case live:
	case how == "damage after a stop":
		r.note(m.stopped())
		r.inspect(m)
	case m.kill():
		r.kills.Add(1)
	}
	from := r.load.now()
	done, err := damage(m.data, places, live, r.rng)
	if err != nil {
		return 0, err
	}
	r.say("%s: %d places of broker %d", how, len(done), m.id)
	r.count(how)
	for _, s := range done {
		r.places[s.kind]++
		r.count("damage: " + s.how)
	}
	down := skewed(r.rng, 0, 3*time.Second)
	if !live {
		pause(ctx, down)
		if err := m.start(); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	why := r.repaired(ctx, m, done, live)
	took := time.Since(began)
	r.load.fault(how, from)
	if r.longestRepair = max(r.longestRepair, took); why != "" {
		r.problem("%s: broker %d is not repaired after %s: %s; %v", how, m.id, took.Round(time.Second), why, done)
	} else {
		r.say("repaired after %s", took.Round(time.Millisecond))
	}
	return len(done), nil
}

// repaired waits until a broker has again what the others have, and nothing is left of what was damaged. It says what
// is missing if that takes too long.
func (r *run) repaired(ctx context.Context, m *member, done []spot, live bool) (why string) {
	ctx, cancel := context.WithTimeout(ctx, repairWithin)
	defer cancel()
	for waited := time.Now(); ctx.Err() == nil; {
		if time.Since(waited) > sayAfter {
			r.say("still waiting: %s", why)
			waited = time.Now()
		}
		if !m.running() {
			return "the process has ended"
		}
		if why = r.missing(ctx, m, done, live); why == "" {
			return ""
		}
		pause(ctx, 200*time.Millisecond)
	}
	return why
}

// missing says what a broker still lacks.
func (r *run) missing(ctx context.Context, m *member, done []spot, live bool) string {
	c, err := net.DialTimeout("tcp", m.clients, askFor)
	if err != nil {
		return "it does not listen"
	}
	c.Close()
	if _, err := os.Stat(filepath.Join(m.data, "metadata-forgotten")); err == nil {
		return "it lacks metadata"
	}
	pause(ctx, settleFor)
	v := r.observer.look(ctx)
	for at, s := range v.partitions {
		if strings.HasPrefix(at.topic, passing) {
			continue // it comes and goes; those that are left are compared in the end
		}
		name := fmt.Sprintf("%s-%d", at.topic, at.partition)
		for _, o := range r.cluster.members {
			if o == m {
				continue
			}
			mine := filepath.Join(m.data, name)
			if err := sameSoFar(mine, filepath.Join(o.data, name)); err != nil {
				again := r.observer.look(ctx).partitions[at]
				if !live && int(s.leader) == m.id && again == s &&
					sameSoFar(mine, filepath.Join(o.data, name)) != nil {
					r.problem("broker %d leads %s, and its log is not that of broker %d: %v", m.id, name, o.id, err)
				}
				return fmt.Sprintf("%s: %v", name, err)
			}
		}
	}
	for _, s := range done {
		if s.still() {
			return "it has left " + s.String()
		}
	}
	if !v.whole() {
		return fmt.Sprintf("replicas are not in sync: %+v", v.partitions)
	}
	return ""
}

// sameSoFar compares the batches of two replicas that may be growing, as far as both have them.
func sameSoFar(a, b string) error {
	_, err := sameLog(a, b)
	if errors.As(err, &longer{}) {
		return nil
	}
	return err
}

// failed reports whether something is wrong already.
func (r *run) failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.problems) > 0
}

// inspect looks at the folder of a broker that was stopped cleanly.
func (r *run) inspect(m *member) {
	if r.options.Flips > 0 {
		r.note(tidy(m.data))
	}
	if r.options.Inspect == nil {
		return
	}
	problems, err := r.options.Inspect(m.data)
	r.note(err)
	for _, p := range problems {
		r.problem("broker %d: %s", m.id, p)
	}
}
