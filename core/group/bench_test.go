package group

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func BenchmarkHeartbeat(b *testing.B) {
	w, a := benchWorld()
	req := &kmsg.HeartbeatRequest{Version: 4, Group: "g", MemberID: a.member, Generation: a.generation}
	c := &Call{Request: req, Response: req.ResponseKind()}
	b.ReportAllocs()
	for b.Loop() {
		w.runtime.Submit(w.now, c)
		w.runtime.Drain()
	}
}

// BenchmarkOffsetCommit commits one partition, as consumers that commit by themselves do all the time.
func BenchmarkOffsetCommit(b *testing.B) {
	w, a := benchWorld()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.MemberID, req.Generation = 9, "g", a.member, a.generation
	req.Topics = []kmsg.OffsetCommitRequestTopic{{
		Topic: "t1", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 1}},
	}}
	c := &Call{Request: req, Response: req.ResponseKind()}
	b.ReportAllocs()
	for b.Loop() {
		w.runtime.Submit(w.now, c)
		w.runtime.Advance(w.end)
		w.runtime.Drain()
		w.batches = w.batches[:0]
	}
}

func benchWorld() (*world, *client) {
	s := &scripted{}
	for _, line := range []string{"settings initial-delay=0s", "join a g v=3", "pass 10ms", "sync a g", "heartbeat a g"} {
		s.run(strings.Fields(line))
	}
	return s.w, s.w.client("a")
}
