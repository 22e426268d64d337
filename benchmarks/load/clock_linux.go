package load

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// machineClock sleeps in the kernel: timers of Go are late by up to a millisecond in a process that is idle.
type machineClock struct{ start time.Time }

// newMachineClock locks the calling goroutine to its thread, whose timers may then be as exact as the machine's.
func newMachineClock() machineClock {
	runtime.LockOSThread()
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // in nanoseconds; what is not granted costs 50 µs a sleep
	return machineClock{time.Now()}
}

// release lets the goroutine leave its thread.
func (c machineClock) release() { runtime.UnlockOSThread() }

func (c machineClock) now() time.Duration { return time.Since(c.start) }

func (c machineClock) sleepUntil(t time.Duration) {
	for left := t - c.now(); left > 0; left = t - c.now() {
		ts := unix.NsecToTimespec(int64(left))
		unix.Nanosleep(&ts, nil) // a signal ends it early, and the loop sees to the rest
	}
}
