package interop

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// failoverPartitions is how many partitions each producer writes to, so that every broker leads one.
	failoverPartitions = 3
	// failoverSession is how long a broker may be silent in these tests before its partitions move.
	failoverSession = 3 * time.Second
	// longestFailover is how long producers may wait for the leader that follows one that was killed: the session, an
	// election, and the clients' own pauses between tries, on a machine with other work.
	longestFailover = failoverSession + 7*time.Second
	// longestHandover is how long they may wait when a broker is stopped cleanly, which moves its partitions first.
	longestHandover = 3 * time.Second
	// longestLeaderless is how long a partition may be without a leader during that, in what brokers tell clients.
	longestLeaderless = time.Second
)

// A loadProgram is a real producer under a steady load, in a process of its own.
type loadProgram struct {
	name, topic  string
	stdin        io.WriteCloser
	acknowledged atomic.Int64
	done         chan string // the last line, once it has ended
	stderr       bytes.Buffer
}

// startLoads runs the Java client's and librdkafka's producers against the cluster, each with a topic of its own.
func startLoads(ctx context.Context, t *testing.T, c brokerCluster) []*loadProgram {
	t.Helper()
	java := newJVM(t)
	python := cachePath(t, "venv", "bin", "python")
	if r := (program{path: python, args: []string{"-c", "import confluent_kafka"}}).run(); r.err != nil {
		missing(t, "confluent-kafka from node/interop/install.sh", r.err.Error())
	}
	admin := kadm.NewClient(franzAt(t, c.bootstrap()))
	var loads []*loadProgram
	for _, p := range []program{
		{path: java.java, args: java.command(filepath.Join("testdata", "JavaLoad.java")).args},
		{path: python, args: []string{filepath.Join("testdata", "confluent_load.py")}},
	} {
		l := &loadProgram{name: filepath.Base(p.args[len(p.args)-1]), topic: uniqueName("load"), done: make(chan string, 1)}
		if _, err := admin.CreateTopic(ctx, failoverPartitions, 3, nil, l.topic); err != nil {
			t.Fatal(err)
		}
		p.args = append(p.args, c.bootstrap(), l.topic, strconv.Itoa(failoverPartitions))
		l.start(t, p)
		loads = append(loads, l)
	}
	return loads
}

func (l *loadProgram) start(t *testing.T, p program) {
	t.Helper()
	cmd := exec.Command(p.path, p.args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = &l.stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	l.stdin = stdin
	go func() {
		last := "it printed nothing"
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			last = lines.Text()
			if n, ok := strings.CutPrefix(last, "acknowledged "); ok {
				count, _ := strconv.ParseInt(n, 10, 64)
				l.acknowledged.Store(count)
			} else if strings.HasPrefix(last, "error ") {
				t.Errorf("%s: %s", l.name, last)
			}
		}
		if err := cmd.Wait(); err != nil {
			last += ": " + err.Error() + "\n" + l.stderr.String()
		}
		l.done <- last
	}()
}

// awaitMore waits until each producer has had count more answers.
func awaitMore(ctx context.Context, t *testing.T, loads []*loadProgram, count int64) {
	t.Helper()
	for _, l := range loads {
		already := l.acknowledged.Load()
		eventually(ctx, t, fmt.Sprintf("more answers to %s, which had %d", l.name, already), func() bool {
			return l.acknowledged.Load() >= already+count
		})
	}
}

// finish ends the loads and checks what became of them: every record is there once, in the order it was sent, and no
// answer of a partition was later than longest after the one before it.
func finish(ctx context.Context, t *testing.T, c brokerCluster, loads []*loadProgram, longest time.Duration) {
	t.Helper()
	for _, l := range loads {
		fmt.Fprintln(l.stdin, "stop")
		var last string
		select {
		case last = <-l.done:
		case <-ctx.Done():
			t.Fatalf("%s does not end", l.name)
		}
		var sent, acknowledged, failed, ms int64
		const form = "done sent=%d acknowledged=%d failed=%d longest_ms=%d"
		if _, err := fmt.Sscanf(last, form, &sent, &acknowledged, &failed, &ms); err != nil {
			t.Errorf("%s ended with %s", l.name, last)
			continue
		}
		t.Logf("%s: %s", l.name, last)
		if failed != 0 || acknowledged != sent {
			t.Errorf("%s: not all records were acknowledged: %s", l.name, last)
		}
		if waited := time.Duration(ms) * time.Millisecond; waited > longest {
			t.Errorf("%s waited %v for an answer, at most %v are allowed", l.name, waited, longest)
		}
		checkNumbers(ctx, t, c, l.topic, int(sent))
	}
}

// checkNumbers reads a topic from its beginning: 0 to count-1, each once, in order within its partition.
func checkNumbers(ctx context.Context, t *testing.T, c brokerCluster, topic string, count int) {
	t.Helper()
	ends, err := kadm.NewClient(franzAt(t, c.bootstrap())).ListEndOffsets(ctx, topic)
	if err != nil || ends.Error() != nil {
		t.Fatal(err, ends.Error())
	}
	total := 0
	ends.Each(func(o kadm.ListedOffset) { total += int(o.Offset) })
	if total != count {
		t.Errorf("%s has %d records, %d were sent", topic, total, count)
	}
	consumer := franzAt(t, c.bootstrap(), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	next := [failoverPartitions]int{0, 1, 2}
	wrong := 0
	for _, record := range readRecords(ctx, t, consumer, total) {
		if want := next[record.Partition]; string(record.Value) != strconv.Itoa(want) && wrong < 10 {
			wrong++
			t.Errorf("%s-%d has %s at offset %d, wanted %d", topic, record.Partition, record.Value, record.Offset, want)
		}
		got, _ := strconv.Atoi(string(record.Value))
		next[record.Partition] = got + failoverPartitions
	}
}

// awaitInSync waits until every partition of the loads has all its replicas in sync.
func awaitInSync(ctx context.Context, t *testing.T, c brokerCluster, loads []*loadProgram) {
	t.Helper()
	admin := kadm.NewClient(franzAt(t, c.bootstrap()))
	eventually(ctx, t, "all replicas in sync", func() bool {
		for _, l := range loads {
			topics, err := admin.ListTopics(ctx, l.topic)
			if err != nil || len(topics[l.topic].Partitions) != failoverPartitions {
				return false
			}
			for _, p := range topics[l.topic].Partitions {
				if p.Leader < 0 || len(p.ISR) != 3 {
					return false
				}
			}
		}
		return true
	})
}

// leaderOf gives the broker that leads partition 0 of the topic.
func leaderOf(ctx context.Context, t *testing.T, c brokerCluster, topic string) int {
	t.Helper()
	leader := -1
	eventually(ctx, t, "a leader", func() bool {
		topics, err := kadm.NewClient(franzAt(t, c.bootstrap())).ListTopics(ctx, topic)
		if err == nil && topics[topic].Err == nil {
			leader = int(topics[topic].Partitions[0].Leader) - 1
		}
		return leader >= 0
	})
	return leader
}

func startFailover(t *testing.T) (context.Context, brokerCluster, []*loadProgram) {
	t.Helper()
	brokers := ownCluster(t)
	for _, b := range brokers {
		b.settings = append(b.settings, fmt.Sprintf("broker.session.timeout.ms=%d", failoverSession.Milliseconds()),
			"broker.heartbeat.interval.ms=300", "unclean.leader.election.enable=false")
	}
	if err := brokers.start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	loads := startLoads(ctx, t, brokers)
	awaitMore(ctx, t, loads, 500)
	return ctx, brokers, loads
}

// TestProducersDoNotNoticeAKilledLeader kills the leader of a partition that is written to, again and again.
func TestProducersDoNotNoticeAKilledLeader(t *testing.T) {
	ctx, brokers, loads := startFailover(t)
	for i := range 3 {
		victim := brokers[leaderOf(ctx, t, brokers, loads[i%len(loads)].topic)]
		victim.kill()
		awaitMore(ctx, t, loads, 300)
		time.Sleep(failoverSession) // so that the partitions that it led have moved
		awaitMore(ctx, t, loads, 300)
		mustStart(t, victim)
		awaitInSync(ctx, t, brokers, loads) // by itself
	}
	finish(ctx, t, brokers, loads, longestFailover)
	if err := brokers.stop(); err != nil {
		t.Error(err)
	}
}

// TestProducersDoNotNoticeARollingRestart stops and starts one broker after the other.
func TestProducersDoNotNoticeARollingRestart(t *testing.T) {
	ctx, brokers, loads := startFailover(t)
	for _, b := range brokers {
		watched, stopWatching := context.WithCancel(ctx)
		longest := watchLeaders(watched, t, brokers, b, loads)
		if err := b.stop(); err != nil {
			t.Fatal(err)
		}
		awaitMore(ctx, t, loads, 300)
		stopWatching()
		if without := <-longest; without > longestLeaderless {
			t.Errorf("a partition had no leader for %v", without)
		} else {
			t.Logf("longest without a leader: %v", without)
		}
		mustStart(t, b)
		awaitInSync(ctx, t, brokers, loads)
	}
	finish(ctx, t, brokers, loads, longestHandover)
	if err := brokers.stop(); err != nil {
		t.Error(err)
	}
}

// watchLeaders asks a broker that stays, again and again until the context ends, who leads the partitions. It gives
// the longest time that one of them had no leader, or one that is no broker any more.
func watchLeaders(ctx context.Context, t *testing.T, c brokerCluster, stopped *brokerProcess,
	loads []*loadProgram) <-chan time.Duration {
	t.Helper()
	stays := c[0]
	if stays == stopped {
		stays = c[1]
	}
	admin := kadm.NewClient(franzAt(t, stays.addr, kgo.MetadataMinAge(10*time.Millisecond)))
	var topics []string
	for _, l := range loads {
		topics = append(topics, l.topic)
	}
	result := make(chan time.Duration, 1)
	go func() {
		longest := time.Duration(0)
		since := map[string]time.Time{}
		for ctx.Err() == nil {
			metadata, err := admin.Metadata(ctx, topics...)
			if err != nil {
				continue
			}
			now := time.Now()
			metadata.Topics.EachPartition(func(p kadm.PartitionDetail) {
				at := fmt.Sprintf("%s-%d", p.Topic, p.Partition)
				if slices.ContainsFunc(metadata.Brokers, func(b kadm.BrokerDetail) bool { return b.NodeID == p.Leader }) {
					delete(since, at)
					return
				}
				if _, known := since[at]; !known {
					since[at] = now
				}
				longest = max(longest, now.Sub(since[at]))
			})
			time.Sleep(10 * time.Millisecond)
		}
		result <- longest
	}()
	return result
}
