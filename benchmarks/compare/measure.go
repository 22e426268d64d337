package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ottla.dev/benchmarks/load"
)

// produce is a workload's closed loop of producers.
func (w workload) produce(brokers cluster, topic string, duration time.Duration, most int64) load.Produce {
	return load.Produce{
		Seeds: brokers.addresses(), Topic: topic, Partitions: w.partitions, RecordBytes: w.recordBytes,
		BatchBytes: w.batchBytes, Clients: w.clients, OneAck: w.oneAck, Compression: w.compression,
		For: duration, MostBytes: most,
	}
}

// lasts is how long a workload's loop goes on.
func (c *comparison) lasts(w workload) time.Duration { return max(c.duration, w.atLeast) }

// measure runs a workload.
func (c *comparison) measure(ctx context.Context, w workload, brokers cluster) (map[string]float64, error) {
	switch w.way {
	case crowdWay:
		return c.measureCrowd(ctx, w, brokers)
	case simulateWay:
		return c.measureSimulator(ctx)
	}
	if brokers[0].nats != "" {
		return c.measureNATS(ctx, w, brokers)
	}
	topic, err := c.topic(ctx, w, brokers)
	if err != nil {
		return nil, err
	}
	for _, p := range brokers {
		p.forgetPeak()
	}
	switch w.way {
	case produceWay:
		return c.measureProduce(ctx, w, brokers, topic)
	case consumeWay:
		return c.measureConsume(ctx, w, brokers, topic)
	case pacedWay:
		return c.measurePaced(ctx, w, brokers, topic)
	case failoverWay:
		return c.measureFailover(ctx, w, brokers, topic)
	case javaProduceWay:
		return c.measureJavaProducer(ctx, w, brokers, topic)
	case javaConsumeWay:
		return c.measureJavaConsumer(ctx, w, brokers, topic)
	case restartWay:
		return c.measureRestart(ctx, w, brokers, topic)
	}
	panic(fmt.Sprintf("compare: workload %s has no way", w.name))
}

func (c *comparison) measureProduce(ctx context.Context, w workload, brokers cluster,
	topic string) (map[string]float64, error) {
	if w.partitions > manyPartitions {
		// The first index entries of a log are dear, and in 3 s there may be no others.
		most := int64(batchesBefore * w.partitions * w.batchBytes)
		if _, err := w.produce(brokers, topic, warmFor, most).Run(ctx); err != nil {
			return nil, fmt.Errorf("the first batches: %w", err)
		}
	}
	before, err := brokers.cpu()
	if err != nil {
		return nil, err
	}
	client := ownCPU()
	made, err := w.produce(brokers, topic, c.lasts(w), mostBytes).Run(ctx)
	if err != nil {
		return nil, err
	}
	after, err := brokers.cpu()
	if err != nil {
		return nil, err
	}
	if made.Records == 0 {
		return nil, errors.New("nothing was acknowledged")
	}
	spent := max(after-before, 1.0/ticks)
	return map[string]float64{
		"cpu":     spent / (float64(made.Bytes) / gigabyte),
		"percore": float64(made.Batches) / spent,
		"records": float64(made.Records) / made.Took.Seconds(),
		"mb":      float64(made.Bytes) / megabyte / made.Took.Seconds(),
		"peak":    brokers.memory("VmHWM") / mebibyte,
		"client":  (ownCPU() - client) / (float64(made.Bytes) / gigabyte),
		"batch":   float64(made.Records) / float64(max(made.Batches, 1)),
	}, nil
}

func (c *comparison) measureConsume(ctx context.Context, w workload, brokers cluster,
	topic string) (map[string]float64, error) {
	made, err := w.produce(brokers, topic, prefillFor, min(prefilled, int64(c.duration.Seconds()*prefilled/2))).Run(ctx)
	if err != nil {
		return nil, fmt.Errorf("filling the topic: %w", err)
	}
	writeBack()
	if w.cold {
		if err := brokers.coolCaches(); err != nil {
			return nil, err
		}
	}
	before, err := brokers.cpu()
	if err != nil {
		return nil, err
	}
	again := c.duration
	if w.cold {
		again = 0 // the first reading has warmed the page cache
	}
	client := ownCPU()
	got, err := load.Consume{Seeds: brokers.addresses(), Topic: topic, Consumers: w.consumers, Records: made.Records,
		RecordBytes: w.recordBytes, For: again, Within: prefillFor}.Run(ctx)
	if err != nil {
		return nil, err
	}
	after, err := brokers.cpu()
	if err != nil {
		return nil, err
	}
	if got.Records == 0 {
		return nil, errors.New("no record came")
	}
	return map[string]float64{
		"cpu":     max(after-before, 1.0/ticks) / (float64(got.Bytes) / gigabyte),
		"records": float64(got.Records) / got.Took.Seconds(),
		"mb":      float64(got.Bytes) / megabyte / got.Took.Seconds(),
		"peak":    brokers.memory("VmHWM") / mebibyte,
		"missing": float64(got.Missing),
		"client":  (ownCPU() - client) / (float64(got.Bytes) / gigabyte),
	}, nil
}

func (c *comparison) paced(w workload, brokers cluster, topic string, duration time.Duration) load.Paced {
	rate := w.rate
	if rate == 0 {
		rate = c.rate
	}
	return load.Paced{Seeds: brokers.addresses(), Topic: topic, Partitions: w.partitions, RecordBytes: w.recordBytes,
		Rate: rate, For: duration, Consumers: w.consumers}
}

func (c *comparison) measurePaced(ctx context.Context, w workload, brokers cluster,
	topic string) (map[string]float64, error) {
	before, err := brokers.cpu()
	if err != nil {
		return nil, err
	}
	p, client := c.paced(w, brokers, topic, c.lasts(w)), ownCPU()
	got, err := p.Run(ctx)
	if err != nil {
		return nil, err
	}
	after, err := brokers.cpu()
	if err != nil {
		return nil, err
	}
	figures := map[string]float64{
		"cpu":      max(after-before, 1.0/ticks) / (float64(got.Bytes) / gigabyte),
		"records":  float64(got.Records) / got.Took.Seconds(),
		"rate":     float64(p.Rate),
		"batch":    float64(got.Records) / float64(max(got.Batches, 1)),
		"requests": float64(got.Requests) / got.Took.Seconds(),
		"fetches":  float64(got.Fetches) / got.Took.Seconds(),
		"client":   (ownCPU() - client) / (float64(got.Bytes) / gigabyte),
		"late99":   milliseconds(got.Late.Percentile(0.99)),
		"peak":     brokers.memory("VmHWM") / mebibyte,
		"missing":  float64(got.Missing),
	}
	for suffix, q := range map[string]float64{"50": 0.5, "99": 0.99, "999": 0.999} {
		figures["ack"+suffix] = milliseconds(got.Ack.Percentile(q))
		figures["e2e"+suffix] = milliseconds(got.EndToEnd.Percentile(q))
	}
	return figures, nil
}

// measureFailover kills the leader while records are due, and gives the longest time without an acknowledgement.
func (c *comparison) measureFailover(ctx context.Context, w workload, brokers cluster,
	topic string) (map[string]float64, error) {
	leader, err := load.Leader(ctx, brokers.addresses(), topic, 0)
	if err != nil {
		return nil, err
	}
	if leader < 1 || int(leader) > len(brokers) {
		return nil, fmt.Errorf("broker %d leads, of %d", leader, len(brokers))
	}
	kill := time.AfterFunc(killAt, brokers[leader-1].kill)
	defer kill.Stop()
	got, err := c.paced(w, brokers, topic, failoverFor).Run(ctx)
	if err != nil {
		return nil, err
	}
	if !brokers[leader-1].ended() {
		return nil, errors.New("the leader was not killed in time")
	}
	return map[string]float64{"gap": got.Gap.Seconds(), "records": float64(got.Records) / got.Took.Seconds()}, nil
}

// measureRestart kills the only broker and waits for the next first record.
func (c *comparison) measureRestart(ctx context.Context, w workload, brokers cluster,
	topic string) (map[string]float64, error) {
	w.recordBytes, w.batchBytes, w.clients = 1000, single, 1
	// One record to each partition: the producer goes round.
	if _, err := w.produce(brokers, topic, prefillFor, int64(w.partitions*w.recordBytes)).Run(ctx); err != nil {
		return nil, err
	}
	restarted, err := c.killAndStart(ctx, brokers, topic)
	if err != nil {
		return nil, err
	}
	return map[string]float64{"restart": milliseconds(restarted), "idle": brokers[0].memory("VmRSS") / mebibyte}, nil
}

// pilot finds half of Kafka's peak, for the open loop whose rate depends on it. The peak is that of the open loop: what
// gets through of a load that is too much, which is what a closed loop got through without a consumer.
func (c *comparison) pilot(ctx context.Context) (rate int, err error) {
	i := slices.IndexFunc(c.kinds, func(k kind) bool { return k.name == kafkaName })
	if i < 0 {
		return usualRate, nil
	}
	p := &comparison{tools: c.tools, dir: c.dir, out: c.out, duration: c.duration, warmup: 2 * c.warmup, began: c.began,
		within: c.within, warmth: c.warmth}
	most := workload{name: "most", way: produceWay, brokers: 1, recordBytes: 1000, partitions: 8, clients: 1}
	peak := most
	peak.name, peak.way, peak.consumers = "peak", pacedWay, 1
	// The rate of the second is what the first has found.
	p.after = func(s sample) { p.rate = int(s.Figures["records"]) }
	if err := p.session(ctx, 0, c.kinds[i], session{brokers: 1, workloads: []workload{most, peak}}); err != nil {
		return 0, err
	}
	for _, s := range p.results {
		if s.Failed != "" {
			return 0, errors.New(s.Failed)
		}
	}
	return max(p.rate/2, 1), nil
}

const (
	kafkaName = "kafka"
	// usualRate is that of the open loop where there is no Kafka to tell its peak.
	usualRate = 20_000
)

// needsPilot is true if a workload's rate depends on Kafka's peak.
func needsPilot(chosen []workload) bool {
	for _, w := range chosen {
		if w.way == pacedWay && w.rate == 0 {
			return true
		}
	}
	return false
}

// number prints three digits that count.
func number(v float64) string {
	switch {
	case v >= 1000:
		digits := fmt.Sprintf("%.0f", v)
		var b strings.Builder
		for i, d := range digits {
			if i > 0 && (len(digits)-i)%3 == 0 {
				b.WriteByte(',')
			}
			b.WriteRune(d)
		}
		return b.String()
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v == 0:
		return "0"
	}
	return fmt.Sprintf("%.2f", v)
}
