//go:build !linux

package load

import "time"

// machineClock sleeps as Go does, which may be late by a millisecond.
type machineClock struct{ start time.Time }

func newMachineClock() machineClock { return machineClock{time.Now()} }

func (c machineClock) release() {}

func (c machineClock) now() time.Duration { return time.Since(c.start) }

func (c machineClock) sleepUntil(t time.Duration) { time.Sleep(t - c.now()) }
