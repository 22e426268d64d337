package main

import (
	"context"
	"fmt"
	"time"

	"ottla.dev/benchmarks/load"
)

// longestStep is the metric that says how long a shard has taken for a step.
const longestStep = `ottla_longest_step_seconds{machine="shard"}`

// measureCrowd makes very many partitions, writes a record to each, leaves them alone, and starts the broker again
// after a kill. What a partition costs is what memory has grown by, divided by their number.
func (c *comparison) measureCrowd(ctx context.Context, w workload, brokers cluster) (map[string]float64, error) {
	p := brokers[0]
	before := p.memory("VmRSS")
	begin := time.Now()
	var topics []string
	for range w.partitions / crowdTopic {
		c.topics++
		topics = append(topics, fmt.Sprintf("%s-%d", w.name, c.topics))
		if err := load.CreateTopic(ctx, brokers.addresses(), topics[len(topics)-1], crowdTopic, 1, nil); err != nil {
			return nil, err
		}
	}
	created := time.Since(begin)
	begin = time.Now()
	for _, topic := range topics {
		if err := load.Touch(ctx, brokers.addresses(), topic, crowdTopic); err != nil {
			return nil, err
		}
	}
	figures := map[string]float64{"create": created.Seconds(), "touch": time.Since(begin).Seconds()}
	var err error
	if figures["idlecpu"], err = c.idleness(brokers); err != nil {
		return nil, err
	}
	idle := p.memory("VmRSS")
	figures["idle"], figures["each"] = idle/mebibyte, (idle-before)/1024/float64(w.partitions)
	if figures["step"], err = p.metric(longestStep); err != nil {
		return nil, err
	}
	restarted, err := c.killAndStart(ctx, brokers, topics[len(topics)-1])
	if err != nil {
		return nil, err
	}
	figures["restart"] = milliseconds(restarted)
	if figures["restartstep"], err = brokers[0].metric(longestStep); err != nil {
		return nil, err
	}
	figures["step"], figures["restartstep"] = 1000*figures["step"], 1000*figures["restartstep"]
	return figures, nil
}

// idleness is how many milliseconds of processor time brokers take in a second in which nobody asks them for anything.
func (c *comparison) idleness(brokers cluster) (float64, error) {
	time.Sleep(idleAfter)
	before, err := brokers.cpu()
	if err != nil {
		return 0, err
	}
	time.Sleep(crowdRest)
	after, err := brokers.cpu()
	return 1000 * (after - before) / crowdRest.Seconds(), err
}

// killAndStart kills the only broker, and gives the time from its next start to its next acknowledged record.
func (c *comparison) killAndStart(ctx context.Context, brokers cluster, topic string) (time.Duration, error) {
	old := brokers[0]
	old.kill()
	again, err := launch(old.name, old.dir, old.address, old.cmd.Args)
	if err != nil {
		return 0, err
	}
	again.metrics = old.metrics
	brokers[0] = again // which the session stops
	if err := again.listens(startWithin); err != nil {
		return 0, err
	}
	err = load.Acknowledged(ctx, brokers.addresses(), topic)
	return time.Since(again.began), err
}
