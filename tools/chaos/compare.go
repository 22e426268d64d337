package chaos

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// compare looks at the brokers' folders after a clean end: each is sound, and all replicas of a partition that there
// is hold the same bytes at the same offsets. Folders of deleted topics may be left, until the next start.
func (r *run) compare(res *Result, partitions map[where]state) {
	for _, m := range r.cluster.members {
		r.inspect(m)
	}
	for at := range partitions {
		name := fmt.Sprintf("%s-%d", at.topic, at.partition)
		first := filepath.Join(r.cluster.members[0].data, name)
		for _, m := range r.cluster.members[1:] {
			n, err := sameLog(first, filepath.Join(m.data, name))
			if err != nil {
				r.problem("%s: %v", name, err)
			}
			res.ComparedBatches += n
		}
	}
}

// batchHead is as much of a batch as says where it is and how long: base offset and length.
const batchHead = 12

// logReader reads the batches of a partition's folder, one after the other.
type logReader struct {
	files []string
	in    *bufio.Reader
	file  *os.File
}

func openLog(folder string) (*logReader, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.log"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("there is no log in %s", folder)
	}
	slices.Sort(files)
	return &logReader{files: files}, err
}

// next returns the next batch, or io.EOF.
func (l *logReader) next() (offset int64, batch []byte, err error) {
	for {
		if l.in == nil {
			if len(l.files) == 0 {
				return 0, nil, io.EOF
			}
			if l.file, err = os.Open(l.files[0]); err != nil {
				return 0, nil, err
			}
			l.files, l.in = l.files[1:], bufio.NewReader(l.file)
		}
		head, err := l.in.Peek(batchHead)
		if errors.Is(err, io.EOF) && len(head) == 0 {
			l.close()
			continue
		}
		if err != nil {
			return 0, nil, fmt.Errorf("%s: %w", l.file.Name(), err)
		}
		batch = make([]byte, batchHead+binary.BigEndian.Uint32(head[8:]))
		if _, err := io.ReadFull(l.in, batch); err != nil {
			return 0, nil, fmt.Errorf("%s: %w", l.file.Name(), err)
		}
		return int64(binary.BigEndian.Uint64(batch)), batch, nil
	}
}

func (l *logReader) close() {
	if l.file != nil {
		l.file.Close()
	}
	l.file, l.in = nil, nil
}

// longer is what is wrong if one log is the beginning of another one.
type longer struct {
	short, long string
	offset      int64
}

// Error gives it in words.
func (l longer) Error() string {
	return fmt.Sprintf("%s ends where %s goes on with offset %d", l.short, l.long, l.offset)
}

// sameLog compares the batches of two replicas and returns how many there are.
func sameLog(a, b string) (n int, err error) {
	la, err := openLog(a)
	if err != nil {
		return 0, err
	}
	defer la.close()
	lb, err := openLog(b)
	if err != nil {
		return 0, err
	}
	defer lb.close()
	for ; ; n++ {
		at, x, errA := la.next()
		other, y, errB := lb.next()
		switch {
		case errA == io.EOF && errB == io.EOF:
			return n, nil
		case errA == io.EOF:
			return n, longer{a, b, other}
		case errB == io.EOF:
			return n, longer{b, a, at}
		case errA != nil || errB != nil:
			return n, errors.Join(errA, errB)
		case at != other:
			return n, fmt.Errorf("%s has a batch at offset %d where %s has one at %d", a, at, b, other)
		case !bytes.Equal(x, y):
			return n, fmt.Errorf("%s and %s have different bytes at offset %d", a, b, at)
		}
	}
}
