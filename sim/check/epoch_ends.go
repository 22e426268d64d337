package check

import "ottla.dev/core"

// EpochEnds judges an answer to OffsetForLeaderEpoch: whoever has read up to an offset in an epoch has read what is
// committed, and every later leader has it (KIP-320: the truncation that a consumer looks for does not happen).
func (l *Ledger) EpochEnds(p *Partition, asked core.LeaderEpoch, read core.Offset, epoch core.LeaderEpoch,
	end core.Offset) {
	if p.forgiven || p.topic.Caching || !p.topic.Retained || p.deleted > 0 || asked < 0 {
		return
	}
	if epoch != asked || end < read {
		l.wrong("epoch-end", p, "records of epoch "+epochText(asked)+" were read up to offset "+offsetText(read)+
			", and the leader says that epoch "+epochText(epoch)+" ends at "+offsetText(end))
	}
}
