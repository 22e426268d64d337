package check

import (
	"sort"
	"strings"

	"ottla.dev/core"
)

// Recovery checks that a restart has found again what was there (S12): what is in the log after it was there before, a
// batch is the same byte for byte, everything that was certain to survive has survived, and a killed process has lost
// nothing at all. Topics that come and go are left out.
func Recovery(before, after *Logs, fail Fail) {
	for _, name := range before.Names() {
		if strings.HasPrefix(name, ephemeral) {
			continue
		}
		was, is := before.Get(name), after.Get(name)
		if is == nil {
			fail(Correctness, "recovery", name+" is gone after a restart")
			continue
		}
		least := was.End
		if before.lost(name) {
			least = was.Sure
		}
		internal := strings.HasPrefix(name, "__")
		// A log whose records below its start offset are lost up to there begins anew at that offset, and holds nothing.
		anew := len(is.Batches) == 0 && is.Start == is.End
		if is.End > was.End && !internal && !anew {
			fail(Correctness, "recovery", name+" has grown in a restart from "+offsetText(was.End)+" to "+offsetText(is.End))
			continue
		}
		if is.End < least {
			fail(Correctness, "recovery", name+" ends at "+offsetText(is.End)+" after a restart, and everything below "+
				offsetText(least)+" was certain to survive")
			continue
		}
		upTo := was.End
		if internal {
			// A new leadership of the metadata, or a coordinator, may have written before the broker opens.
			upTo = least
		}
		sameBatches(name, was, is, upTo, fail)
	}
}

// ephemeral begins the names of topics that are made and deleted all the time.
const ephemeral = "e"

// sameBatches compares the batches below upTo that both logs have.
func sameBatches(name string, was, is *Log, upTo core.Offset, fail Fail) {
	for _, b := range is.Batches {
		if b.Base < was.Start || b.Base >= upTo {
			continue
		}
		i := sort.Search(len(was.Batches), func(i int) bool { return was.Batches[i].Base >= b.Base })
		if i == len(was.Batches) || was.Batches[i] != b {
			fail(Correctness, "recovery", name+" holds another batch at "+offsetText(b.Base)+" after a restart")
			return
		}
	}
}
