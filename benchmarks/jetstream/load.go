package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// inFlight is how many messages wait for their acknowledgement at most, about what the comparison's client has.
	inFlight = 16 << 10
	// pulled is how many messages a consumer asks for ahead.
	pulled = 16 << 10
	// ackWithin is for how long the last acknowledgements are waited for.
	ackWithin = 60 * time.Second
)

// load is a closed loop of one client.
type load struct {
	server, stream string
	bytes          int   // of a message
	most           int64 // bytes that are produced
	records        int64 // there are to read
	duration       time.Duration
}

// outcome is what came of it: messages that were acknowledged, or read, how many bytes they have, and how long it took.
type outcome struct {
	Records int64   `json:"records"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
}

func (l load) connect() (*nats.Conn, jetstream.JetStream, error) {
	conn, err := nats.Connect("nats://" + l.server)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot reach %s: %w", l.server, err)
	}
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(inFlight))
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, js, nil
}

// produce makes the stream if it is not there and publishes until its time or its bytes are used up. One that was not
// acknowledged is an error.
func (l load) produce(ctx context.Context) (outcome, error) {
	conn, js, err := l.connect()
	if err != nil {
		return outcome{}, err
	}
	defer conn.Close()
	config := jetstream.StreamConfig{Name: l.stream, Subjects: []string{l.stream}, Storage: jetstream.FileStorage}
	if _, err := js.CreateOrUpdateStream(ctx, config); err != nil {
		return outcome{}, fmt.Errorf("cannot make the stream: %w", err)
	}
	payload := make([]byte, l.bytes)
	for i := range payload {
		payload[i] = byte('a' + i%26)
	}
	var sent int64
	begin := time.Now()
	for sent*int64(l.bytes) < l.most && time.Since(begin) < l.duration && ctx.Err() == nil {
		if _, err := js.PublishAsync(l.stream, payload); errors.Is(err, jetstream.ErrTooManyStalledMsgs) {
			continue
		} else if err != nil {
			return outcome{}, err
		}
		sent++
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(ackWithin):
		return outcome{}, fmt.Errorf("%d messages were not acknowledged", js.PublishAsyncPending())
	}
	took := time.Since(begin).Seconds()
	s, err := js.Stream(ctx, l.stream)
	if err != nil {
		return outcome{}, err
	}
	if there := int64(s.CachedInfo().State.Msgs); there < sent {
		return outcome{}, fmt.Errorf("of %d messages the stream has %d", sent, there)
	}
	return outcome{sent, sent * int64(l.bytes), took}, nil
}

// consume reads all messages, and again from the beginning until its time is used up.
func (l load) consume(ctx context.Context) (got outcome, err error) {
	conn, js, err := l.connect()
	if err != nil {
		return got, err
	}
	defer conn.Close()
	begin := time.Now()
	for again := true; again; again = time.Since(begin) < l.duration && ctx.Err() == nil {
		consumer, err := js.OrderedConsumer(ctx, l.stream, jetstream.OrderedConsumerConfig{})
		if err != nil {
			return got, err
		}
		messages, err := consumer.Messages(jetstream.PullMaxMessages(pulled))
		if err != nil {
			return got, err
		}
		for range l.records {
			m, err := messages.Next()
			if err != nil {
				return got, err
			}
			got.Records++
			got.Bytes += int64(len(m.Data()))
		}
		messages.Stop()
	}
	got.Seconds = time.Since(begin).Seconds()
	return got, nil
}
