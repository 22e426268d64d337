package partition

import "ottla.dev/core"

// Leading is what a leader believes of its partition, for a judge who looks on from outside.
type Leading struct {
	PartitionEpoch core.PartitionEpoch
	EpochStart     core.Offset // the log end offset when the leadership began
	MinISR         int         // min.insync.replicas in effect
	ISR            []core.BrokerID
	Pending        *Proposal // that the controller may have taken, or nil
}

// Leads returns what the replica believes as the appointed leader. It reports false if it is none, or the only replica.
func (r *Replica) Leads() (Leading, bool) {
	l := r.lead
	if l == nil {
		return Leading{}, false
	}
	return Leading{l.partitionEpoch, l.epochStart, r.minISR(), l.isr, l.pending}, true
}
