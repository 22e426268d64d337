package determinism

import (
	"maps"
	"slices"
	"sync" // want "import of sync: a machine has one owner"
	"time"
)

type machine struct {
	lock sync.Mutex
	in   chan int // want "channel$"
}

func (m *machine) flow() {
	go m.flow()      // want "goroutine"
	m.in <- 1        // want "channel send"
	<-m.in           // want "channel receive"
	select {}        // want "select"
	close(m.in)      // want "channel close"
	println("hi")    // want "println: drivers print"
	for range m.in { // want "range over a channel"
	}
	defer func() {
		_ = recover() // want "recover: a broken invariant always panics"
	}()
}

func init() { // want "init function"
}

func clocks(d time.Duration) time.Duration {
	_ = time.Now()          // want "time.Now: time comes with the input"
	time.Sleep(d)           // want "time.Sleep"
	later := time.AfterFunc // want "time.AfterFunc"
	_ = later
	return d.Round(time.Second) + 2*time.Millisecond
}

type set map[string]int

func orders[M map[string]int | set](m map[string]int, named set, generic M) (sum int, sorted []string) {
	for _, v := range m { // want "range over a map without //core:unordered <reason> on the line above"
		sum += v
	}
	for k := range named { // want "range over a map"
		sum += len(k)
	}
	for k := range generic { // want "range over a map"
		sum += len(k)
	}
	//core:unordered a sum does not depend on the order
	for _, v := range m {
		sum += v
	}
	//core:unordered
	for _, v := range m { // want "//core:unordered without a reason"
		sum += v
	}
	for k := range maps.Keys(m) { // want "maps.Keys without"
		sum += len(k)
	}
	//core:unordered this is a slice // want "annotation that nothing needs"
	for _, s := range sorted {
		sum += len(s)
	}
	return sum, slices.Sorted(maps.Keys(m))
}

func floats(n int) int {
	f := float64(n) // want "floating point"
	if f > 1 {      // want "floating point"
		return 1e3
	}
	return int(time.Second * 1e3)
}
