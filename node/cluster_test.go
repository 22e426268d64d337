package node

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.dev/node/config"
)

// freePorts finds ports that nobody listens on. They have to be known before the nodes start, which are told of each
// other.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// clusterOf gives the settings of n nodes that are all brokers and voters.
func clusterOf(t *testing.T, n int) []*config.Config {
	t.Helper()
	ports, dir := freePorts(t, 2*n), t.TempDir()
	var voters []string
	for i := range n {
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", i+1, ports[n+i]))
	}
	var all []*config.Config
	for i := range n {
		c, err := config.Load(config.Input{Set: []string{
			fmt.Sprintf("node.id=%d", i+1), "controller.quorum.voters=" + strings.Join(voters, ","),
			"controller.listener.names=CONTROLLER",
			fmt.Sprintf("listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", ports[i], ports[n+i]),
			"log.dirs=" + filepath.Join(dir, fmt.Sprint(i+1)), "default.replication.factor=3", "min.insync.replicas=2",
			"ottla.shards=2", "offsets.topic.num.partitions=3", "broker.heartbeat.interval.ms=200",
		}})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

func startNode(t *testing.T, c *config.Config) *Node {
	t.Helper()
	n, err := Start(Config{Settings: c, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func awaitReady(t *testing.T, nodes ...*Node) {
	t.Helper()
	for i, n := range nodes {
		select {
		case <-n.Ready():
		case <-n.Done():
			t.Fatalf("node %d: %v", i+1, n.Err())
		case <-time.After(20 * time.Second):
			t.Fatalf("node %d is not ready", i+1)
		}
	}
}

// Three real nodes replicate, and a client notices nothing of one that is stopped and comes back.
func TestThreeNodes(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	settings := clusterOf(t, 3)
	nodes := make([]*Node, 3)
	var seeds []string
	for i, c := range settings {
		nodes[i] = startNode(t, c)
		seeds = append(seeds, c.Listeners[0].Address())
	}
	awaitReady(t, nodes...)
	defer func() {
		for _, n := range nodes {
			n.engine.Shutdown()
		}
		for _, n := range nodes {
			n.Shutdown(ctx)
		}
	}()
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.DefaultProduceTopic("t"), kgo.ConsumeTopics("t"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, 6, 3, nil, "t"); err != nil {
		t.Fatal(err)
	}
	const each = 200
	sent := 0
	produce := func() {
		t.Helper()
		for range each {
			r := kgo.StringRecord(fmt.Sprint(sent))
			r.Partition = int32(sent % 6)
			if err := client.ProduceSync(ctx, r).FirstErr(); err != nil {
				t.Fatalf("record %d: %v", sent, err)
			}
			sent++
		}
	}
	produce()
	for i := range nodes {
		if err := nodes[i].Shutdown(ctx); err != nil {
			t.Fatalf("node %d: %v", i+1, err)
		}
		produce()
		nodes[i] = startNode(t, settings[i])
		awaitReady(t, nodes[i])
		produce()
	}
	seen := map[string]int{}
	for len(seen) < sent {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%d of %d records seen: %v", len(seen), sent, fetches.Errors())
		}
		fetches.EachRecord(func(r *kgo.Record) { seen[string(r.Value)]++ })
	}
	for value, n := range seen {
		if n != 1 {
			t.Errorf("record %s was seen %d times", value, n)
		}
	}
}
