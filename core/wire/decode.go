package wire

import (
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// keepElements is how many elements of each kind of array a session keeps for its next request; longer arrays go to the
// garbage collector, so that one large request does not cost memory for the rest of the connection.
const keepElements = 1024

// reader decodes the hot requests by hand, since kmsg's decoder makes the arrays inside of arrays anew each time.
// Bodies have passed [scan] before; the checks of kbin's reader remain as a second line.
type reader struct {
	kbin.Reader
	flexible bool
}

func (r *reader) arrayLen() int {
	if r.flexible {
		return int(max(r.CompactArrayLen(), 0))
	}
	return int(max(r.ArrayLen(), 0))
}

// text aliases the body.
func (r *reader) text() string {
	if r.flexible {
		return r.UnsafeCompactString()
	}
	return r.UnsafeString()
}

// nullableText reads a string into keep and points to it, or returns nil.
func (r *reader) nullableText(keep *string) *string {
	length := 0
	if r.flexible {
		length = int(r.Uvarint()) - 1
	} else {
		length = int(r.Int16())
	}
	if length < 0 {
		return nil
	}
	*keep = kbin.UnsafeString(r.Span(length))
	return keep
}

func (r *reader) nullableBytes() []byte {
	if r.flexible {
		return r.CompactNullableBytes()
	}
	return r.NullableBytes()
}

// tags calls read for each tagged field, with a reader of the field alone.
func (r *reader) tags(read func(tag uint32, field reader)) {
	if !r.flexible {
		return
	}
	for n := r.Uvarint(); n > 0 && r.Ok(); n-- {
		tag := r.Uvarint()
		read(tag, reader{kbin.Reader{Src: r.Span(int(r.Uvarint()))}, true})
	}
}

// noTags skips the tagged fields of a struct that has none we know: scan has cut out all others.
func (r *reader) noTags() { r.tags(func(uint32, reader) {}) }

// resize gives a slice of n elements, with kept's memory if that suffices. Its elements are those of earlier requests.
func resize[T any](kept []T, n int) []T {
	if n > cap(kept) {
		return make([]T, n)
	}
	return kept[:n]
}

// keep bounds what stays for the next request.
func keep[T any](s []T) []T {
	if cap(s) > keepElements {
		return nil
	}
	return s[:0]
}

// take cuts n elements off an arena, from which all of a request's inner arrays come. A full arena is replaced by a
// larger one; what was taken before stays where it is.
func take[T any](arena *[]T, n int) []T {
	used := len(*arena)
	if used+n > cap(*arena) {
		*arena, used = make([]T, 0, max(n, 2*cap(*arena))), 0
	}
	*arena = (*arena)[:used+n]
	return (*arena)[used : used+n : used+n]
}

// decodeProduce decodes a Produce request of the version into r.produce.
func (q *Requests) decodeProduce(version int16, body []byte) error {
	r := reader{kbin.Reader{Src: body}, version >= 9}
	request := &q.produce
	topics := keep(request.Topics)
	q.produced = keep(q.produced)
	*request = kmsg.ProduceRequest{Version: version}
	request.TransactionID = r.nullableText(&q.transactionID)
	request.Acks = r.Int16()
	request.TimeoutMillis = r.Int32()
	topics = resize(topics, r.arrayLen())
	for i := range topics {
		t := &topics[i]
		*t = kmsg.ProduceRequestTopic{}
		if version <= 12 {
			t.Topic = r.text()
		} else {
			t.TopicID = r.Uuid()
		}
		t.Partitions = take(&q.produced, r.arrayLen())
		for j := range t.Partitions {
			partition := r.Int32()
			t.Partitions[j] = kmsg.ProduceRequestTopicPartition{Partition: partition, Records: r.nullableBytes()}
			r.noTags()
		}
		r.noTags()
	}
	request.Topics = topics
	r.noTags()
	return r.Complete()
}

// decodeFetch decodes a Fetch request of the version into r.fetch.
func (q *Requests) decodeFetch(version int16, body []byte) error {
	r := reader{kbin.Reader{Src: body}, version >= 12}
	request := &q.fetch
	topics, forgotten := keep(request.Topics), keep(request.ForgottenTopics)
	q.fetched, q.forgotten = keep(q.fetched), keep(q.forgotten)
	*request = kmsg.NewFetchRequest()
	request.Version = version
	if version <= 14 {
		request.ReplicaID = r.Int32()
	}
	request.MaxWaitMillis = r.Int32()
	request.MinBytes = r.Int32()
	request.MaxBytes = r.Int32()
	request.IsolationLevel = r.Int8()
	if version >= 7 {
		request.SessionID = r.Int32()
		request.SessionEpoch = r.Int32()
	}
	request.Topics = q.fetchTopics(&r, topics)
	if version >= 7 {
		request.ForgottenTopics = q.forgottenTopics(&r, forgotten)
	}
	if version >= 11 {
		request.Rack = r.text()
	}
	r.tags(func(tag uint32, field reader) {
		switch tag {
		case 0:
			request.ClusterID = field.nullableText(&q.clusterID)
		case 1:
			request.ReplicaState.ID = field.Int32()
			request.ReplicaState.Epoch = field.Int64()
		}
	})
	return r.Complete()
}

func (q *Requests) fetchTopics(r *reader, kept []kmsg.FetchRequestTopic) []kmsg.FetchRequestTopic {
	version := q.fetch.Version
	topics := resize(kept, r.arrayLen())
	for i := range topics {
		t := &topics[i]
		*t = kmsg.FetchRequestTopic{}
		if version <= 12 {
			t.Topic = r.text()
		} else {
			t.TopicID = r.Uuid()
		}
		t.Partitions = take(&q.fetched, r.arrayLen())
		for j := range t.Partitions {
			r.fetchPartition(&t.Partitions[j], version)
		}
		r.noTags()
	}
	return topics
}

func (r *reader) fetchPartition(p *kmsg.FetchRequestTopicPartition, version int16) {
	*p = kmsg.NewFetchRequestTopicPartition()
	p.Partition = r.Int32()
	if version >= 9 {
		p.CurrentLeaderEpoch = r.Int32()
	}
	p.FetchOffset = r.Int64()
	if version >= 12 {
		p.LastFetchedEpoch = r.Int32()
	}
	if version >= 5 {
		p.LogStartOffset = r.Int64()
	}
	p.PartitionMaxBytes = r.Int32()
	r.tags(func(tag uint32, field reader) {
		switch tag {
		case 0:
			p.ReplicaDirectoryID = field.Uuid()
		case 1:
			p.HighWatermark = field.Int64()
		}
	})
}

func (q *Requests) forgottenTopics(
	r *reader, kept []kmsg.FetchRequestForgottenTopic,
) []kmsg.FetchRequestForgottenTopic {
	topics := resize(kept, r.arrayLen())
	for i := range topics {
		t := &topics[i]
		*t = kmsg.FetchRequestForgottenTopic{}
		if q.fetch.Version <= 12 {
			t.Topic = r.text()
		} else {
			t.TopicID = r.Uuid()
		}
		t.Partitions = take(&q.forgotten, r.arrayLen())
		for j := range t.Partitions {
			t.Partitions[j] = r.Int32()
		}
		r.noTags()
	}
	return topics
}
