package api

import (
	"bytes"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/config"
	"ottla.dev/core/record"
	"ottla.dev/core/wire"
)

// produced is a batch of one record as a producer would send it.
func produced(codec record.Codec, value []byte) []byte {
	var b record.Builder
	b.Start(nil, 0)
	b.SetCodec(record.NewCodecs(0), codec, record.DefaultLevel)
	b.Append(1000, []byte("key"), value)
	_, v := b.Finish()
	return v
}

func check(p *ProduceCall, t config.Topic, batch []byte) (record.View, *record.Error) {
	p.header = wire.Header{Key: wire.Produce, Version: 9}
	s := &Server{Now: core.Instant{Wall: 5000}}
	topic := &Topic{Settings: t, Rules: record.Rules{MaxMessageBytes: t.MaxMessageBytes,
		TimestampType: record.TimestampType(t.TimestampType), BeforeMaxMs: t.TimestampBeforeMaxMs,
		AfterMaxMs: t.TimestampAfterMaxMs}}
	return p.checkBatch(s, topic, batch)
}

func TestBatchesAreStoredInTheTopicsCodec(t *testing.T) {
	value := bytes.Repeat([]byte("compressible "), 100)
	for _, c := range []struct {
		setting config.Compression
		want    record.Codec
	}{{config.KeepProducers, record.LZ4}, {config.Uncompressed, record.None}, {config.Gzip, record.Gzip},
		{config.Snappy, record.Snappy}, {config.LZ4, record.LZ4}, {config.Zstd, record.Zstd}} {
		topic := config.DefaultTopic()
		topic.Compression = c.setting
		v, err := check(&ProduceCall{}, topic, produced(record.LZ4, value))
		if err != nil {
			t.Fatalf("%v: %v", c.setting, err)
		}
		it := record.Records(v, record.NewCodecs(0))
		if v.Codec() != c.want || !v.ValidCRC() || !it.Next() || !bytes.Equal(it.Record.Value, value) {
			t.Errorf("compression.type %v: stored with %v, checksum right %v", c.setting, v.Codec(), v.ValidCRC())
		}
	}
}

func TestABatchThatOutgrowsTheLimitInTheTopicsCodecIsTooLarge(t *testing.T) {
	topic := config.DefaultTopic()
	topic.MaxMessageBytes = 1000
	batch := produced(record.Zstd, make([]byte, 5000))
	if _, err := check(&ProduceCall{}, topic, batch); err != nil {
		t.Fatalf("in the producer's codec: %v", err)
	}
	topic.Compression = config.Uncompressed
	if _, err := check(&ProduceCall{}, topic, batch); err == nil || err.Code != core.MessageTooLarge {
		t.Errorf("uncompressed: %v, want MESSAGE_TOO_LARGE", err)
	}
}

func TestLogAppendTimeIsTheBrokers(t *testing.T) {
	topic := config.DefaultTopic()
	topic.TimestampType = config.LogAppendTime
	v, err := check(&ProduceCall{}, topic, produced(record.None, nil))
	if err != nil || v.TimestampType() != record.LogAppendTime || v.MaxTimestamp() != 5000 || !v.ValidCRC() {
		t.Errorf("got %v, timestamp type %v, largest %d", err, v.TimestampType(), v.MaxTimestamp())
	}
}

func TestARequestOfManyBombsIsCutOff(t *testing.T) {
	p := &ProduceCall{inflated: maxInflated - 1}
	topic := config.DefaultTopic()
	batch := produced(record.Zstd, make([]byte, 100))
	if _, err := check(p, topic, batch); err != nil {
		t.Fatalf("below the limit: %v", err)
	}
	if _, err := check(p, topic, batch); err == nil || err.Code != core.MessageTooLarge {
		t.Errorf("above the limit: %v, want MESSAGE_TOO_LARGE", err)
	}
	if _, err := check(&ProduceCall{}, topic, batch); err != nil {
		t.Errorf("the next request: %v", err)
	}
}
