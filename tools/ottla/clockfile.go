package main

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// clockFileEvery is how often a clock file is read.
const clockFileEvery = 50 * time.Millisecond

// clockFile makes the node's wall clock wrong by what a file says, such as -1h0m0s, from whenever it says so; right, if
// there is no file. It is for ottla chaos: the monotonic clock stays what it is.
func clockFile(name string) (shift func() time.Duration, stop func()) {
	var by atomic.Int64
	done := make(chan struct{})
	read := func() {
		text, err := os.ReadFile(name)
		if err != nil {
			return
		}
		d, err := time.ParseDuration(strings.TrimSpace(string(text)))
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			return
		}
		by.Store(int64(d))
	}
	read()
	go func() {
		tick := time.NewTicker(clockFileEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				read()
			case <-done:
				return
			}
		}
	}()
	return func() time.Duration { return time.Duration(by.Load()) }, func() { close(done) }
}
