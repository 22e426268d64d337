// Package memdisk is a disk in memory for tests: a [disk.System] with a page cache in front of it. What a process has
// written, others see at once, and it outlives the process; what was synced outlives a power cut as well.
//
// A [Disk] is the machine's, a [Mount] is one process's use of it, which ends with the process:
//
//	Mount.Kill   the process ends; the page cache stays
//	Disk.Crash   the power fails; what was not synced is gone, whether content or a folder's entry
//
// It is stricter than most file systems, where syncing a new file makes its name durable too, and kinder in one thing:
// a power cut takes everything that was not synced, and never a part of a write.
package memdisk
