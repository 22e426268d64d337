package check

import (
	"maps"
	"slices"
	"strconv"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/partition"
	"ottla.dev/core/record"
)

// producerLog is what the batches of a replica's log say of its producers: of each one the last batches, as many as
// are remembered (KIP-98). It shares no code with the log's own.
type producerLog struct {
	base    core.Offset // of the first batch that was read
	byID    map[core.ProducerID]*producerSeen
	touched []core.ProducerID // since they were judged last
	anew    bool              // all are to be judged, and those that should not be there
}

type producerSeen struct {
	epoch   core.ProducerEpoch
	batches []log.ProducerBatch
	touched bool
}

func (p *producerLog) begin(base core.Offset) {
	*p = producerLog{base: base, byID: map[core.ProducerID]*producerSeen{}, anew: true}
}

func (p *producerLog) take(v record.View) {
	if !v.HasProducerID() || v.IsControl() {
		return
	}
	x := p.byID[v.ProducerID()]
	if x == nil {
		x = &producerSeen{}
		p.byID[v.ProducerID()] = x
	}
	if x.epoch != v.ProducerEpoch() {
		x.epoch, x.batches = v.ProducerEpoch(), nil
	}
	if len(x.batches) == remembered {
		x.batches = slices.Delete(x.batches, 0, 1)
	}
	x.batches = append(x.batches, log.ProducerBatch{LastSequence: v.LastSequence(), LastOffset: v.LastOffset(),
		OffsetDelta: v.LastOffsetDelta(), Timestamp: v.MaxTimestamp()})
	if !x.touched {
		x.touched = true
		p.touched = append(p.touched, v.ProducerID())
	}
}

// remembered is how many batches of a producer Kafka remembers (ProducerStateEntry.NUM_BATCHES_TO_RETAIN).
const remembered = 5

// mayForget is when a simulation begins, less a day and plus all that clocks may be off and it may take: a producer
// whose last record is older may be forgotten (producer.id.expiration.ms), any younger one must not be.
const mayForget = Forgotten + 2*3600*1000

// watchProducers is S13 of logs: what a log knows of its producers is what its batches say, after each append and each
// truncation, on leaders and followers (KAFKA-6003), and after each start.
func (c *Cluster) watchProducers(seen *seenReplica, s *Sighting, r *partition.Replica) {
	p := seen.producers
	if p == nil || p.byID == nil || s.Written != s.End || seen.cursor.next != s.End || r.Log().Truncating() ||
		len(p.touched) == 0 && !p.anew {
		return
	}
	has, why := r.Log().Producers(), ""
	if p.anew {
		for _, x := range has.All() {
			if b := x.Batches(); len(b) > 0 && b[len(b)-1].LastOffset >= p.base && p.byID[x.ID] == nil {
				why = ": it knows producer " + strconv.FormatInt(int64(x.ID), 10) + ", of which it has no batch"
			}
		}
		p.touched = slices.Sorted(maps.Keys(p.byID))
	}
	for _, id := range p.touched {
		x := p.byID[id]
		x.touched = false
		if text := x.differs(has.Get(id)); text != "" && why == "" {
			why = ": of producer " + strconv.FormatInt(int64(id), 10) + " " + text
		}
	}
	p.touched, p.anew = p.touched[:0], false
	if why != "" {
		c.wrong("producers", s.Node, s.Name.String()+why)
	}
}

// differs says in what a log's state of a producer is not what its batches say. It may know of batches before the first
// that is there.
func (x *producerSeen) differs(has *log.Producer) string {
	last := x.batches[len(x.batches)-1]
	if has == nil {
		if last.Timestamp < mayForget {
			return ""
		}
		return "it knows nothing, and its last batch ends at offset " + offsetText(last.LastOffset)
	}
	known, sure := has.Batches(), x.batches
	for i, b := range x.batches {
		if b.Timestamp < mayForget { // with it, all before may have been forgotten
			sure = x.batches[i+1:]
		}
	}
	both := min(len(known), len(x.batches))
	switch {
	case has.Epoch != x.epoch:
		return "it knows epoch " + strconv.Itoa(int(has.Epoch)) + ", and its last batch is of epoch " +
			strconv.Itoa(int(x.epoch))
	case has.LastTimestamp != last.Timestamp:
		return "it knows another time of its last batch"
	case len(known) < len(sure) || !slices.Equal(known[len(known)-both:], x.batches[len(x.batches)-both:]):
		return "it knows " + batchesText(known) + ", and its last batches are " + batchesText(x.batches)
	}
	return ""
}

func batchesText(list []log.ProducerBatch) string {
	text := "["
	for _, b := range list {
		text += " " + strconv.Itoa(int(b.LastSequence)) + "@" + offsetText(b.LastOffset)
	}
	return text + " ]"
}
