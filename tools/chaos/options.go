package chaos

import (
	"fmt"
	"io"
	"time"
)

// Options say what to do for how long. Binary, Dir and Out are needed.
type Options struct {
	// Binary is the program whose command "serve" is a broker.
	Binary string
	// Dir is the folder for the brokers' data, their logs and the history. It must exist.
	Dir string
	// Seed draws the faults.
	Seed uint64
	// Length is for how long there are faults; less if Rounds is set, longer if there are fewer kills than Kills.
	Length time.Duration
	// Rounds bounds the rounds of faults; 0 is no bound.
	Rounds int
	// Kills is how many processes have to be killed at least.
	Kills int
	// Pace is how long a round takes, unless the cluster is not there again.
	Pace time.Duration
	// PowerCuts makes the rounds those of power cuts: as many, each of all brokers at once, and then of one while the
	// others are paused. The data folders are file systems of their own.
	PowerCuts int
	// Drill, if not empty, makes the rounds those of a drill: Rounds faults of one kind, each measured.
	Drill string
	// Flips makes the rounds those of damage: so many places in the brokers' files are damaged, one broker at a time.
	Flips int
	// Rate is how many records all producers together send in a second.
	Rate int
	// Set are settings of all brokers, as key=value.
	Set []string
	// Out gets a line for each fault and for what went wrong.
	Out io.Writer
	// Inspect looks at a broker's data folder after its clean end and says what is wrong with its files; it may be nil.
	Inspect func(dir string) (problems []string, err error)

	plain bool // the timeouts are Kafka's
}

const (
	brokers    = 3
	partitions = 6
	ledger     = "ledger"
	// maxRate keeps the history of an hour in memory.
	maxRate = 20_000
)

// Check says what cannot be.
func (o *Options) Check() error {
	switch {
	case o.Length < 0 || o.Rounds < 0 || o.Kills < 0 || o.PowerCuts < 0 || o.Flips < 0:
		return fmt.Errorf("chaos: nothing can be done less than 0 times, or for less than no time")
	case o.Length == 0 && o.Rounds == 0 && o.PowerCuts == 0 && o.Flips == 0:
		return fmt.Errorf("chaos: neither a time nor a number of rounds")
	case o.Drill != "" && drills[o.Drill] == nil:
		return fmt.Errorf("chaos: there is no drill %q; there are %s", o.Drill, drillNames())
	case o.Drill != "" && o.PowerCuts > 0:
		return fmt.Errorf("chaos: a drill or power cuts, not both")
	case o.Pace <= 0:
		return fmt.Errorf("chaos: a round takes more than no time")
	case o.Rate < 1 || o.Rate > maxRate:
		return fmt.Errorf("chaos: a rate is from 1 to %d records a second", maxRate)
	}
	return nil
}

// settings are what broker id is started with, before those that were asked for. Sessions are short, so that a round
// sees the failover and the return.
func settings(c *cluster, m *member) []string {
	all := []string{
		fmt.Sprintf("node.id=%d", m.id), "process.roles=broker,controller", "controller.quorum.voters=" + c.voters(),
		"controller.listener.names=CONTROLLER", "listeners=PLAINTEXT://" + m.clients + ",CONTROLLER://" + m.controllers,
		"log.dirs=" + m.data, "default.replication.factor=3", "min.insync.replicas=2",
		"offsets.topic.replication.factor=3", "offsets.topic.num.partitions=3", "auto.create.topics.enable=false",
	}
	if !c.options.plain {
		all = append(all, "broker.session.timeout.ms=2000", "broker.heartbeat.interval.ms=400",
			"replica.lag.time.max.ms=4000", "group.initial.rebalance.delay.ms=500")
	}
	if c.options.Drill == DrillClocks {
		// Records that a client has dated by a clock that is right are refused by a broker that is hours behind.
		all = append(all, "log.message.timestamp.type=LogAppendTime")
	}
	if c.options.Flips > 0 {
		all = append(all, flipSettings...)
	}
	return all
}
