package disk

import "math"

const (
	// reserveLeast is how large a file has to be before it gets blocks for what it will hold: there may be many
	// thousands that stay small.
	reserveLeast = 4 << 20
	// reserveShare divides the file's size: it gets blocks for so much more at a time, and for reserveMost bytes at
	// most. What a file does not come to use it keeps: to cut it off when the file is closed would be to cut off what
	// somebody has appended meanwhile by another descriptor.
	reserveShare = 4
	reserveMost  = 8 << 20
)

// reserve asks for the blocks that a growing file needs for a write from pos to end, and for the next ones. Without
// that a file system looks for room for each page that is written behind the end: a third of what a large write costs
// on ext4. The file's size stays as it is, so that nobody who reads it, a recovery least of all, sees a difference. A
// file system that cannot do it is not asked again for this file; if it has no room, the write says so.
//
// The caller runs the file's machine and has acquired the file.
func (f *File) reserve(fd int, pos, end int64) {
	if end < reserveLeast || end <= f.reserved {
		return
	}
	from, to := max(f.reserved, pos), end+min(end/reserveShare, reserveMost)
	if f.system.Reserve(fd, from, to-from) != nil {
		to = math.MaxInt64
	}
	f.reserved = to
}
