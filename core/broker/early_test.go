package broker_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// stepFiles steps a shard, and does of its file operations those that complete with the given kind of input.
func (w *world) stepFiles(a *actor, in core.Input, done core.InputKind) (sends []core.Send) {
	inputs := []core.Input{in}
	for len(inputs) > 0 {
		a.machine.Step(w.now, inputs[0])
		inputs = inputs[1:]
		a.machine.Drain(&a.out)
		sends = append(sends, a.out.Sends...)
		files := core.Outbox{Files: a.out.Files}
		a.out.Files = nil
		a.files.Execute(&files)
		a.out.Reset()
		for a.files.Pending() > 0 {
			if in := a.files.Take(0); in.Kind == done {
				inputs = append(inputs, in)
			} else {
				w.give(a, in) // comes with the next settle
			}
		}
	}
	return sends
}

// A request that waits for a sync needs its frame no more once it is written: the answer is made without it. A frame
// that is given back is scribbled over. Small ones are not worth a message.
func TestAFrameGoesBackWhenItIsWrittenAndNotWithItsAnswer(t *testing.T) {
	for _, c := range []struct {
		records int
		acks    int16
		early   bool
	}{{30, -1, true}, {1, -1, false}, {30, 1, false}} {
		w := newWorld(1)
		s := w.connect()
		w.createTopic(s, "t")
		w.produce(t, s, "t", 1) // the log's files are there
		s.answers = nil
		req := produceTo("t", 0, c.acks, records(c.records))
		sends := w.hold(s, req, 1)
		shard := w.actor(core.Shard(0))
		back := w.stepFiles(shard, core.Input{Kind: core.InputMessage, From: s.address, Message: sends[0].Message},
			core.InputWritten)
		for _, m := range back {
			s.machine.Step(w.now, core.Input{Kind: core.InputMessage, From: shard.address, Message: m.Message})
			s.machine.Drain(&s.out)
			w.connection(s)
			s.out.Reset()
		}
		answered := len(s.answers) == 1
		if early := len(s.lent) == 0 && !answered; early != c.early || answered != (c.acks == 1) {
			t.Errorf("%+v: when it is written %d frames are kept, %d answers sent", c, len(s.lent), len(s.answers))
		}
		w.settle()
		if len(s.lent) != 0 || len(s.answers) != 1 {
			t.Fatalf("%+v: at the end %d frames are kept, %d answers sent", c, len(s.lent), len(s.answers))
		}
		topic := decodeAnswer(req, s.answers[0]).(*kmsg.ProduceResponse).Topics[0]
		if p := topic.Partitions[0]; topic.Topic != "t" || p.ErrorCode != 0 || p.BaseOffset != 1 {
			t.Errorf("%+v: the answer is %+v", c, topic)
		}
	}
}
