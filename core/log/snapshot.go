package log

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"ottla.dev/core"
)

// Layout of a producer snapshot (Kafka: ProducerStateManager, ProducerSnapshot.json).
const (
	snapshotVersion   = 1
	snapshotCRCAt     = 2
	snapshotEntriesAt = 6
	snapshotHeader    = snapshotEntriesAt + 4
	snapshotEntrySize = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8
)

// ErrSnapshot is the error of bytes that are no producer snapshot.
var ErrSnapshot = errors.New("producer snapshot is corrupt")

// SnapshotEntry is one entry of a producer snapshot.
type SnapshotEntry struct {
	ID               core.ProducerID
	Epoch            core.ProducerEpoch
	LastSequence     core.Sequence
	LastOffset       core.Offset
	OffsetDelta      int32
	Timestamp        core.Timestamp
	CoordinatorEpoch int32
	TxnStart         core.Offset
}

// AppendSnapshot appends the state in Kafka's form. Kafka keeps only the last batch of a producer, so that after a
// restart older ones in flight are refused; here a producer has one entry a remembered batch, oldest first. Kafka takes
// the last entry of an id, which makes the file the same to it.
func (s *Producers) AppendSnapshot(dst []byte) []byte {
	start, n := len(dst), 0
	dst = append(dst, make([]byte, snapshotHeader)...)
	for _, p := range s.All() {
		for _, b := range p.Batches() {
			dst = appendSnapshotEntry(dst, p, b)
			n++
		}
		if p.count == 0 {
			none := ProducerBatch{LastSequence: core.NoSequence, LastOffset: core.NoOffset, Timestamp: p.LastTimestamp}
			dst = appendSnapshotEntry(dst, p, none)
			n++
		}
	}
	b := dst[start:]
	binary.BigEndian.PutUint16(b, snapshotVersion)
	binary.BigEndian.PutUint32(b[snapshotEntriesAt:], uint32(n))
	binary.BigEndian.PutUint32(b[snapshotCRCAt:], castagnoli(0, b[snapshotEntriesAt:]))
	return dst
}

func appendSnapshotEntry(dst []byte, p *Producer, b ProducerBatch) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.ID))
	dst = binary.BigEndian.AppendUint16(dst, uint16(p.Epoch))
	dst = binary.BigEndian.AppendUint32(dst, uint32(b.LastSequence))
	dst = binary.BigEndian.AppendUint64(dst, uint64(b.LastOffset))
	dst = binary.BigEndian.AppendUint32(dst, uint32(b.OffsetDelta))
	dst = binary.BigEndian.AppendUint64(dst, uint64(b.Timestamp))
	dst = binary.BigEndian.AppendUint32(dst, uint32(p.CoordinatorEpoch))
	return binary.BigEndian.AppendUint64(dst, uint64(p.TxnStart))
}

// ReadSnapshot reads the entries of a snapshot, after its checksum.
func ReadSnapshot(b []byte) ([]SnapshotEntry, error) {
	if len(b) < snapshotHeader || binary.BigEndian.Uint16(b) != snapshotVersion ||
		binary.BigEndian.Uint32(b[snapshotCRCAt:]) != castagnoli(0, b[snapshotEntriesAt:]) {
		return nil, ErrSnapshot
	}
	n := int64(int32(binary.BigEndian.Uint32(b[snapshotEntriesAt:])))
	body := b[snapshotHeader:]
	if n < 0 || n*snapshotEntrySize != int64(len(body)) {
		return nil, ErrSnapshot
	}
	entries := make([]SnapshotEntry, n)
	for i := range entries {
		e := body[i*snapshotEntrySize:]
		entries[i] = SnapshotEntry{
			ID:               core.ProducerID(binary.BigEndian.Uint64(e)),
			Epoch:            core.ProducerEpoch(binary.BigEndian.Uint16(e[8:])),
			LastSequence:     core.Sequence(binary.BigEndian.Uint32(e[10:])),
			LastOffset:       core.Offset(binary.BigEndian.Uint64(e[14:])),
			OffsetDelta:      int32(binary.BigEndian.Uint32(e[22:])),
			Timestamp:        core.Timestamp(binary.BigEndian.Uint64(e[26:])),
			CoordinatorEpoch: int32(binary.BigEndian.Uint32(e[34:])),
			TxnStart:         core.Offset(binary.BigEndian.Uint64(e[38:])),
		}
		if entries[i].OffsetDelta < 0 {
			return nil, ErrSnapshot
		}
	}
	return entries, nil
}

// LoadProducers rebuilds the state at end from the entries of a snapshot. Several entries of one id are its window.
func LoadProducers(end core.Offset, entries []SnapshotEntry) *Producers {
	s := NewProducers(end)
	for _, e := range entries {
		p := s.byID[e.ID]
		if p == nil {
			p = &Producer{ID: e.ID, Epoch: e.Epoch}
			s.byID[e.ID] = p
		}
		p.moveTo(e.Epoch)
		p.CoordinatorEpoch, p.TxnStart = e.CoordinatorEpoch, max(e.TxnStart, core.NoOffset)
		p.LastTimestamp = e.Timestamp
		if e.LastOffset >= 0 {
			p.add(e.Epoch, ProducerBatch{LastSequence: e.LastSequence, LastOffset: e.LastOffset,
				OffsetDelta: e.OffsetDelta, Timestamp: e.Timestamp})
		}
	}
	return s
}

func castagnoli(crc uint32, b []byte) uint32 {
	return crc32.Update(crc, crc32.MakeTable(crc32.Castagnoli), b)
}
