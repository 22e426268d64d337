package linearizability

// Lag is a lower bound on how stale a poll was.
type Lag struct {
	Partition Partition
	// Nanoseconds are between the moment at which a record was certainly there and the call of Poll, which did not return
	// that record though it is the next to read.
	Nanoseconds int64
	Poll        *Op
	// Missed is the send of that record.
	Missed *Op
}

// worstLag finds the stalest successful poll that returned nothing although something was there. A poll that returned
// records may have left others for its limits only, so it says nothing.
func worstLag(v *view) *Lag {
	var worst *Lag
	for _, l := range v.partitions {
		// firstThere[i] is the slot, of those from i on, that was there first.
		firstThere := make([]int32, len(l.slots))
		there := func(i int32) int64 {
			r := &l.records[l.slots[i].record]
			switch {
			case r.required:
				return min(max(r.evidence, v.committedFrom(r)), v.visibleFrom(r))
			case r.send != nil && r.send.Txn == "":
				return r.evidence
			}
			return Never
		}
		for i := len(l.slots) - 1; i >= 0; i-- {
			firstThere[i] = int32(i)
			if i+1 < len(l.slots) && there(firstThere[i+1]) < there(int32(i)) {
				firstThere[i] = firstThere[i+1]
			}
		}
		at := map[int32]position{}
		for i := range l.reads {
			r := &l.reads[i]
			if r.op.Outcome != OK {
				continue
			}
			before, known := at[r.op.Process]
			known = known && before.session == r.session || r.data.From != None
			b := r.bounds(before.next)
			at[r.op.Process] = position{r.session, b.to}
			if !known || len(r.data.Offsets) > 0 {
				continue
			}
			n := l.firstSlot(b.from)
			if n == len(l.slots) || there(firstThere[n]) >= r.op.Call {
				continue
			}
			lag := r.op.Call - there(firstThere[n])
			if worst == nil || lag > worst.Nanoseconds {
				worst = &Lag{l.id, lag, r.op, l.records[l.slots[firstThere[n]].record].send}
			}
		}
	}
	return worst
}
