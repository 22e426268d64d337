package node

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// flips is how many bits are flipped at a time, wherever that may be.
const flips = 50

// flipBits changes a node's files as bad sectors do: any of them but meta.properties, which says whose they are.
func flipBits(t *testing.T, dir string, random *rand.Rand) {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && d.Name() != "meta.properties" && !strings.HasPrefix(d.Name(), ".lock") {
			if info, err := d.Info(); err == nil && info.Size() > 0 {
				files = append(files, path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for range flips {
		path := files[random.IntN(len(files))]
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[random.IntN(len(b))] ^= 1 << random.IntN(8)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// logOf is what the log files of a partition hold.
func logOf(dir, partition string) string {
	names, _ := filepath.Glob(filepath.Join(dir, partition, "*.log"))
	sort.Strings(names)
	var all strings.Builder
	for _, name := range names {
		b, _ := os.ReadFile(name)
		all.Write(b)
	}
	return all.String()
}

// Fifty flipped bits anywhere in the files of one of three nodes that is down: it comes back, finds them all, and has
// the logs of the others again, without anything lost and without anything wrong read.
func TestFlippedBitsAreFoundAndRepaired(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
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
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.DefaultProduceTopic("t"), kgo.ConsumeTopics("t"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	const partitions = 3
	if _, err := admin.CreateTopic(ctx, partitions, 3, nil, "t"); err != nil {
		t.Fatal(err)
	}
	sent := 0
	produce := func(n int) {
		t.Helper()
		var records []*kgo.Record
		for range n {
			records = append(records, &kgo.Record{Value: fmt.Appendf(nil, "%0100d", sent), Partition: int32(sent % partitions)})
			sent++
		}
		if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
			t.Fatalf("after %d records: %v", sent, err)
		}
	}
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	random := rand.New(rand.NewPCG(14, 15))
	for round := range rounds {
		down, up := round%3, (round+1)%3
		for range 5 {
			produce(300)
		}
		if err := nodes[down].Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
		produce(100)
		dir := settings[down].Static["log.dirs"]
		flipBits(t, dir, random)
		nodes[down] = startNode(t, settings[down])
		awaitReady(t, nodes[down])
		from := time.Now()
		for why := "?"; why != ""; time.Sleep(200 * time.Millisecond) {
			if why = differs(ctx, admin, dir, settings[up].Static["log.dirs"], partitions); why == "" {
				break
			}
			if time.Since(from) > 60*time.Second {
				t.Fatalf("round %d: %s", round, why)
			}
		}
		t.Logf("round %d: repaired after %v", round, time.Since(from).Round(time.Millisecond))
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

// differs says what is not yet as before the damage.
func differs(ctx context.Context, admin *kadm.Client, dir, other string, partitions int) string {
	topics, err := admin.ListTopics(ctx, "t")
	if err != nil {
		return err.Error()
	}
	for _, p := range topics["t"].Partitions {
		if len(p.ISR) != 3 {
			return fmt.Sprintf("partition %d has the ISR %v", p.Partition, p.ISR)
		}
	}
	for p := range partitions {
		name := fmt.Sprintf("t-%d", p)
		if a, b := logOf(dir, name), logOf(other, name); a != b {
			return fmt.Sprintf("%s: the log of %d bytes is not that of the others, of %d", name, len(a), len(b))
		}
	}
	return ""
}
