package record_test

import (
	"testing"

	"ottla.dev/core/record"
)

func TestSearchInLogAppendTimeFindsTheFirstRecord(t *testing.T) {
	v := batch(t, record.None, 5, 10)
	v.SetBaseOffset(40)
	v.SetLogAppendTime(now - 500) // earlier than the producer's own timestamps, which no longer count
	want := record.Position{Offset: 40, Timestamp: now - 500}
	if p, ok, err := record.FirstSince(v, nil, now-500); p != want || !ok || err != nil {
		t.Errorf("FirstSince = %+v, %v, %v", p, ok, err)
	}
	if p, ok, err := record.Latest(v, nil); p != want || !ok || err != nil {
		t.Errorf("Latest = %+v, %v, %v", p, ok, err)
	}
	if _, ok, err := record.FirstSince(v, nil, now-499); ok || err != nil {
		t.Errorf("FirstSince found a record after the append time: %v", err)
	}
}

func TestSearchReportsBadBytes(t *testing.T) {
	v := raw(2, 12, 0, 0, 0, 1, 1, 0) // one record of two
	v.SetMaxTimestamp(record.CreateTime, now+10)
	if _, ok, err := record.FirstSince(v, nil, now+5); ok || err == nil {
		t.Errorf("FirstSince = %v, %v", ok, err)
	}
	if _, ok, err := record.Latest(v, nil); ok || err == nil {
		t.Errorf("Latest = %v, %v", ok, err)
	}
	if _, ok, err := record.Latest(batch(t, record.Gzip, 2, 10), nil); ok || err == nil {
		t.Errorf("a compressed batch without codecs: %v, %v", ok, err)
	}
}
