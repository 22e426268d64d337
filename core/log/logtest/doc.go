// Package logtest is a disk in memory that forgets at a crash what was not synced, and a driver that executes a log's
// effects on it. It is deterministic and serves tests of whatever stores things through [core.FS] and [core.FileOp].
//
// # What a crash loses
//
// Of a file's changes since its last sync, any subset, and of a lost write any prefix may be kept. Of a folder's
// changes since its last sync, all after some moment: file systems journal them in order. The end of the process alone
// loses nothing: see [Disk.Kill].
package logtest
