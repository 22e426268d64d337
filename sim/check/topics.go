package check

import (
	"maps"
	"slices"
)

// Topic notes that a topic which comes and goes is certainly there, or certainly not.
func (l *Ledger) Topic(name string, there bool) { l.topics[name] = there }

// TopicUnsure notes that a request is on its way that may change that.
func (l *Ledger) TopicUnsure(name string) { delete(l.topics, name) }

// Topics judges a complete list of topics: what was made and acknowledged is there, what was deleted is not.
func (l *Ledger) Topics(names map[string]bool) {
	for _, name := range slices.Sorted(maps.Keys(l.topics)) {
		if there := l.topics[name]; there != names[name] {
			state := "is there and was deleted"
			if there {
				state = "was made and is not there"
			}
			l.fail(Correctness, "metadata", "topic "+name+" "+state)
			return
		}
	}
}
