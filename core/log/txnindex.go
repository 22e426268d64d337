package log

import (
	"encoding/binary"
	"errors"

	"ottla.dev/core"
)

// AbortedTxn is an entry of a transaction index: a transaction that was aborted (Kafka: AbortedTxn, TransactionIndex).
type AbortedTxn struct {
	Producer         core.ProducerID
	First            core.Offset // of its first record
	Last             core.Offset // of its marker
	LastStableOffset core.Offset // when the marker was written
}

const txnIndexVersion = 0

// ErrTxnIndex is the error of bytes that are no transaction index.
var ErrTxnIndex = errors.New("transaction index is corrupt")

// AppendAbortedTxn appends the entry in Kafka's form.
func AppendAbortedTxn(dst []byte, t AbortedTxn) []byte {
	dst = binary.BigEndian.AppendUint16(dst, txnIndexVersion)
	dst = binary.BigEndian.AppendUint64(dst, uint64(t.Producer))
	dst = binary.BigEndian.AppendUint64(dst, uint64(t.First))
	dst = binary.BigEndian.AppendUint64(dst, uint64(t.Last))
	return binary.BigEndian.AppendUint64(dst, uint64(t.LastStableOffset))
}

// ReadTxnIndex reads a transaction index. Entries of another version, cut short, or not in the order of their
// markers are an error; those before it are returned.
func ReadTxnIndex(b []byte) ([]AbortedTxn, error) {
	var list []AbortedTxn
	for len(b) > 0 {
		if len(b) < TxnIndexEntrySize || binary.BigEndian.Uint16(b) != txnIndexVersion {
			return list, ErrTxnIndex
		}
		t := AbortedTxn{
			Producer:         core.ProducerID(binary.BigEndian.Uint64(b[2:])),
			First:            core.Offset(binary.BigEndian.Uint64(b[10:])),
			Last:             core.Offset(binary.BigEndian.Uint64(b[18:])),
			LastStableOffset: core.Offset(binary.BigEndian.Uint64(b[26:])),
		}
		if t.First > t.Last || len(list) > 0 && t.Last <= list[len(list)-1].Last {
			return list, ErrTxnIndex
		}
		list, b = append(list, t), b[TxnIndexEntrySize:]
	}
	return list, nil
}
