package controller

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// Whatever is asked in whatever order, the records apply, the answers come in the order of the request, and the image
// keeps its invariants. [cluster.apply] checks the first.
func TestEveryDecisionAppliesAndKeepsTheInvariants(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var features []metadata.Feature
		if rapid.Bool().Draw(rt, "elr") {
			features = append(features, withELR())
		}
		k := newCluster(t, features...)
		k.c.configs = fakeConfigs{minISR: rapid.IntRange(1, 3).Draw(rt, "min isr")}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			k.now.Mono += time.Duration(rapid.Int64Range(0, int64(timeout)/2).Draw(rt, "time"))
			before := k.img
			drawStep(rt, k)
			checkInvariants(rt, k.img)
			checkEpochs(rt, before, k.img)
		}
	})
}

func drawStep(t *rapid.T, k *cluster) {
	name := func() string {
		return rapid.SampledFrom([]string{"a", "b.c", "b_c", "d", "unclean", "a/b"}).Draw(t, "name")
	}
	broker := rapid.Int32Range(0, 4).Draw(t, "broker")
	count := rapid.Int32Range(-2, 6).Draw(t, "count")
	switch rapid.IntRange(0, 8).Draw(t, "kind") {
	case 0, 1:
		k.register(broker, rapid.Byte().Draw(t, "incarnation"), int64(rapid.IntRange(-1, 30).Draw(t, "previous epoch")))
	case 2, 3:
		k.heartbeat(broker, func(r *kmsg.BrokerHeartbeatRequest) {
			r.WantShutdown = rapid.IntRange(0, 4).Draw(t, "shutdown") == 0
			r.WantFence = rapid.IntRange(0, 4).Draw(t, "fence") == 0
		})
	case 4:
		in := []kmsg.CreateTopicsRequestTopic{topic(name(), count, int16(rapid.IntRange(-1, 3).Draw(t, "factor")))}
		if other := name(); other != in[0].Topic {
			in = append(in, assigned(other, []int32{broker, broker + 1}))
		}
		out := k.create(in...).Topics
		for i := range in {
			if len(out) != len(in) || out[i].Topic != in[i].Topic {
				t.Fatalf("asked for %v, answered %v", in, out)
			}
		}
	case 5:
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: ptr(name())}}
		k.decide(req)
	case 6:
		req := kmsg.NewPtrCreatePartitionsRequest()
		req.Topics = []kmsg.CreatePartitionsRequestTopic{more(name(), count)}
		k.decide(req)
	case 7:
		k.alter(topicType, name(), op{Name: "cleanup.policy", Op: appendOp, Value: ptr("compact")})
	case 8:
		k.apply(k.c.Expire(k.now, k.img))
	}
}

func checkInvariants(t *rapid.T, img *metadata.Image) {
	elr := img.FeatureLevel(eligibleLeaderReplicas) > 0
	for topic := range img.Topics() {
		for i, p := range topic.Partitions {
			at := fmt.Sprintf("%s-%d %+v", topic.Name, i, p)
			seen := map[core.BrokerID]bool{}
			for _, r := range p.Replicas {
				seen[r] = true
			}
			if int(p.ID) != i || len(seen) != len(p.Replicas) || len(p.Replicas) == 0 {
				t.Fatalf("ids or replicas: %s", at)
			}
			if p.Leader != core.NoBroker && (!p.InSync(p.Leader) || !img.Broker(p.Leader).Active()) {
				t.Fatalf("the leader is not in sync or not active: %s", at)
			}
			if len(p.ISR) == 0 && !elr {
				t.Fatalf("empty ISR: %s", at)
			}
			for _, r := range p.ISR {
				if !p.HasReplica(r) || elr && !img.Broker(r).Active() {
					t.Fatalf("in sync but no active replica: %s", at)
				}
			}
			for _, r := range p.ELR {
				if !p.HasReplica(r) || p.InSync(r) {
					t.Fatalf("eligible but no replica, or in sync as well: %s", at)
				}
			}
		}
	}
}

// checkEpochs holds that a partition's epochs never go back, and that a new leader means a new leader epoch.
func checkEpochs(t *rapid.T, before, after *metadata.Image) {
	for _, change := range metadata.Diff(before, after).Topics {
		change.Partitions(func(b, a *metadata.Partition) {
			if b == nil || a == nil {
				return
			}
			if a.PartitionEpoch <= b.PartitionEpoch || a.LeaderEpoch < b.LeaderEpoch ||
				a.Leader != b.Leader && a.LeaderEpoch == b.LeaderEpoch {
				t.Fatalf("%+v became %+v", b, a)
			}
		})
	}
}
