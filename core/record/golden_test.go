package record_test

import (
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// leaderChangeHex was written by Kafka 4.2: offset 0, epoch 1, leader, voter and granting voter 1.
const leaderChangeHex = "00000000000000000000004f00000001021154eaf90020000000000000018bcfe568000000018bcfe56800" +
	"ffffffffffffffffffffffffffff000000013a0000000800000002260000000000010200000001000200000001000000"

func TestLeaderChangeIsKafkasByteForByte(t *testing.T) {
	one := []record.ControlVoter{{ID: 1}}
	var b record.Builder
	b.Start(nil, 0)
	b.SetLeaderEpoch(1)
	b.AppendLeaderChange(1_700_000_000_000, &record.LeaderChange{Leader: 1, Voters: one, Granting: one})
	_, v := b.Finish()
	if got := hex.EncodeToString(v); got != leaderChangeHex {
		t.Fatalf("LEADER_CHANGE batch:\n got %s\nwant %s", got, leaderChangeHex)
	}
	if !v.IsControl() || v.IsTransactional() || v.LeaderEpoch() != 1 || !v.ValidCRC() || v.Size() != len(v) {
		t.Errorf("fields of the golden batch are misread")
	}
	it := record.Records(v, nil)
	if !it.Next() {
		t.Fatal(it.Err())
	}
	if typ, ok := record.ParseControlKey(it.Record.Key); !ok || typ != record.ControlLeaderChange {
		t.Errorf("ParseControlKey = %v, %v", typ, ok)
	}
	got, ok := record.ParseLeaderChange(it.Record.Value)
	want := record.LeaderChange{Leader: 1, Voters: one, Granting: one}
	if !ok || !cmp.Equal(got, want) {
		t.Errorf("ParseLeaderChange = %+v, %v; want %+v", got, ok, want)
	}
}

// TestFranzReadsWhatWeWrite holds the builder against an independent implementation of the format.
func TestFranzReadsWhatWeWrite(t *testing.T) {
	var b record.Builder
	b.Start(nil, 42)
	b.SetLeaderEpoch(7)
	b.SetProducer(1001, 3, 99)
	b.SetTransactional()
	b.Append(now+5, []byte("k"), []byte("v"), record.Header{Key: []byte("a"), Value: []byte("b")})
	b.Append(now-3, nil, nil, record.Header{Key: []byte("n")})
	b.AppendAt(50, now+1<<40, []byte{}, []byte{})
	_, v := b.Finish()

	rb := kmsg.NewRecordBatch()
	if err := rb.ReadFrom(v); err != nil {
		t.Fatal(err)
	}
	want := kmsg.RecordBatch{
		FirstOffset: 42, Length: int32(len(v) - record.LogOverhead), PartitionLeaderEpoch: 7, Magic: 2,
		CRC: int32(v.ComputeCRC()), Attributes: 0x10, LastOffsetDelta: 8, FirstTimestamp: int64(now + 5),
		MaxTimestamp: int64(now + 1<<40), ProducerID: 1001, ProducerEpoch: 3, FirstSequence: 99, NumRecords: 3,
		Records: v.Payload(),
	}
	if d := cmp.Diff(want, rb); d != "" {
		t.Errorf("header (-want +got):\n%s", d)
	}
	type rec struct {
		Offset     int32
		TS         int64
		Key, Value []byte
		Headers    []record.Header
	}
	var got []rec
	for rest := rb.Records; len(rest) > 0; {
		length, n := binary.Varint(rest)
		var r kmsg.Record
		if err := r.ReadFrom(rest[:int(length)+n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[int(length)+n:]
		x := rec{Offset: r.OffsetDelta, TS: r.TimestampDelta64, Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			x.Headers = append(x.Headers, record.Header{Key: []byte(h.Key), Value: h.Value})
		}
		got = append(got, x)
	}
	wantRecs := []rec{
		{0, 0, []byte("k"), []byte("v"), []record.Header{{Key: []byte("a"), Value: []byte("b")}}},
		{1, -8, nil, nil, []record.Header{{Key: []byte("n")}}},
		{8, 1<<40 - 5, []byte{}, []byte{}, nil},
	}
	if d := cmp.Diff(wantRecs, got); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}
}

// TestWeReadWhatFranzWrites is the other way about.
func TestWeReadWhatFranzWrites(t *testing.T) {
	rb := kmsg.NewRecordBatch()
	rb.Magic, rb.ProducerID, rb.ProducerEpoch, rb.FirstSequence = 2, 9, 8, 2147483647
	rb.PartitionLeaderEpoch, rb.FirstTimestamp, rb.MaxTimestamp = -1, int64(now), int64(now+70)
	rb.LastOffsetDelta, rb.NumRecords = 1, 2
	for i := range int32(2) {
		r := kmsg.NewRecord()
		r.OffsetDelta, r.TimestampDelta64 = i, int64(i)*70
		r.Key, r.Value = []byte{byte(i)}, make([]byte, 100)
		r.Headers = []kmsg.Header{{Key: "x", Value: []byte("y")}}
		body := r.AppendTo(nil)
		// kmsg leaves the length to the caller: it stands at the front as the varint 0.
		rb.Records = append(binary.AppendVarint(rb.Records, int64(len(body)-1)), body[1:]...)
	}
	rb.Length = int32(record.HeaderSize - record.LogOverhead + len(rb.Records))
	v, rest, err := record.Next(rb.AppendTo(nil))
	if err != nil || len(rest) != 0 {
		t.Fatalf("Next: %v, %d bytes left", err, len(rest))
	}
	binary.BigEndian.PutUint32(v[17:], v.ComputeCRC())
	found, refusal := record.Validate(v, rules(), nil)
	if refusal != nil {
		t.Fatal(refusal)
	}
	if found.MaxTimestamp != now+70 || found.MaxTimestampDelta != 1 || found.Renumber {
		t.Errorf("Validate = %+v", found)
	}
	if v.LastSequence() != 0 {
		t.Errorf("LastSequence = %d, want 0: sequence numbers wrap to 0", v.LastSequence())
	}
	for i, r := range collect(t, v, nil) {
		want := flat{core.Offset(i), now + core.Timestamp(i)*70, []byte{byte(i)}, make([]byte, 100),
			[]record.Header{{Key: []byte("x"), Value: []byte("y")}}}
		if d := cmp.Diff(want, r); d != "" {
			t.Errorf("record %d (-want +got):\n%s", i, d)
		}
	}
}

func TestControlRecordsAgreeWithFranz(t *testing.T) {
	var b record.Builder
	b.Start(nil, 0)
	b.SetProducer(5, 1, core.NoSequence)
	b.AppendEndTxn(now, true, record.EndTxn{CoordinatorEpoch: 12})
	_, v := b.Finish()
	if v.Attributes() != record.TransactionalBit|record.ControlBit || v.BaseSequence() != -1 {
		t.Errorf("marker batch has attributes %#x, sequence %d", v.Attributes(), v.BaseSequence())
	}
	r := collect(t, v, nil)[0]
	var key kmsg.ControlRecordKey
	var marker kmsg.EndTxnMarker
	if err := key.ReadFrom(r.Key); err != nil || key.Version != 0 || int16(key.Type) != 1 {
		t.Errorf("key %x: %+v, %v", r.Key, key, err)
	}
	if err := marker.ReadFrom(r.Value); err != nil || marker.CoordinatorEpoch != 12 {
		t.Errorf("value %x: %+v, %v", r.Value, marker, err)
	}
	if m, ok := record.ParseEndTxn(r.Value); !ok || m.CoordinatorEpoch != 12 {
		t.Errorf("ParseEndTxn = %+v, %v", m, ok)
	}

	b.Start(nil, 0)
	in := record.LeaderChange{Version: 1, Leader: 3,
		Voters:   []record.ControlVoter{{ID: 3, Directory: core.UUID{1: 9}}, {ID: 4, Directory: core.UUID{2: 8}}},
		Granting: []record.ControlVoter{{ID: 3, Directory: core.UUID{1: 9}}}}
	b.AppendLeaderChange(now, &in)
	_, v = b.Finish()
	value := collect(t, v, nil)[0].Value
	var change kmsg.LeaderChangeMessage
	if err := change.ReadFrom(value); err != nil || change.LeaderID != 3 || len(change.Voters) != 2 ||
		change.Voters[1].VoterDirectoryID != [16]byte{2: 8} || len(change.GrantingVoters) != 1 {
		t.Errorf("LeaderChangeMessage v1 = %+v, %v", change, err)
	}
	if got, ok := record.ParseLeaderChange(value); !ok || !cmp.Equal(got, in) {
		t.Errorf("ParseLeaderChange = %+v, %v", got, ok)
	}

	// The epoch that Ottla adds is a tagged field, which readers of Kafka's schema pass over.
	b.Start(nil, 0)
	in.Epoch = 70_000
	b.AppendLeaderChange(now, &in)
	_, v = b.Finish()
	value = collect(t, v, nil)[0].Value
	change = kmsg.LeaderChangeMessage{}
	if err := change.ReadFrom(value); err != nil || len(change.GrantingVoters) != 1 || change.UnknownTags.Len() != 1 {
		t.Errorf("LeaderChangeMessage with an epoch = %+v, %v", change, err)
	}
	if got, ok := record.ParseLeaderChange(value); !ok || !cmp.Equal(got, in) {
		t.Errorf("ParseLeaderChange = %+v, %v", got, ok)
	}
}

func TestQuorumRecordsRoundTrip(t *testing.T) {
	voters := []record.Voter{
		{ID: 1, Directory: core.UUID{3}, MaxKRaftVersion: 1,
			Endpoints: []record.Endpoint{{"CONTROLLER", "localhost", 9093}, {"B", "::1", 65535}}},
		{ID: 2, MinKRaftVersion: 1, MaxKRaftVersion: 2, Endpoints: []record.Endpoint{}},
	}
	var b record.Builder
	b.Start(nil, 0)
	b.AppendSnapshotHeader(now, now-1)
	b.AppendKRaftVersion(now, 1)
	b.AppendKRaftVoters(now, voters)
	b.AppendSnapshotFooter(now)
	_, v := b.Finish()
	rs := collect(t, v, nil)
	var types []record.ControlType
	for _, r := range rs {
		typ, ok := record.ParseControlKey(r.Key)
		if !ok {
			t.Fatalf("key %x", r.Key)
		}
		types = append(types, typ)
	}
	want := []record.ControlType{record.ControlSnapshotHeader, record.ControlKRaftVersion, record.ControlKRaftVoters,
		record.ControlSnapshotFooter}
	if !cmp.Equal(types, want) {
		t.Fatalf("types = %v, want %v", types, want)
	}
	if ts, ok := record.ParseSnapshotHeader(rs[0].Value); !ok || ts != now-1 {
		t.Errorf("ParseSnapshotHeader = %d, %v", ts, ok)
	}
	if n, ok := record.ParseKRaftVersion(rs[1].Value); !ok || n != 1 {
		t.Errorf("ParseKRaftVersion = %d, %v", n, ok)
	}
	if got, ok := record.ParseKRaftVoters(rs[2].Value); !ok || !cmp.Equal(got, voters) {
		t.Errorf("ParseKRaftVoters = %+v, %v", got, ok)
	}
	if got := hex.EncodeToString(rs[3].Value); got != "000000" {
		t.Errorf("SNAPSHOT_FOOTER value = %s, want 000000", got)
	}
}
