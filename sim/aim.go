package sim

import (
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/sim/fault"
)

// aim damages, below a process that is not there, what has a rule of its own and is hardly ever met by chance.
func (n *node) aim(r *fault.Rot, paths []string) bool {
	random, struck := &n.rots.random, false
	for range r.Spots {
		var path string
		at := int64(0)
		switch random.Below(4) {
		case 0:
			path = n.loseOldest(paths)
		case 1:
			path, at = n.cutVouched(paths)
		case 2:
			path, at = n.changeDigit(paths)
		default:
			path, at = n.changeSnapshot(paths)
		}
		if path != "" {
			n.harmed(fault.Aimed, path, at)
			struck = true
		}
	}
	return struck
}

// outermost lists the files of partitions with a suffix that have the lowest or highest base offset of their folder,
// where there are at least so many.
func (n *node) outermost(paths []string, suffix string, newest bool, least int) []string {
	type end struct {
		path  string
		base  core.Offset
		files int
	}
	ends, order := map[string]*end{}, []string{}
	for _, path := range paths {
		base, is, ok := log.ParseFileName(path[strings.LastIndexByte(path, '/')+1:])
		if _, there := n.disk.Bytes(path); !ok || is != suffix || !there || !n.ofPartition(path) {
			continue
		}
		e := ends[folderOf(path)]
		if e == nil {
			e = &end{path: path, base: base}
			ends[folderOf(path)], order = e, append(order, folderOf(path))
		}
		if e.files++; newest == (base > e.base) {
			e.path, e.base = path, base
		}
	}
	var found []string
	for _, folder := range order {
		if e := ends[folder]; e.files >= least {
			found = append(found, e.path)
		}
	}
	return found
}

func (n *node) oneOf(paths []string) string {
	if len(paths) == 0 {
		return ""
	}
	return paths[n.rots.random.Below(uint64(len(paths)))]
}

// cutVouched ends the newest segment of a log before a batch that a checkpoint of recovery points vouches for.
func (n *node) cutVouched(paths []string) (string, int64) {
	points := map[string]core.Offset{}
	for _, path := range paths {
		if !strings.HasSuffix(path, "/recovery-point-offset-checkpoint") {
			continue
		}
		b, _ := n.disk.Bytes(path)
		if entries, err := log.ReadOffsetCheckpoint(b); err == nil {
			for _, e := range entries {
				points[folderOf(path)+"/"+e.TopicPartition.String()] = e.Offset
			}
		}
	}
	var files []string
	var cuts []int64
	for _, path := range n.outermost(paths, log.LogSuffix, true, 1) {
		b, _ := n.disk.Bytes(path)
		for _, v := range batchesOf(b) {
			if v.BaseOffset() < points[folderOf(path)] {
				files, cuts = append(files, path), append(cuts, v.at)
			}
		}
	}
	if len(files) == 0 {
		return "", 0
	}
	i := n.rots.random.Below(uint64(len(files)))
	n.disk.Damage(files[i], func(b []byte) []byte { return b[:min(cuts[i], int64(len(b)))] })
	return files[i], cuts[i]
}

// loseOldest loses the log file of the oldest of several segments.
func (n *node) loseOldest(paths []string) string {
	path := n.oneOf(n.outermost(paths, log.LogSuffix, false, 2))
	if path != "" {
		n.disk.Lose(path)
	}
	return path
}

// changeDigit makes a digit of an offset checkpoint another one.
func (n *node) changeDigit(paths []string) (string, int64) {
	var files []string
	for _, path := range paths {
		if strings.HasSuffix(path, "-offset-checkpoint") {
			files = append(files, path)
		}
	}
	path := n.oneOf(files)
	b, _ := n.disk.Bytes(path)
	var digits []int // of the last number of a line, but for the first two lines and the checksum
	from := 0
	for line := 0; from < len(b); line++ {
		end := from + strings.IndexByte(string(b[from:])+"\n", '\n')
		if text := string(b[from:end]); line > 1 && !strings.HasPrefix(text, "__ottla") {
			for at := from + strings.LastIndexByte(text, ' ') + 1; at < end; at++ {
				digits = append(digits, at)
			}
		}
		from = end + 1
	}
	if len(digits) == 0 {
		return "", 0
	}
	return path, n.changeOneOf(path, digits)
}

// changeOneOf makes one of the digits at some places of a file another one, and tells which.
func (n *node) changeOneOf(path string, digits []int) int64 {
	at, by := digits[n.rots.random.Below(uint64(len(digits)))], byte(n.rots.random.Between(1, 9))
	n.disk.Damage(path, func(b []byte) []byte {
		if at < len(b) && b[at] >= '0' && b[at] <= '9' {
			b[at] = '0' + (b[at]-'0'+by)%10
		}
		return b
	})
	return int64(at)
}

// changeSnapshot changes a bit of what the newest snapshot of a log says of its producers.
func (n *node) changeSnapshot(paths []string) (string, int64) {
	const header = 10 // version, checksum, number of entries
	path := n.oneOf(n.outermost(paths, log.SnapshotSuffix, true, 1))
	b, _ := n.disk.Bytes(path)
	if len(b) <= header {
		return "", 0
	}
	at := n.rots.random.Between(header, int64(len(b)-1))
	bit := byte(1) << n.rots.random.Below(8)
	n.disk.Damage(path, func(b []byte) []byte {
		if at < int64(len(b)) {
			b[at] ^= bit
		}
		return b
	})
	return path, at
}
