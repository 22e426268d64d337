package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.dev/linearizability"
)

// load is the clients, and what they see.
type load struct {
	seeds    []string
	network  *network
	recorder *linearizability.SharedRecorder
	began    time.Time
	process  atomic.Int32 // the last number given to one

	acked, unknown, read, commits, topics atomic.Int64
	outages                               outages
	waits                                 waits

	producing sync.WaitGroup
	consuming sync.WaitGroup
	stop      context.CancelFunc // of producing and of topics
	stopped   context.Context
	mu        sync.Mutex
	errors    map[string]int // that an application would see and ought not to, and how often
	extra     []string       // topics that may be left
}

// The clients.
const (
	producers  = 6
	members    = 2
	group      = "readers"
	bufferMost = 4000 // records of one producer
)

func newLoad(c *cluster, n *network, note string) *load {
	var allow linearizability.Allow
	if c.options.Drill == DrillPartitions {
		// Clients reach a leader that the others have deposed, and that cannot know it. As in Kafka it answers what it
		// knows, and that may be less than its successor has said.
		allow.Anomalies = []linearizability.Name{linearizability.EndOffsetBack}
	}
	l := &load{seeds: c.seeds(), network: n, began: time.Now(), errors: map[string]int{},
		recorder: linearizability.NewSharedRecorder(note, allow)}
	l.stopped, l.stop = context.WithCancel(context.Background())
	return l
}

// now is the history's clock.
func (l *load) now() int64 { return time.Since(l.began).Nanoseconds() }

// client makes a client that notices soon what has changed.
func (l *load) client(more ...kgo.Opt) *kgo.Client {
	retry := func(int) time.Duration { return 100 * time.Millisecond }
	c, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(l.seeds...), kgo.Dialer(l.network.dial), kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.RetryBackoffFn(retry), kgo.RequestTimeoutOverhead(time.Second), kgo.RequestRetries(1 << 30),
		kgo.RetryTimeout(30 * time.Second), kgo.AlwaysRetryEOF(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}, more...)...)
	if err != nil {
		panic("chaos: " + err.Error()) // the options are ours
	}
	return c
}

// complain notes an error that no correct cluster gives a client.
func (l *load) complain(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errors[fmt.Sprintf(format, args...)]++
}

func (l *load) complaints() (all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, text := range slices.Sorted(maps.Keys(l.errors)) {
		all = append(all, fmt.Sprintf("%s (%d times)", text, l.errors[text]))
	}
	return all
}

// errorName is an error's word in a history.
func errorName(err error) string {
	var code *kerr.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &code):
		return code.Message
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return err.Error()
}

// begin records that an operation has begun.
func (l *load) begin(kind linearizability.Kind, process int32, set func(*linearizability.Op)) int {
	op := linearizability.NewOp(kind, process, l.now())
	set(&op)
	return l.recorder.Call(op)
}

// end records an answer. Clients try again by themselves, and tell of the last try: its failure says nothing of those
// before.
func (l *load) end(id int, err error, fill func(*linearizability.Op)) {
	if err != nil {
		l.recorder.Return(id, l.now(), linearizability.Unknown, errorName(err), nil)
		return
	}
	l.recorder.Return(id, l.now(), linearizability.OK, "", fill)
}

func (l *load) fault(name string, from int64) {
	op := linearizability.NewOp(linearizability.Fault, 0, from)
	op.Name = name
	l.recorder.Add(op.Done(l.now(), linearizability.OK, ""))
}

// start begins everything that goes on for the whole run.
func (l *load) start(rate int) {
	for range producers {
		l.producing.Go(func() { l.produce(l.process.Add(1), rate/producers) })
	}
	l.producing.Go(func() { l.makeTopics(l.process.Add(1)) })
	l.producing.Go(func() { l.askEnds(l.process.Add(1)) })
	for range members {
		l.consuming.Go(l.consume)
	}
}

// outages follow how long producers wait.
type outages struct {
	mu      sync.Mutex
	longest time.Duration
	at      time.Duration
}

func (o *outages) add(waited, at time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if waited > o.longest {
		o.longest, o.at = waited, at
	}
}

func (o *outages) worst() (waited, at time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.longest, o.at
}
