package sim

import "ottla.dev/core"

// loans are the frames that a machine has and is to give back. It has few at a time.
type loans [][]byte

func (l *loans) lend(frame []byte) { *l = append(*l, frame) }

// end takes a frame back. It reports false if the machine has no such frame.
func (l *loans) end(frame []byte) bool {
	for i, f := range *l {
		if &f[0] == &frame[0] {
			if len(f) != len(frame) {
				return false
			}
			last := len(*l) - 1
			(*l)[i], (*l)[last] = (*l)[last], nil
			*l = (*l)[:last]
			return true
		}
	}
	return false
}

// filesQueued counts the operations of a machine that are queued, by file: for few files at a time.
type filesQueued []fileQueued

type fileQueued struct {
	file  core.FileID
	count int
}

func (q filesQueued) find(file core.FileID) int {
	for i := range q {
		if q[i].file == file {
			return i
		}
	}
	return -1
}

func (q filesQueued) has(file core.FileID) bool { return q.find(file) >= 0 }

func (q *filesQueued) add(file core.FileID) {
	if i := q.find(file); i >= 0 {
		(*q)[i].count++
		return
	}
	*q = append(*q, fileQueued{file, 1})
}

func (q *filesQueued) take(file core.FileID) {
	i := q.find(file)
	if (*q)[i].count--; (*q)[i].count == 0 {
		last := len(*q) - 1
		(*q)[i] = (*q)[last]
		*q = (*q)[:last]
	}
}
