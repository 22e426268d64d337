package chaos

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// observer asks all brokers, past the proxy, what they think.
type observer struct {
	client      *kgo.Client
	controllers *kgo.Client
	cluster     *cluster
	epoch       atomic.Int32 // the quorum's, the newest that was seen
}

// askFor is how long one broker is waited for.
const askFor = 700 * time.Millisecond

func newObserver(c *cluster) (*observer, error) {
	to := func(addresses []string) (*kgo.Client, error) {
		// A broker that was killed has left a connection behind, which one more try replaces.
		return kgo.NewClient(kgo.SeedBrokers(addresses...), kgo.RequestRetries(2), kgo.DialTimeout(askFor),
			kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }))
	}
	client, err := to(c.seeds())
	if err != nil {
		return nil, err
	}
	var quorum []string
	for _, m := range c.members {
		quorum = append(quorum, m.controllers)
	}
	controllers, err := to(quorum)
	return &observer{client: client, controllers: controllers, cluster: c}, err
}

func (o *observer) close() {
	o.client.Close()
	o.controllers.Close()
}

// view is the newest that any broker knows.
type view struct {
	controller      int // 0 if nobody knows
	controllerEpoch int32
	partitions      map[where]state
}

type where struct {
	topic     string
	partition int32
}

type state struct {
	leader, epoch int32
	replicas, isr int
}

// look asks all brokers that run.
func (o *observer) look(ctx context.Context) *view {
	v := &view{partitions: map[where]state{}}
	type answer struct {
		quorum   *kmsg.DescribeQuorumResponse
		metadata *kmsg.MetadataResponse
	}
	answers := make(chan answer, brokers)
	asked, controllers := 0, o.controllers.SeedBrokers()
	for i, broker := range o.client.SeedBrokers() {
		if !o.cluster.members[i].running() {
			continue
		}
		asked++
		go func() {
			ctx, cancel := context.WithTimeout(ctx, askFor)
			defer cancel()
			var a answer
			if r, err := controllers[i].RetriableRequest(ctx, quorumRequest()); err == nil {
				a.quorum = r.(*kmsg.DescribeQuorumResponse)
			}
			all := kmsg.NewPtrMetadataRequest()
			if r, err := broker.RetriableRequest(ctx, all); err == nil {
				a.metadata = r.(*kmsg.MetadataResponse)
			}
			answers <- a
		}()
	}
	for range asked {
		a := <-answers
		v.addQuorum(a.quorum)
		v.addMetadata(a.metadata)
	}
	for seen := o.epoch.Load(); v.controllerEpoch > seen && !o.epoch.CompareAndSwap(seen, v.controllerEpoch); {
		seen = o.epoch.Load()
	}
	return v
}

func quorumRequest() *kmsg.DescribeQuorumRequest {
	r := kmsg.NewPtrDescribeQuorumRequest()
	t, p := kmsg.NewDescribeQuorumRequestTopic(), kmsg.NewDescribeQuorumRequestTopicPartition()
	t.Topic = "__cluster_metadata"
	t.Partitions = append(t.Partitions, p)
	r.Topics = append(r.Topics, t)
	return r
}

func (v *view) addQuorum(r *kmsg.DescribeQuorumResponse) {
	if r == nil {
		return
	}
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode == 0 && p.LeaderID > 0 && p.LeaderEpoch >= v.controllerEpoch {
				v.controller, v.controllerEpoch = int(p.LeaderID), p.LeaderEpoch
			}
		}
	}
}

func (v *view) addMetadata(r *kmsg.MetadataResponse) {
	if r == nil {
		return
	}
	for _, t := range r.Topics {
		if t.Topic == nil {
			continue
		}
		for _, p := range t.Partitions {
			at := where{*t.Topic, p.Partition}
			if old, ok := v.partitions[at]; !ok || p.LeaderEpoch > old.epoch ||
				p.LeaderEpoch == old.epoch && len(p.ISR) > old.isr {
				v.partitions[at] = state{p.Leader, p.LeaderEpoch, len(p.Replicas), len(p.ISR)}
			}
		}
	}
}

// ready says whether each partition of the ledger has a leader and so many replicas in sync.
func (v *view) ready(inSync int) bool {
	for p := range int32(partitions) {
		if s, ok := v.partitions[where{ledger, p}]; !ok || s.leader < 1 || s.isr < inSync {
			return false
		}
	}
	return true
}

// whole says whether every partition of every topic has a leader and all replicas in sync.
func (v *view) whole() bool {
	for _, s := range v.partitions {
		if s.leader < 1 || s.isr < s.replicas {
			return false
		}
	}
	return v.ready(brokers)
}

// await looks until something is so, and says whether it was within the time.
func (o *observer) await(ctx context.Context, within time.Duration, so func(*view) bool) (*view, bool) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		v := o.look(ctx)
		if so(v) {
			return v, true
		}
		select {
		case <-ctx.Done():
			return v, false
		case <-time.After(100 * time.Millisecond):
		}
	}
}
