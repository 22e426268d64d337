// Package disk is a simulated file system that distinguishes what processes see from what is durable.
//
// # What is lost
//
// A file has a page cache, which every reader sees, and durable content. A sync moves to the durable content what was
// written before the sync was asked for. A crash drops the page cache: of what was not synced, whole sectors survive or
// do not, as the generator decides: nothing, everything, a prefix, any subset (a later write without an earlier one),
// or the new size with zeros for data. A folder's entries are treated alike: creations, renames and removals after the
// last sync of the folder may be undone, all those after some moment, or with [Disk.Unordered] any subset. A kill ends
// the process alone and loses nothing.
//
// A failed sync is what it is on Linux: the pages count as clean although some of them were not written, a later sync
// has nothing to do and succeeds, and a crash loses them.
package disk
