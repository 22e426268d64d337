package check

import (
	"testing"
	"time"

	"ottla.dev/core"
)

func TestMetadataThatGrowWithoutEndAreSeen(t *testing.T) {
	for _, test := range []struct {
		title string
		then  QuorumSighting
		fails bool
	}{
		{"as fast as it may be", QuorumSighting{Life: 1, Epoch: 3, Leading: true, HighWatermark: 100 + 2*mostRecords}, false},
		{"faster", QuorumSighting{Life: 1, Epoch: 3, Leading: true, HighWatermark: 101 + 2*mostRecords}, true},
		{"in another epoch", QuorumSighting{Life: 1, Epoch: 4, Leading: true, HighWatermark: 5 * mostRecords}, false},
		{"in another life", QuorumSighting{Life: 2, Epoch: 3, Leading: true, HighWatermark: 5 * mostRecords}, false},
		{"on a follower", QuorumSighting{Life: 1, Epoch: 3, HighWatermark: 5 * mostRecords}, false},
	} {
		failed := false
		c := &Cluster{brokers: make([]seenBroker, 1)}
		c.fail = func(Class, string, string) { failed = true }
		c.brokers[0].quorum = QuorumSighting{Life: 1, Epoch: 3, Leading: true, HighWatermark: core.Offset(100)}
		c.watchRest(time.Second, 0)
		c.brokers[0].quorum = test.then
		c.watchRest(2*time.Second, time.Second)
		if failed != test.fails {
			t.Errorf("%s: fails %v", test.title, failed)
		}
	}
}
