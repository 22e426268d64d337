package nodetest

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"ottla.dev/node/config"
)

// Option is a choice at [Start].
type Option func(*options)

type options struct {
	brokers  int
	latency  time.Duration
	settings []string
	log      *slog.Logger
}

const (
	// usualBrokers is how many brokers there are if nobody says.
	usualBrokers = 3
	// usualLatency is what a packet takes within a data centre.
	usualLatency = 200 * time.Microsecond
	// mostBrokers is how many hosts the network has addresses for.
	mostBrokers = 100
)

// Brokers sets how many brokers there are, 3 if not given. All of them are voters of the metadata quorum as well.
func Brokers(n int) Option { return func(o *options) { o.brokers = n } }

// Latency sets how long bytes take from one host to another, 200 µs if not given. With none, a loop that tries again
// without a pause keeps virtual time from passing.
func Latency(d time.Duration) Option { return func(o *options) { o.latency = d } }

// Setting sets one of Kafka's broker settings, for all brokers. Those that are not Kafka's defaults if not given:
// default.replication.factor and offsets.topic.replication.factor are 3, or as many as there are brokers,
// min.insync.replicas is 2 if there are as many; offsets.topic.num.partitions is 4, ottla.shards is 1, and
// log.index.size.max.bytes is 64 KiB, for the sake of memory.
func Setting(key, value string) Option {
	return func(o *options) { o.settings = append(o.settings, key+"="+value) }
}

// Log sets where the brokers' logs go, nowhere if not given.
func Log(l *slog.Logger) Option { return func(o *options) { o.log = l } }

// The ports of every broker.
const (
	clientPort = 9092
	quorumPort = 9093
)

// host is a broker's address. Clients are at clientHost.
func host(id int) string { return fmt.Sprintf("10.0.0.%d", id) }

const clientHost = "10.0.1.1"

// load returns a broker's settings.
func (o *options) load(id int) (*config.Config, error) {
	var voters []string
	for i := range o.brokers {
		voters = append(voters, fmt.Sprintf("%d@%s:%d", i+1, host(i+1), quorumPort))
	}
	replicas := min(o.brokers, 3)
	return config.Load(config.Input{Set: append([]string{
		fmt.Sprintf("node.id=%d", id), "controller.quorum.voters=" + strings.Join(voters, ","),
		"controller.listener.names=CONTROLLER",
		fmt.Sprintf("listeners=PLAINTEXT://%s:%d,CONTROLLER://%[1]s:%[3]d", host(id), clientPort, quorumPort),
		"log.dirs=" + dataDir,
		fmt.Sprintf("default.replication.factor=%d", replicas), fmt.Sprintf("min.insync.replicas=%d", min(replicas, 2)),
		fmt.Sprintf("offsets.topic.replication.factor=%d", replicas),
		"offsets.topic.num.partitions=4", "ottla.shards=1", "log.index.size.max.bytes=65536",
	}, o.settings...)})
}

// dataDir is log.dirs on every broker's disk.
const dataDir = "/data"
