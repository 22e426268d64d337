package disk

import (
	"slices"
	"strings"

	"ottla.dev/core"
)

// Damage does something to what a file holds, on the disk and in the page cache: do gets the bytes, which it may
// change, and returns what is left of them. A mapping shows what is damaged in it, and keeps its size.
func (d *Disk) Damage(path string, do func([]byte) []byte) {
	n, err := d.get(path)
	if err != nil || n.dir {
		panic("sim/disk: no file to be damaged at " + path)
	}
	n.durable = do(slices.Clone(n.durable))
	n.plain, n.torn = false, true
	if n.mapped {
		copy(n.data, do(slices.Clone(n.data)))
		return
	}
	n.data, n.shared = do(slices.Clone(n.data)), false
}

// Lose takes a file away, for good.
func (d *Disk) Lose(path string) {
	parent, name, err := d.walk(path)
	if err != nil || parent.entries[name] == nil {
		panic("sim/disk: no file to be lost at " + path)
	}
	parent.settleMoves(parent.moveMark())
	delete(parent.entries, name)
	delete(parent.stable, name)
}

// Files calls yield with the files below a folder that hold something, in the order of their paths.
func (d *Disk) Files(dir string, yield func(path string, size int64)) {
	entries, err := d.List(dir)
	if err != nil && err != core.ErrNotExist {
		panic("sim/disk: " + err.Error())
	}
	for _, e := range entries {
		switch path := strings.TrimSuffix(dir, "/") + "/" + e.Name; {
		case e.Dir:
			d.Files(path, yield)
		case e.Size > 0:
			yield(path, e.Size)
		}
	}
}
