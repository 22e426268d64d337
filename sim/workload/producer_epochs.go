package workload

import (
	"math"

	"ottla.dev/core"
	"ottla.dev/sim/check"
)

// bump begins a new epoch now and then, when nothing is under way, as producers do behind a batch that has failed
// (KIP-360): sequence numbers begin with 0 again. Behind the largest epoch there is none, and it reports true: it needs
// another producer id, of which nobody knows anything (Kafka: TransactionManager.bumpIdempotentProducerEpoch).
func (p *producer) bump() bool {
	if p.spec.Bump == 0 || len(p.window) > 0 || p.id < 0 || !p.habits.Chance(1, uint64(p.spec.Bump)) {
		return false
	}
	if p.epoch == math.MaxInt16 {
		p.net.Fired(EpochsEnded)
		p.renew()
		return true
	}
	p.net.Fired("producer epoch")
	p.before, p.zombie = p.seqs, true
	p.epoch++
	p.seqs, p.acked = map[core.TopicPartition]int32{}, map[core.TopicPartition]uint64{}
	return false
}

// haunts draws whether the next batch is one of the epoch before, as of an instance of the producer that does not know
// that it was replaced. It is asked only where a batch of the new epoch was acknowledged and cannot be forgotten, so
// that it must be refused.
func (p *producer) haunts(part *check.Partition) bool {
	_, acked := p.acked[part.Name]
	if _, was := p.before[part.Name]; !p.zombie || !acked || !was || !part.Remembers() || !p.habits.Chance(1, 3) {
		return false
	}
	p.zombie = false
	p.net.Fired("zombie batch")
	return true
}
