package conformance

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core/wire"
	"ottla.dev/node"
	"ottla.dev/node/config"
)

// The topics of the broker under test.
const (
	plain     = "plain"     // two partitions, defaults
	short     = "short"     // max.message.bytes=1000
	segmented = "segmented" // segment.bytes=1 MiB, max.message.bytes above it
	appended  = "appended"  // message.timestamp.type=LogAppendTime
	timely    = "timely"    // timestamps at most a minute off either way
	offsets   = "__consumer_offsets"
)

// broker is the broker under test, with a client that was there before any bad input.
var broker struct {
	node   *node.Node
	addr   string
	friend *client
	ids    map[string][16]byte
	errors errorLog
}

// errorLog keeps what the broker says at level error: bad input from clients is no error of the broker's.
type errorLog struct {
	mu    sync.Mutex
	lines strings.Builder
}

func (l *errorLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(p)
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ottla-conformance")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	start(dir)
	code := m.Run()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := broker.node.Shutdown(ctx); err != nil {
		println("the broker does not stop cleanly after the tests:", err.Error())
		code = 1
	}
	if said := broker.errors.lines.String(); said != "" {
		println("the broker reports errors of its own:\n" + said)
		code = 1
	}
	return code
}

func start(dir string) {
	s, err := config.Load(config.Input{Set: []string{"listeners=PLAINTEXT://127.0.0.1:0", "log.dirs=" + dir,
		"offsets.topic.num.partitions=1", "group.initial.rebalance.delay.ms=0", "group.max.size=2", "num.partitions=1"}})
	if err != nil {
		panic(err)
	}
	log := slog.New(slog.NewTextHandler(&broker.errors, &slog.HandlerOptions{Level: slog.LevelError}))
	broker.node, err = node.Start(node.Config{Settings: s, Log: log})
	if err != nil {
		panic(err)
	}
	select {
	case <-broker.node.Ready():
	case <-time.After(20 * time.Second):
		panic("the broker does not start")
	}
	broker.addr = broker.node.Listeners()[0].Address()
	broker.friend = dial()
	createTopics()
	awaitCoordinator()
}

func createTopics() {
	broker.ids = map[string][16]byte{}
	for name, settings := range map[string][]string{
		plain: nil, short: {"max.message.bytes=1000"},
		segmented: {"segment.bytes=1048576", "max.message.bytes=4000000"},
		appended:  {"message.timestamp.type=LogAppendTime"},
		timely:    {"message.timestamp.before.max.ms=60000", "message.timestamp.after.max.ms=60000"},
	} {
		req := request[kmsg.CreateTopicsRequest](7)
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = name, 2, 1
		for _, s := range settings {
			key, value, _ := strings.Cut(s, "=")
			t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: key, Value: &value})
		}
		req.Topics = append(req.Topics, t)
		made := must(broker.friend.ask(req)).(*kmsg.CreateTopicsResponse).Topics[0]
		if made.ErrorCode != 0 {
			panic("no topic " + name + ": " + *made.ErrorMessage)
		}
		broker.ids[name] = made.TopicID
	}
}

// awaitCoordinator has __consumer_offsets made and waits until its groups are served.
func awaitCoordinator() {
	find := request[kmsg.FindCoordinatorRequest](4)
	find.CoordinatorKeys = []string{"g"}
	must(broker.friend.ask(find))
	for range 200 {
		beat := request[kmsg.HeartbeatRequest](4)
		beat.Group = "nobody"
		if code := must(broker.friend.ask(beat)).(*kmsg.HeartbeatResponse).ErrorCode; code == 25 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	panic("the group coordinator does not come up")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// unharmed checks that the client from before and a new one are served: metadata, a partition's log, a group.
func unharmed(t *testing.T) {
	t.Helper()
	served(t, "the client from before", broker.friend)
	c := dial()
	defer c.Close()
	served(t, "a new client", c)
}

func served(t *testing.T, who string, c *client) {
	t.Helper()
	list := request[kmsg.ListOffsetsRequest](7)
	list.ReplicaID = -1
	list.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: plain, Partitions: []kmsg.ListOffsetsRequestTopicPartition{
		{Partition: 0, CurrentLeaderEpoch: -1, Timestamp: -1}, {Partition: 1, CurrentLeaderEpoch: -1, Timestamp: -1}}}}
	beat := request[kmsg.HeartbeatRequest](4)
	beat.Group = "nobody"
	for _, ask := range []struct {
		req  kmsg.Request
		want string
	}{{request[kmsg.ApiVersionsRequest](0), ""}, {list, ""}, {beat, "25"}} {
		resp, err := c.ask(ask.req)
		if err != nil {
			t.Fatalf("%s: %v: %v", who, wire.Key(ask.req.Key()), err)
		}
		if got := codes(resp); got != ask.want {
			t.Fatalf("%s: %v is answered %q, want %q", who, wire.Key(ask.req.Key()), got, ask.want)
		}
	}
}

// deadline bounds every wait for the broker.
const deadline = 10 * time.Second

func dial() *client {
	conn := must(net.Dial("tcp", broker.addr))
	return &client{Conn: conn}
}
