package log

// Broken finds something in the log's books that does not fit together, and says what, for who looks on from outside
// between two steps. Of a log that has failed nothing is promised.
func (l *Log) Broken() string {
	if l.failed != nil {
		return ""
	}
	f, open := &l.flight, 0
	for _, p := range f.queue[f.head:] {
		if !p.done {
			open++
		}
	}
	switch {
	case l.told > l.start || l.start > l.end:
		return "its start and its end are out of order"
	case f.synced > f.written || f.written > l.end || f.asked > l.end || f.synced > f.asked:
		return "what is synced, written and asked for is out of order"
	case f.head < len(f.queue) && f.queue[f.head].done || f.wrote < f.head || f.out < open:
		return "the operations under way are miscounted"
	case l.unflushed < 0 || l.snapshotting < 0:
		return "what is to be flushed is miscounted"
	case l.producers.End() != l.end:
		return "the producers are those at offset " + offsetText(l.producers.End()) + ", and it ends at " + offsetText(l.end)
	}
	if why := l.brokenSegments(); why != "" {
		return why
	}
	return l.brokenTail()
}

func (l *Log) brokenSegments() string {
	for i, s := range l.segments {
		last := i == len(l.segments)-1
		switch {
		case s.base > s.next || !last && s.next > l.segments[i+1].base || last && s.next > l.end:
			return "segment " + offsetText(s.base) + " ends behind the next one's base"
		case !last && (s.indexFile != 0 || s.timesFile != 0):
			return "segment " + offsetText(s.base) + " is not the active one, and has its indexes mapped"
		case s.pins < 0:
			return "segment " + offsetText(s.base) + " is read by less than nobody"
		}
	}
	for i := 1; i < len(l.snapshots); i++ {
		if l.snapshots[i-1].offset >= l.snapshots[i].offset {
			return "the producer snapshots are out of order"
		}
	}
	for i, e := range l.epochs.list {
		if i > 0 && (l.epochs.list[i-1].Epoch >= e.Epoch || l.epochs.list[i-1].Start >= e.Start) {
			return "the leader epochs are out of order"
		}
	}
	return ""
}

// brokenTail looks at the positions of the last batches.
func (l *Log) brokenTail() string {
	for i := 1; i < l.tail.n; i++ {
		a, b := l.tail.at(i-1), l.tail.at(i)
		if a.last >= b.base || b.base > b.last || b.pos != 0 && b.pos != a.pos+a.size {
			return "the batches at " + offsetText(a.base) + " and " + offsetText(b.base) + " are not behind each other"
		}
	}
	if l.tail.n == 0 {
		return ""
	}
	if p, s := l.tail.at(l.tail.n-1), l.active(); p.last >= l.end || s.size > 0 && int64(p.pos+p.size) != s.size {
		return "its last batch in memory is not its last batch"
	}
	return ""
}
