package log

import (
	"bytes"
	"errors"
	"hash/crc32"
	"math"
	"slices"

	"ottla.dev/core"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// epochMark is how many characters behind the last entry of a leader-epoch checkpoint are its checksum: a CRC-32C of
// all before them, the highest bit first, a blank for 0 and a tab for 1. Kafka splits lines at white space and has no
// place for anything else there. A checkpoint without entries has nothing to vouch for, and no checksum.
const epochMark = 32

// appendEpochMark appends the checksum of a checkpoint that ends with an entry, and the end of its line.
func appendEpochMark(dst []byte) []byte {
	sum := crc32.Checksum(dst, crc32.MakeTable(crc32.Castagnoli))
	for bit := epochMark - 1; bit >= 0; bit-- {
		c := byte(' ')
		if sum>>bit&1 == 1 {
			c = '\t'
		}
		dst = append(dst, c)
	}
	return append(dst, '\n')
}

// EpochsVouched reports whether a leader-epoch checkpoint has a checksum, without saying that it is right, which
// [ReadEpochCheckpoint] does. Those that Kafka writes have none.
func EpochsVouched(b []byte) bool {
	last := bytes.TrimSuffix(b, []byte("\n"))
	return len(last) != len(bytes.TrimRight(last, " \t"))
}

// vouched is what a leader-epoch checkpoint says whose checksum is right. The checksum of a batch does not cover its
// leader epoch: where the two disagree, below an offset where the checkpoint was complete, the batch is damaged.
//
// A checkpoint is complete after a clean stop, and otherwise below the recovery point, which waits for the epochs
// below it to be in the file ([Log.RecoveryPoint]), and is lowered before a log is cut. Above it the file may have
// epochs that were cut off since, or lack the last ones; what it says of where an epoch begins holds there, too.
type vouched struct {
	epochs []EpochStart
	below  core.Offset
}

// denies reports whether a batch has another leader epoch than it was written with. Old ones of Kafka's have none.
// Wherever it is, it cannot be of an epoch that begins behind it: every epoch begins at one offset. But where the first
// one of the file begins may be where the log did.
func (k *vouched) denies(v record.View) bool {
	switch epoch := v.LeaderEpoch(); {
	case epoch == core.NoLeaderEpoch || len(k.epochs) == 0:
		return false
	case v.BaseOffset() < k.below:
		return !epochFits(k.epochs, v)
	default:
		return slices.ContainsFunc(k.epochs[1:], func(e EpochStart) bool {
			return e.Epoch == epoch && e.Start > v.BaseOffset()
		})
	}
}

// readVouched reads the checkpoint before any batch. Of a log that is opened for the second time because it is damaged
// the recovery point is given up; what is cut too early then is copied from the leader.
func (o *opening) readVouched() error {
	if o.Sole {
		return nil
	}
	b, err := readFile(o.fs, o.path(EpochCheckpointName))
	if errors.Is(err, core.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	list, bad := ReadEpochCheckpoint(b)
	if bad != nil || !EpochsVouched(b) {
		return nil
	}
	o.vouched = vouched{epochs: list, below: o.Recovery}
	if o.Clean || o.Resync {
		o.vouched.below = math.MaxInt64
	}
	return nil
}

var errEpoch = errors.New("a batch has another leader epoch than the leader-epoch checkpoint says")

// misdated refuses a log with a batch that the checkpoint denies.
func (o *opening) misdated(at core.Offset) error {
	o.Report.Reached.Add(probe.EpochDenied)
	return o.damaged(at, errEpoch.Error())
}
