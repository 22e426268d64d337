package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"ottla.dev/linearizability"
)

const (
	stopSignal = syscall.SIGTERM
	// startWithin bounds how long a new cluster takes to be there.
	startWithin = 60 * time.Second
	// healWithin bounds how long a cluster without faults takes until all replicas are in sync.
	healWithin = 60 * time.Second
	// readyWithin is how long a round waits for the cluster to be there again, before it goes on anyway.
	readyWithin = 8 * time.Second
	// readWithin bounds the final read.
	readWithin = 3 * time.Minute
)

var errGone = os.ErrProcessDone

// run is a run of chaos under way.
type run struct {
	options  Options
	rng      *rand.Rand
	cluster  *cluster
	network  *network
	observer *observer
	load     *load
	began    time.Time

	kills    atomic.Int64
	round    atomic.Int64
	mu       sync.Mutex
	faults   map[string]int
	trials   []Trial
	problems []string // that make the run fail

	places        map[string]int // that were damaged, by kind of file
	longestRepair time.Duration
}

// Run makes a cluster, does to it what the options say, and tells what came of it. An error means that the run could
// not be made; what is wrong with the cluster is in the result. No process is left in either case.
func Run(ctx context.Context, o Options) (*Result, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	o.plain = o.Drill == DrillPauses || o.Drill == DrillClocks
	r := &run{options: o, rng: random(o.Seed), began: time.Now(), faults: map[string]int{},
		places: map[string]int{}}
	if err := r.build(); err != nil {
		return nil, err
	}
	defer r.close()
	if err := r.up(ctx); err != nil {
		return nil, err
	}
	r.load = newLoad(r.cluster, r.network, fmt.Sprintf("ottla chaos, seed %d", o.Seed))
	r.load.start(o.Rate)
	rounds := r.rounds
	switch {
	case o.PowerCuts > 0:
		rounds = r.powerRounds
	case o.Drill != "":
		rounds = r.drillRounds
	case o.Flips > 0:
		rounds = r.flipRounds
	}
	if err := rounds(ctx); err != nil {
		r.load.stop()
		return nil, err
	}
	return r.finish(ctx)
}

// build makes everything but the processes.
func (r *run) build() (err error) {
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.cluster, err = newCluster(&r.options); err != nil {
		return err
	}
	if r.options.PowerCuts > 0 {
		if err = r.makeDisks(); err != nil {
			return err
		}
	}
	if r.network, err = newNetwork(r.cluster, r.options.Seed); err != nil {
		return err
	}
	r.observer, err = newObserver(r.cluster)
	return err
}

// close leaves nothing behind but files.
func (r *run) close() {
	if r.observer != nil {
		r.observer.close()
	}
	if r.cluster != nil {
		r.cluster.killAll()
		r.removeDisks()
	}
	if r.network != nil {
		r.network.fabric.Close()
	}
}

// say prints a line with the time and the round.
func (r *run) say(format string, args ...any) {
	fmt.Fprintf(r.options.Out, "%7.1fs  round %3d  %s\n", time.Since(r.began).Seconds(), r.round.Load(),
		fmt.Sprintf(format, args...))
}

func (r *run) count(fault string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults[fault]++
}

// note notes a problem, if there is one.
func (r *run) note(err error) {
	if err != nil {
		r.problem("%v", err)
	}
}

func (r *run) problem(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.mu.Lock()
	r.problems = append(r.problems, text)
	r.mu.Unlock()
	r.say("PROBLEM: %s", text)
}

// up starts the brokers and makes the topic.
func (r *run) up(ctx context.Context) error {
	for _, m := range r.cluster.members {
		if err := m.start(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	admin := kadm.NewClient(r.observer.client)
	var configs map[string]*string
	if r.options.Flips > 0 {
		configs = map[string]*string{"internal.segment.bytes": kadm.StringPtr(flipSegment)}
	}
	for {
		made, err := admin.CreateTopic(ctx, partitions, brokers, configs, ledger)
		if err == nil && made.Err == nil {
			break
		}
		if d := r.cluster.takeDeaths(); len(d) > 0 {
			return fmt.Errorf("chaos: %s", d[0])
		}
		if ctx.Err() != nil {
			return fmt.Errorf("chaos: three brokers did not become a cluster within %s: %v; see the logs in %s", startWithin,
				err, r.options.Dir)
		}
		pause(ctx, 200*time.Millisecond)
	}
	if _, ok := r.observer.await(ctx, startWithin, (*view).whole); !ok {
		return fmt.Errorf("chaos: the new topic's replicas are not in sync; see the logs in %s", r.options.Dir)
	}
	if r.network.fabric.Connections() == 0 {
		return errors.New("chaos: the brokers do not dial each other through the proxy")
	}
	r.say("three brokers are there: %v", r.cluster.seeds())
	return nil
}

// more says whether another round is due.
func (r *run) more(ctx context.Context, faultsBegan time.Time) bool {
	o := &r.options
	switch done := int(r.round.Load()); {
	case ctx.Err() != nil:
		return false
	case o.Rounds > 0 && done >= o.Rounds:
		return false
	case o.Length > 0 && time.Since(faultsBegan) >= o.Length:
		return int(r.kills.Load()) < o.Kills
	}
	return true
}

// rounds are the faults.
func (r *run) rounds(ctx context.Context) error {
	began := time.Now()
	var other *lasting
	for r.more(ctx, began) {
		next := time.Now().Add(r.options.Pace)
		r.round.Add(1)
		v, ok := r.observer.await(ctx, readyWithin, func(v *view) bool { return v.ready(2) })
		if !ok {
			r.say("the cluster is not there within %s; going on", readyWithin)
		}
		if other.isOver() && r.rng.IntN(5) < 3 {
			other = r.begin(ctx, v)
		}
		if err := r.strike(ctx, v); err != nil {
			return err
		}
		if err := r.mend(); err != nil {
			return err
		}
		pause(ctx, time.Until(next))
		r.progress()
	}
	if other != nil {
		other.end()
	}
	return nil
}

// mend starts again what ended by itself, which is a problem.
func (r *run) mend() error {
	for _, d := range r.cluster.takeDeaths() {
		r.problem("%s", d)
	}
	for _, m := range r.cluster.members {
		if err := m.start(); err != nil {
			return err
		}
	}
	return nil
}

// progressEvery is how many rounds there are to a line about how it goes.
const progressEvery = 10

func (r *run) progress() {
	if n := r.round.Load(); n%progressEvery == 0 {
		r.say("%d killed, %d records acknowledged, %d read by the group, %d offsets committed, %d topics made",
			r.kills.Load(), r.load.acked.Load(), r.load.read.Load(), r.load.commits.Load(), r.load.topics.Load())
	}
}

// finish heals everything, reads everything and checks everything.
func (r *run) finish(ctx context.Context) (*Result, error) {
	if ctx.Err() != nil {
		r.say("interrupted; what was done so far is checked")
	}
	ctx = context.WithoutCancel(ctx)
	r.network.fabric.Heal()
	for _, m := range r.cluster.members {
		m.resume()
	}
	if err := r.mend(); err != nil {
		return nil, err
	}
	healed := time.Now()
	res := &Result{Seed: r.options.Seed, Seconds: time.Since(r.began).Seconds()}
	v, whole := r.observer.await(ctx, healWithin, (*view).whole)
	res.HealSeconds = time.Since(healed).Seconds()
	if !whole {
		r.problem("%s after the last fault the replicas are not all in sync: %+v", healWithin, v.partitions)
	}
	for _, s := range v.partitions {
		res.Elections += int(s.epoch)
	}
	res.ControllerElections = int(r.observer.epoch.Load())
	r.say("faults are over; all replicas in sync after %.1fs; reading everything", res.HealSeconds)
	r.load.stop()
	r.load.producing.Wait()
	r.load.consuming.Wait()
	pause(ctx, time.Second) // until all brokers have heard of the last topic's deletion
	r.readEverything(ctx)
	last := r.observer.look(ctx)
	for _, d := range r.cluster.takeDeaths() {
		r.problem("%s", d)
	}
	for _, text := range r.cluster.stopAll() {
		r.problem("%s", text)
	}
	r.readLogs()
	r.compare(res, last.partitions)
	for _, text := range r.load.complaints() {
		r.problem("%s", text)
	}
	r.judge(res)
	return res, nil
}

// readEverything makes the final reads of the history.
func (r *run) readEverything(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	listed, err := kadm.NewClient(r.observer.client).ListTopics(ctx)
	if err != nil {
		r.problem("the topics cannot be listed: %v", err)
		return
	}
	topics := []string{ledger}
	for _, name := range r.load.extra {
		if listed.Has(name) && listed[name].Err == nil {
			topics = append(topics, name)
		}
	}
	if err := r.load.readAll(ctx, topics); err != nil {
		r.problem("the final read failed: %v", err)
	}
	if err := r.load.fetchCommitted(ctx); err != nil {
		r.problem("the committed offsets cannot be fetched: %v", err)
	}
}

// confessions begin the lines that no log of a broker may have.
var confessions = []string{"panic:", "fatal error:", "WARNING: DATA RACE"}

// readLogs looks for them: a broker that is killed afterwards tells nobody else.
func (r *run) readLogs() {
	for _, m := range r.cluster.members {
		text, err := os.ReadFile(m.log)
		r.note(err)
		for line := range strings.Lines(string(text)) {
			for _, c := range confessions {
				if strings.HasPrefix(line, c) {
					r.problem("broker %d has written: %s", m.id, strings.TrimSpace(line))
				}
			}
		}
	}
}

// judge checks the history and counts.
func (r *run) judge(res *Result) {
	h := r.load.recorder.History()
	r.say("checking a history of %d operations", len(h.Ops))
	report := linearizability.Check(h)
	res.Report = report
	res.History = r.writeHistory(h)
	res.Rounds, res.Kills = int(r.round.Load()), int(r.kills.Load())
	res.Faults, res.Trials = r.faults, r.trials
	res.Damaged, res.LongestRepairSeconds = r.places, r.longestRepair.Seconds()
	res.Acknowledged, res.Unknown = r.load.acked.Load(), r.load.unknown.Load()
	res.Read, res.Commits, res.Topics = r.load.read.Load(), r.load.commits.Load(), r.load.topics.Load()
	longest, at := r.load.outages.worst()
	res.LongestOutageSeconds, res.LongestOutageAt = longest.Seconds(), at.Seconds()
	res.Verdict = report.Verdict()
	for _, c := range report.Counts {
		res.Anomalies += c.Total - c.Allowed
	}
	res.Problems = r.problems
	if len(res.Problems) > 0 && res.Verdict == linearizability.VerdictOK {
		res.Verdict = linearizability.VerdictAnomalies
	}
}
