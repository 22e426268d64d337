// Package server is the broker's side of client connections: listeners, frames in, answers out.
//
// # Reading
//
// A connection has one goroutine, which reads a frame, gives it to the session's machine, and runs to completion
// whatever that sets in motion. It reads the next frame when the session has said Resume and the client has taken the
// answers before. While it waits for the first byte of a frame it holds no buffer. A buffer grows with what has
// arrived, so that a size field alone allocates nothing; frames above [gateBytes] wait for a share of one budget.
//
// # Writing
//
// Answers are queued under the connection's lock and written in order by whoever finds nobody writing. That may be a
// goroutine that has just run a shard for somebody else, so it only tries: what the socket does not take at once is
// left to a goroutine that the connection starts for it. A slow client therefore delays nobody but itself. File
// ranges go out at explicit offsets, on descriptors that stay open while they are needed even if the file is removed:
// large ones from the page cache, by sendfile or a mapping, and several small ones in one call.
package server
