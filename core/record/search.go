package record

import "ottla.dev/core"

// Position is a record's offset and timestamp, as ListOffsets answers them.
type Position struct {
	Offset    core.Offset
	Timestamp core.Timestamp
}

// FirstSince finds the first record of the batch with a timestamp of ts or later. It looks at the records only if the
// batch's largest timestamp promises one.
func FirstSince(v View, codecs *Codecs, ts core.Timestamp) (p Position, found bool, err error) {
	if v.MaxTimestamp() < ts {
		return Position{}, false, nil
	}
	it := Records(v, codecs)
	for it.Next() {
		if it.Record.Timestamp >= ts {
			return Position{Offset: it.Record.Offset, Timestamp: it.Record.Timestamp}, true, nil
		}
	}
	return Position{}, false, it.Err()
}

// Latest finds the first record of the batch that has the largest timestamp; a batch without records has none.
func Latest(v View, codecs *Codecs) (p Position, found bool, err error) {
	it := Records(v, codecs)
	for it.Next() {
		if !found || it.Record.Timestamp > p.Timestamp {
			p, found = Position{Offset: it.Record.Offset, Timestamp: it.Record.Timestamp}, true
		}
	}
	if err := it.Err(); err != nil {
		return Position{}, false, err
	}
	return p, found, nil
}
