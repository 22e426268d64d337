// Package disk executes the machines' file operations on a real file system.
//
//   - A [Table] is one machine's files by id. Whoever runs the machine calls it: writes are made at once on that
//     goroutine, adjacent ones in one system call, and complete before Execute returns.
//   - A [Folder] is one entry of log.dirs: its lock, and its committer, which makes files durable in rounds. Requests
//     that come while a round runs make the next one, so that batching needs no timer. A folder whose sync has failed
//     once fails every later one: the kernel may have dropped the pages, and a second sync would succeed without them.
//   - A [Disk] is all folders of a broker, with the files' descriptors, which are opened when used and closed again
//     when there are too many. It is the [core.FS] of jobs.
//
// # Mapped files
//
// A mapped file is written through its mapping only where the page has been written with pwrite before: storing to a
// hole of a full disk would end the process with SIGBUS, where pwrite returns an error.
package disk
