package main

import (
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// endWithParent has the kernel kill the process when this one dies, and keeps Ctrl-C from it.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func dropPages(f *os.File) error { return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) }

// warmMemory is memory that has been written to, in large pages where the kernel has any.
func warmMemory(bytes int) ([]byte, error) {
	m, err := unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	unix.Madvise(m, unix.MADV_HUGEPAGE) // a kernel without them has small ones
	for i := 0; i < len(m); i += os.Getpagesize() {
		m[i] = 1
	}
	return m, nil
}

// giveBack returns such memory to the kernel.
func giveBack(m []byte) {
	if err := unix.Munmap(m); err != nil {
		panic(err) // only of memory that is not warmMemory's
	}
}

// freeMemory is how many bytes nobody uses.
func freeMemory() int {
	var s unix.Sysinfo_t
	if unix.Sysinfo(&s) != nil {
		return 0
	}
	return int(s.Freeram) * int(s.Unit)
}

// writeBack writes what is dirty, so that nobody pays for what another has written.
func writeBack() { unix.Sync() }

// ownCPU is the processor time that this process, the client, has used, in seconds.
func ownCPU() float64 {
	var r unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
}
