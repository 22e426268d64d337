package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"ottla.dev/linearizability"
)

// What a maker of topics does with each.
const (
	passing      = "passing-" // and a number are their names
	topicParts   = 2
	topicRecords = 40
	topicAsk     = 10 * time.Second
)

// makeTopics creates topics, writes a little, and deletes two of three.
func (l *load) makeTopics(process int32) {
	client := l.client()
	defer client.Close()
	admin := kadm.NewClient(client)
	for n := 0; l.stopped.Err() == nil; n++ {
		name := fmt.Sprintf("%s%d", passing, n)
		l.mu.Lock()
		l.extra = append(l.extra, name)
		l.mu.Unlock()
		if l.changeTopic(linearizability.CreateTopic, process, name, func(ctx context.Context) error {
			made, err := admin.CreateTopic(ctx, topicParts, brokers, nil, name)
			return errors.Join(err, made.Err)
		}) {
			l.fill(process, name)
			l.topics.Add(1)
		}
		if n%3 != 0 {
			l.changeTopic(linearizability.DeleteTopic, process, name, func(ctx context.Context) error {
				gone, err := admin.DeleteTopic(ctx, name)
				return errors.Join(err, gone.Err)
			})
		}
		l.rest(500 * time.Millisecond)
	}
}

// changeTopic creates or deletes a topic and records it.
func (l *load) changeTopic(
	kind linearizability.Kind, process int32, name string, do func(context.Context) error,
) bool {
	id := l.begin(kind, process, func(op *linearizability.Op) { op.Partition.Topic = name })
	ctx, cancel := context.WithTimeout(context.Background(), topicAsk)
	defer cancel()
	err := do(ctx)
	l.end(id, err, nil)
	return err == nil || errors.Is(err, kerr.TopicAlreadyExists)
}

// fill writes records to a new topic and waits for them, but not for ever.
func (l *load) fill(process int32, name string) {
	client := l.client(producerOptions()...)
	defer client.Close()
	for n := range topicRecords {
		l.send(client, process, name, int32(n%topicParts), fmt.Sprintf("%s-%d", name, n))
	}
	ctx, cancel := context.WithTimeout(context.Background(), topicAsk)
	defer cancel()
	client.Flush(ctx)
}

// askEnds asks for the end offsets of the ledger, again and again.
func (l *load) askEnds(process int32) {
	client := l.client()
	defer client.Close()
	admin := kadm.NewClient(client)
	for l.stopped.Err() == nil {
		l.rest(300 * time.Millisecond)
		call := l.now()
		ctx, cancel := context.WithTimeout(context.Background(), topicAsk)
		ends, _ := admin.ListEndOffsets(ctx, ledger)
		cancel()
		ends.Each(func(o kadm.ListedOffset) {
			if o.Err != nil {
				return
			}
			op := linearizability.NewOp(linearizability.ListOffsets, process, call)
			op.Partition = linearizability.Partition{Topic: ledger, Index: o.Partition}
			op.Offset = o.Offset
			l.recorder.Add(op.Done(l.now(), linearizability.OK, ""))
		})
	}
}

// rest waits, unless everything stops.
func (l *load) rest(d time.Duration) {
	select {
	case <-l.stopped.Done():
	case <-time.After(d):
	}
}
