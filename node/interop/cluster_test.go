package interop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// brokerCount is how many brokers the server under test has.
func brokerCount() int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("OTTLA_INTEROP_BROKERS"), "1"))
	if err != nil || n < 1 {
		panic("OTTLA_INTEROP_BROKERS must be a number above zero")
	}
	return n
}

// replicaCount is how many replicas the tests ask for.
func replicaCount() int { return min(brokerCount(), 3) }

// A brokerCluster is some brokers that make one cluster; one alone is none of a cluster's settings.
type brokerCluster []*brokerProcess

// newCluster prepares n brokers that are controllers too, with their data under dir; it does not start them.
func newCluster(binary, dir string, n int) (brokerCluster, error) {
	var brokers brokerCluster
	var voters, controllers []string
	for id := 1; id <= n; id++ {
		home := filepath.Join(dir, strconv.Itoa(id))
		if err := os.MkdirAll(home, 0o755); err != nil {
			return nil, err
		}
		b, err := newBroker(binary, home)
		if err != nil {
			return nil, err
		}
		controller, err := freeLoopbackAddress()
		if err != nil {
			return nil, err
		}
		brokers, controllers = append(brokers, b), append(controllers, controller)
		voters = append(voters, fmt.Sprintf("%d@%s", id, controller))
	}
	if n == 1 {
		return brokers, nil
	}
	copies := strconv.Itoa(min(n, 3))
	for i, b := range brokers {
		b.listeners += ",CONTROLLER://" + controllers[i]
		b.settings = []string{
			fmt.Sprintf("node.id=%d", i+1), "process.roles=broker,controller", "controller.listener.names=CONTROLLER",
			"controller.quorum.voters=" + strings.Join(voters, ","), "default.replication.factor=" + copies,
			"offsets.topic.replication.factor=" + copies, "min.insync.replicas=2", "offsets.topic.num.partitions=4",
			"broker.rack=rack-" + strconv.Itoa(i+1),
		}
	}
	return brokers, nil
}

// start runs all brokers, and waits until each of them knows of all.
func (c brokerCluster) start() error {
	for _, b := range c {
		if err := b.launch(); err != nil {
			return err
		}
	}
	for _, b := range c {
		if err := b.awaitListening(); err != nil {
			return err
		}
	}
	if err := c.alive(); err != nil { // another program listened where this one should have
		return fmt.Errorf("%w\n%s", err, c.logTail())
	}
	return c.awaitKnown()
}

// awaitKnown waits until every broker that runs tells clients of all that do, unfenced.
func (c brokerCluster) awaitKnown() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for _, b := range c {
		client, err := kgo.NewClient(kgo.SeedBrokers(b.addr))
		if err != nil {
			return err
		}
		defer client.Close()
		for {
			resp, err := client.SeedBrokers()[0].Request(ctx, kmsg.NewPtrMetadataRequest())
			if err == nil && len(resp.(*kmsg.MetadataResponse).Brokers) == len(c) {
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("not all brokers know each other after %v: %w\n%s", startTimeout, err, c.logTail())
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

// bootstrap gives the addresses with commas.
func (c brokerCluster) bootstrap() string {
	var addresses []string
	for _, b := range c {
		addresses = append(addresses, b.addr)
	}
	return strings.Join(addresses, ",")
}

func (c brokerCluster) alive() error {
	var all []error
	for _, b := range c {
		all = append(all, b.alive())
	}
	return errors.Join(all...)
}

// stop stops all brokers at the same time, as a person with Ctrl-C does.
func (c brokerCluster) stop() error {
	results := make(chan error, len(c))
	for _, b := range c {
		go func() { results <- b.stop() }()
	}
	var all []error
	for range c {
		all = append(all, <-results)
	}
	return errors.Join(all...)
}

// kill ends those that run.
func (c brokerCluster) kill() {
	for _, b := range c {
		if b.cmd != nil {
			b.kill()
		}
	}
}

func (c brokerCluster) logTail() string {
	var text strings.Builder
	for i, b := range c {
		fmt.Fprintf(&text, "broker %d: %s\n", i+1, b.logTail())
	}
	return text.String()
}

// ownCluster gives three stopped brokers that the test may start, stop and kill as it likes.
func ownCluster(t *testing.T) brokerCluster {
	t.Helper()
	if foreignServer() {
		t.Skip("needs broker processes of its own, and OTTLA_INTEROP_BOOTSTRAP names a server that already runs")
	}
	requireEnabled(t)
	binary, err := buildBroker()
	if errors.Is(err, errNoBroker) {
		missing(t, "broker", err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	brokers, err := newCluster(binary, t.TempDir(), 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(brokers.kill)
	return brokers
}
