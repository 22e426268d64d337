package nodetest

import (
	"fmt"
	"sync"

	"ottla.dev/linearizability/franz"
)

// faults are noted in the history from their beginning to their end.
type faults struct {
	recorder *franz.Recorder

	mu   sync.Mutex
	open map[string]func() // what ends them
}

// down is the key of a broker that is not there.
func down(id int) string { return fmt.Sprint("down ", id) }

// begin notes a fault, unless there is one of that key.
func (f *faults) begin(key, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open[key] == nil {
		f.open[key] = f.recorder.Fault(name)
	}
}

// end notes the end of a fault, if there is one of that key.
func (f *faults) end(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if end := f.open[key]; end != nil {
		delete(f.open, key)
		end()
	}
}

// set begins or ends a fault.
func (f *faults) set(key, name string, on bool) {
	if on {
		f.begin(key, name)
	} else {
		f.end(key)
	}
}

// endAll ends what still goes on, for a history that is to be checked now.
func (f *faults) endAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, end := range f.open {
		delete(f.open, key)
		end()
	}
}
