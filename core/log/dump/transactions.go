package dump

import (
	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/record"
)

// transactions follows the transactions in a log, to know what its transaction indexes must say.
type transactions struct {
	open    []openTxn // by first offset
	aborted []log.AbortedTxn
}

type openTxn struct {
	producer core.ProducerID
	first    core.Offset
}

// batch notes where a producer's transaction begins.
func (t *transactions) batch(v record.View) {
	if !v.IsTransactional() || v.IsControl() {
		return
	}
	for _, x := range t.open {
		if x.producer == v.ProducerID() {
			return
		}
	}
	t.open = append(t.open, openTxn{v.ProducerID(), v.BaseOffset()})
}

// marker ends a transaction. Where the log no longer has its beginning, the first offset is not known.
func (t *transactions) marker(v record.View, key []byte) {
	x := log.AbortedTxn{Producer: v.ProducerID(), First: core.NoOffset, Last: v.BaseOffset()}
	for i, o := range t.open {
		if o.producer == x.Producer {
			x.First = o.first
			t.open = append(t.open[:i], t.open[i+1:]...)
			break
		}
	}
	x.LastStableOffset = x.Last + 1
	if len(t.open) > 0 {
		x.LastStableOffset = t.open[0].first
	}
	if kind, ok := record.ParseControlKey(key); ok && kind == record.ControlAbort && x.First != core.NoOffset {
		t.aborted = append(t.aborted, x)
	}
}

// compare gives what is wrong with a transaction index, "" if nothing is. Entries of transactions whose beginning is
// no longer in the log are passed over.
func (t *transactions) compare(list []log.AbortedTxn) string {
	for _, want := range t.aborted {
		for len(list) > 0 && list[0].Last < want.Last {
			list = list[1:]
		}
		if len(list) == 0 || list[0] != want {
			return "no entry for the transaction of producer " + number(int64(want.Producer)) + " that was aborted at offset " +
				number(int64(want.Last)) + ", as the log has it"
		}
		list = list[1:]
	}
	return ""
}
