package broker

import (
	"bytes"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// A driver may take many steps before it executes their effects (core/doc.go, duty 2).
func TestRequestsThatHaveNotLeftStayAsTheyWere(t *testing.T) {
	l := links{clientID: "broker-1"}
	var shard, driver core.Outbox
	var want [][]byte
	for i := range 64 {
		req := kmsg.NewPtrMetadataRequest()
		req.Version = 12
		for k := range 1 + i%20 {
			topic := kmsg.NewMetadataRequestTopic()
			topic.Topic = kmsg.StringPtr("t" + strconv.Itoa(i*100+k))
			req.Topics = append(req.Topics, topic)
		}
		l.send(core.Instant{}, &shard, "b2:9092", laneReplica, req, time.Second, func(kmsg.Response, bool) {})
		drain(&shard, &driver)
		want = append(want, bytes.Clone(driver.Links[len(driver.Links)-1].Bytes))
	}
	at := 0
	for _, op := range driver.Links {
		if op.Kind != core.LinkSend {
			continue
		}
		if !bytes.Equal(op.Bytes, want[at]) {
			t.Fatalf("request %d became %q, it was %q", at, op.Bytes, want[at])
		}
		at++
	}
	if at != len(want) {
		t.Fatalf("%d of %d requests are there", at, len(want))
	}
}
