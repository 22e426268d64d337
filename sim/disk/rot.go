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
	n.durable.damage(do)
	n.plain, n.torn = false, true
	if n.mapped {
		copy(n.data.bytes, do(slices.Clone(n.data.bytes)))
		n.top = n.data.size
		return
	}
	n.data.damage(do)
	n.shared = false
}

func (x *body) damage(do func([]byte) []byte) {
	left := do(slices.Clone(x.full()))
	*x = body{left, int64(len(left))}
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
