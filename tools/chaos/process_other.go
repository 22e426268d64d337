//go:build unix && !linux

package chaos

import "syscall"

// ownGroup gives a broker a process group of its own, so that Ctrl-C does not reach it.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
