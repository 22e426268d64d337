package broker_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/wire"
)

// stepAlone gives a session a frame and executes nothing but that step: what it sends stays under way.
func (w *world) stepAlone(a *actor, frame []byte) (sends []core.Send) {
	a.wants = false
	a.lent = append(a.lent, frame)
	a.machine.Step(w.now, core.Input{Kind: core.InputFrame, Frame: frame})
	a.machine.Drain(&a.out)
	sends = append(sends, a.out.Sends...)
	w.connection(a)
	a.out.Reset()
	return sends
}

func seedProduce() kmsg.Request {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = 9, -1, 1000
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: seedTopic,
		Partitions: []kmsg.ProduceRequestTopicPartition{{Records: seedBatch(0)}}}}
	return req
}

// Kafka reads a request only when those before it are answered, so a malformed one takes no answer from them.
func TestRequestsBeforeAMalformedOneAreAnswered(t *testing.T) {
	truncated := []byte{0, 0, 0, 9, 0, 0, 0, 2, 0, 1, 'c', 0, 0}
	for name, bad := range map[string][]byte{
		"a produce request that is cut": truncated,
		"an unknown API key":            {0, 95, 0, 0, 0, 0, 0, 2, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(2)
			s := w.connect()
			w.createTopic(s, seedTopic)
			before := len(s.answers)
			good := seedProduce()
			sends := w.stepAlone(s, frameOf(good, 1))
			if len(sends) != 1 || !s.wants {
				t.Fatalf("%d messages, next frame wanted: %v", len(sends), s.wants)
			}
			w.stepAlone(s, bad)
			if s.closed || s.wants {
				t.Fatalf("closed %v, next frame wanted %v, with a request before the bad one under way", s.closed, s.wants)
			}
			w.give(w.actor(sends[0].To), core.Input{Kind: core.InputMessage, From: s.address, Message: sends[0].Message})
			w.settle()
			if len(s.answers) != before+1 || !s.closed {
				t.Fatalf("%d answers, closed %v", len(s.answers)-before, s.closed)
			}
			resp := decodeAnswer(good, s.answers[before]).(*kmsg.ProduceResponse)
			if code := resp.Topics[0].Partitions[0].ErrorCode; code != 0 {
				t.Errorf("%v is answered %d", wire.Produce, code)
			}
			w.hangUp(s)
			if len(s.lent) > 0 {
				t.Errorf("%d frames were not released", len(s.lent))
			}
		})
	}
}
