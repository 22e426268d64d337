package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.dev/linearizability"
)

// Drills are faults of one kind after another under load, each of them measured.
const (
	DrillPauses     = "pauses"
	DrillPartitions = "partitions"
	DrillSlowLinks  = "slow-links"
	DrillClocks     = "clocks"
)

// drills are those that there are, with what is done in a round.
var drills = map[string]func(r *run, ctx context.Context) (Trial, error){
	DrillPauses: (*run).drillPause, DrillPartitions: (*run).drillPartition, DrillSlowLinks: (*run).drillLinks,
	DrillClocks: (*run).drillClock,
}

// What a drill allows.
const (
	// writesWithin is when every partition must take writes again, from the fault on.
	writesWithin = 10 * time.Second
	// inSyncWithin is when all replicas must be in sync, from the end of the fault on.
	inSyncWithin = 30 * time.Second
)

// Trial is one fault of a drill and what it did.
type Trial struct {
	Fault  string `json:"fault"`
	Broker int    `json:"broker"`
	// Seconds is how long the fault lasted.
	Seconds float64 `json:"seconds"`
	// Writes is when a record was acknowledged that a client sent which had not known the cluster before, in seconds from
	// the fault on, of all partitions the last.
	Writes float64 `json:"writes_after_seconds"`
	// Moved says that another broker led afterwards.
	Moved bool `json:"moved"`
	// InSync is how long after the fault all replicas were in sync.
	InSync float64 `json:"in_sync_after_seconds"`
	// Stale counts the records that the deposed leader was sent by clients that knew no other broker, StaleAcked and
	// StaleAckedOne those that it acknowledged, with acks=all and with acks=1.
	Stale         int `json:"stale_writes"`
	StaleAcked    int `json:"stale_writes_acknowledged"`
	StaleAckedOne int `json:"stale_writes_acknowledged_acks_1"`
	// Elections counts leaders and controllers that changed where nothing was to change.
	Elections int `json:"elections"`
	// Half and Most are the median and the 99th percentile of how long producers waited for an answer, in seconds.
	Half float64 `json:"p50_seconds,omitempty"`
	Most float64 `json:"p99_seconds,omitempty"`
}

// drillRounds does one trial after the other.
func (r *run) drillRounds(ctx context.Context) error {
	began := time.Now()
	for r.more(ctx, began) {
		r.round.Add(1)
		if _, ok := r.observer.await(ctx, healWithin, (*view).whole); !ok && ctx.Err() == nil {
			r.problem("the replicas are not all in sync %s after a fault", healWithin)
		}
		pause(ctx, between(r.rng, time.Second, 3*time.Second)) // under load
		from := r.load.now()
		t, err := drills[r.options.Drill](r, ctx)
		if err != nil || ctx.Err() != nil {
			return err
		}
		r.load.fault(t.Fault, from)
		r.count(t.Fault)
		r.trials = append(r.trials, t)
		r.say("%s of broker %d for %.1fs: writes after %.2fs, moved %v, in sync %.2fs after it; %d of %d stale writes "+
			"acknowledged, %d with acks=1", t.Fault, t.Broker, t.Seconds, t.Writes, t.Moved, t.InSync, t.StaleAcked, t.Stale,
			t.StaleAckedOne)
		if err := r.mend(); err != nil {
			return err
		}
		r.progress()
	}
	return nil
}

// attempt is how long a client that is made for one record may try, attemptEvery how often there is a new one.
const (
	attempt      = 4 * time.Second
	attemptEvery = 250 * time.Millisecond
)

// writesAgain waits until each of some partitions takes a record that is sent from now on, by clients that know of the
// cluster what brokers other than one tell them, and returns how long after began that was.
func (r *run) writesAgain(ctx context.Context, began time.Time, not *member, parts []int32) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, failoverWithin)
	defer cancel()
	var seeds []string
	for _, m := range r.cluster.members {
		if m != not {
			seeds = append(seeds, m.clients)
		}
	}
	slowest := make([]atomic.Int64, partitions)
	for ctx.Err() == nil {
		open := 0
		for _, p := range parts {
			if slowest[p].Load() > 0 {
				continue
			}
			open++
			go func() {
				if r.tryOnce(ctx, p, seeds, kgo.AllISRAcks(), false) == nil {
					slowest[p].CompareAndSwap(0, int64(time.Since(began)))
				}
			}()
		}
		if open == 0 {
			break
		}
		pause(ctx, attemptEvery)
	}
	worst := time.Duration(0)
	for _, p := range parts {
		if d := time.Duration(slowest[p].Load()); d == 0 {
			return failoverWithin
		} else if d > worst {
			worst = d
		}
	}
	return worst
}

var errNotTried = errors.New("chaos: the record was not sent")

// tryOnce sends one record with a client of its own, which dials the seeds alone if it is to know nobody else.
func (r *run) tryOnce(ctx context.Context, partition int32, seeds []string, acks kgo.Acks, alone bool) error {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	more := append(producerOptions(), kgo.SeedBrokers(seeds...), kgo.RequiredAcks(acks), kgo.ProducerLinger(0))
	if acks != kgo.AllISRAcks() {
		more = append(more, kgo.DisableIdempotentWrite())
	}
	if alone {
		more = append(more, kgo.Dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
			if !slices.Contains(seeds, address) {
				return nil, errNotTried
			}
			return r.network.dial(ctx, network, address)
		}))
	}
	client := r.load.client(more...)
	defer client.Close()
	process := r.load.process.Add(1)
	value := fmt.Sprintf("%d-trial", process)
	id := r.load.begin(linearizability.Send, process, func(op *linearizability.Op) {
		op.Partition = linearizability.Partition{Topic: ledger, Index: partition}
		op.Values, op.Idempotent = []string{value}, acks == kgo.AllISRAcks()
		if acks != kgo.AllISRAcks() {
			op.Acks = 1
		}
	})
	record := &kgo.Record{Topic: ledger, Partition: partition, Value: []byte(value)}
	// A record that may have been written is not given up by the client with its context, only with the client itself.
	answered := make(chan error, 1)
	client.Produce(ctx, record, func(_ *kgo.Record, err error) { answered <- err })
	var err error
	select {
	case err = <-answered:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		r.load.end(id, err, nil)
		return err
	}
	if acks != kgo.AllISRAcks() {
		r.load.end(id, errNotTried, nil) // nobody may rely on it
		return nil
	}
	r.load.end(id, nil, func(op *linearizability.Op) { op.Offset = record.Offset })
	r.load.acked.Add(1)
	return nil
}

// staleWrites sends records to a broker that is no leader any more, or soon learns that it is not, by clients that know
// nobody else, until ctx is over. The count of those that were acknowledged is returned for acks=all and acks=1.
func (r *run) staleWrites(ctx context.Context, m *member, partition int32) (sent, all, one int) {
	for n := 0; ctx.Err() == nil; n++ {
		acks := kgo.AllISRAcks()
		if n%2 == 1 {
			acks = kgo.LeaderAck()
		}
		sent++
		if r.tryOnce(ctx, partition, []string{m.clients}, acks, true) != nil {
			pause(ctx, 20*time.Millisecond)
			continue
		}
		if v := r.observer.look(context.WithoutCancel(ctx)); int(v.partitions[where{ledger, partition}].leader) == m.id {
			continue // it leads
		}
		if n%2 == 1 {
			one++
		} else {
			all++
		}
	}
	return sent, all, one
}

// missed notes what a trial has taken too long for.
func (r *run) missed(t *Trial) {
	if limit := writesWithin.Seconds(); t.Writes > limit {
		r.problem("%s of broker %d: writes were possible after %.2fs, more than %.0fs", t.Fault, t.Broker, t.Writes, limit)
	}
	if limit := inSyncWithin.Seconds(); t.InSync > limit {
		r.problem("%s of broker %d: in sync after %.2fs, more than %.0fs", t.Fault, t.Broker, t.InSync, limit)
	}
	if t.StaleAcked > 0 {
		r.problem("%s of broker %d: it has acknowledged %d records with acks=all that it had been sent as a leader that was "+
			"none", t.Fault, t.Broker, t.StaleAcked)
	}
}

// inSync waits until all replicas are in sync and returns how long that took.
func (r *run) inSync(ctx context.Context) float64 {
	ended := time.Now()
	r.observer.await(ctx, healWithin, (*view).whole)
	return time.Since(ended).Seconds()
}

// writeTrials writes the table of a drill: by fault, least, median and most.
func writeTrials(to io.Writer, all []Trial) error {
	var names []string
	for _, t := range all {
		if !slices.Contains(names, t.Fault) {
			names = append(names, t.Fault)
		}
	}
	out := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "fault\ttimes\tmoved\twrites after: least\tmedian\tmost\tin sync after: least\tmedian\tmost"+
		"\tstale writes\tacknowledged\twith acks=1\telections\tp50\tp99")
	for _, name := range names {
		var writes, whole []float64
		var sum Trial
		moved := 0
		for _, t := range all {
			if t.Fault != name {
				continue
			}
			writes, whole = append(writes, t.Writes), append(whole, t.InSync)
			sum.Stale += t.Stale
			sum.StaleAcked += t.StaleAcked
			sum.StaleAckedOne += t.StaleAckedOne
			sum.Elections += t.Elections
			sum.Half, sum.Most = max(sum.Half, t.Half), max(sum.Most, t.Most)
			if t.Moved {
				moved++
			}
		}
		fmt.Fprintf(out, "%s\t%d\t%d\t%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\n", name, len(writes), moved, spread(writes),
			spread(whole), sum.Stale, sum.StaleAcked, sum.StaleAckedOne, sum.Elections, seconds(sum.Half), seconds(sum.Most))
	}
	return out.Flush()
}

// seconds is a time, or a dash for none.
func seconds(s float64) string {
	if s == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3fs", s)
}

// drillNames are for messages.
func drillNames() string {
	var names []string
	for name := range drills {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
