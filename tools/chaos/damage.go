package chaos

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What is done to files.
const (
	flipBit  = "flip"
	zeroPage = "zero"
	cutFile  = "cut"
)

// page is what a disk loses at once.
const page = 4096

// harm is what is done how often. Files below a running process keep their sizes: disks do not shorten files.
var harm = weighted{{flipBit, 70}, {zeroPage, 15}, {cutFile, 15}}

// quorumFolder holds the metadata.
const quorumFolder = "__cluster_metadata-0"

// kindOf says what a file is for, or nothing if it is not to be damaged: what was put aside, what is being deleted or
// written, and the lock, which holds nothing.
func kindOf(root, path string) string {
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return ""
	}
	folder, name := filepath.Split(rel)
	folder = strings.TrimSuffix(folder, "/")
	kind := ""
	switch {
	case strings.HasSuffix(folder, "-stray"), strings.HasSuffix(folder, "-delete"), name == ".lock":
		return ""
	case name == "bootstrap.checkpoint", name == "meta.properties", name == ".kafka_cleanshutdown",
		strings.HasSuffix(name, "-offset-checkpoint"):
		kind = name
	default:
		kind = map[string]string{".log": "log", ".index": "index", ".timeindex": "time index",
			".snapshot": "producer snapshot", ".checkpoint": "snapshot", ".metadata": "partition.metadata",
			"": name}[filepath.Ext(name)]
	}
	if folder == quorumFolder && kind != "" {
		return "metadata " + kind
	}
	return kind
}

// files lists a broker's files that may be damaged, by their kind.
func filesOf(root string, live bool) (map[string][]string, error) {
	all := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // a running broker has removed it
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		kind := kindOf(root, path)
		if err != nil || info.Size() == 0 || kind == "" || live && !slices.Contains(scrubbed, kind) {
			return nil
		}
		all[kind] = append(all[kind], path)
		return nil
	})
	return all, err
}

// scrubbed are the kinds of files that a running broker reads again.
var scrubbed = []string{"log", "index", "time index"}

// spot is one place that was damaged, and what is there since.
type spot struct {
	kind, path, how string
	at              int64
	bad             []byte
	most            int64  // how many bytes there may be to compare
	before          []byte // the file
}

// String gives it in words.
func (s spot) String() string { return fmt.Sprintf("%s %s at %d", s.how, s.path, s.at) }

// still reports whether the damage is there.
func (s spot) still() bool {
	if s.how == cutFile {
		info, err := os.Stat(s.path)
		return err == nil && info.Size() == s.at && s.at > 0
	}
	f, err := os.Open(s.path)
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, s.most)
	n, _ := f.ReadAt(b, s.at)
	return n > 0 && bytes.Equal(b[:n], s.bad)
}

// damage damages so many places in a broker's files. What is hit are files of some kinds, drawn for each batch: were it
// always all of them, everything would always be copied anew.
func damage(root string, places int, live bool, r *rand.Rand) ([]spot, error) {
	files, err := filesOf(root, live)
	if err != nil {
		return nil, err
	}
	var kinds []string
	for kind := range files {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	if len(kinds) == 0 {
		return nil, fmt.Errorf("there is nothing to damage in %s", root)
	}
	r.Shuffle(len(kinds), func(i, k int) { kinds[i], kinds[k] = kinds[k], kinds[i] })
	kinds = kinds[:1+r.IntN(len(kinds))]
	var done []spot
	before := map[string][]byte{}
	for tries := 0; len(done) < places && tries < 20*places; tries++ {
		kind := kinds[r.IntN(len(kinds))]
		path := files[kind][r.IntN(len(files[kind]))]
		how := harm.draw(r)
		if live && how == cutFile {
			how = flipBit
		}
		if before[path] == nil {
			before[path], _ = os.ReadFile(path) // one that cannot be read is not damaged either
		}
		s := spot{kind: kind, path: path, how: how}
		if did, err := s.spoil(r); did {
			done = append(done, s)
		} else if err != nil && !os.IsNotExist(err) {
			return done, err
		}
	}
	var left []spot
	for i := range done {
		if done[i].before = before[done[i].path]; done[i].widen() {
			left = append(left, done[i])
		}
	}
	return left, nil
}

// around is how many bytes around a spot tell it from others: a digit of a small file may become the wrong one again,
// by right.
const around = 24

// widen takes what stands around the spot, when all damage is done, and reports whether that is not what stood there
// before: a bit may have been flipped back, and a broker that runs may have repaired all of it already, and written on.
func (s *spot) widen() bool {
	b, err := os.ReadFile(s.path)
	if err != nil || s.how == cutFile {
		return err == nil
	}
	window := func(b []byte) []byte {
		from, to := max(s.at-around, 0), s.at+int64(len(s.bad))+around
		return b[min(from, int64(len(b))):min(to, int64(len(b)))]
	}
	now, was := window(b), window(s.before)
	s.most = int64(len(s.bad)) + 2*around
	s.at, s.bad, s.before = max(s.at-around, 0), now, nil
	return !bytes.HasPrefix(now, was)
}

// spoil damages the file in its place, and reports whether that has changed it. Of an index that is being written only
// what is used is hit: it is followed by megabytes of zeros.
func (s *spot) spoil(r *rand.Rand) (bool, error) {
	b, err := os.ReadFile(s.path)
	if err != nil {
		return false, err
	}
	used := len(bytes.TrimRight(b, "\x00"))
	if used == 0 {
		return false, nil
	}
	f, err := os.OpenFile(s.path, os.O_WRONLY, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	at := r.IntN(used)
	s.at, s.bad = int64(at), []byte{b[at] ^ 1<<r.IntN(8)}
	switch s.how {
	case cutFile:
		s.bad = nil
		return true, f.Truncate(s.at)
	case zeroPage:
		from := at / page * page
		to := min(from+page, len(b))
		if len(bytes.TrimRight(b[from:to], "\x00")) == 0 {
			return false, nil
		}
		s.at, s.bad = int64(from), make([]byte, to-from)
	}
	_, err = f.WriteAt(s.bad, s.at)
	return err == nil, err
}

// tidy removes what a broker has put aside, which stays damaged for whoever wants to look at it.
func tidy(root string) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), "-stray") {
			if err := os.RemoveAll(filepath.Join(root, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
