package disk

import "slices"

// span is a range of a file.
type span struct{ from, to int64 }

// broken is a file with sectors that cannot be read.
type broken struct {
	path string
	node *node
}

// Break makes the sectors of a file that hold a range unreadable, until something is written there or the disk is
// [Disk.Replace]d.
func (d *Disk) Break(path string, from, to int64) {
	n, err := d.get(path)
	if err != nil || n.dir {
		panic("sim/disk: no file to be broken at " + path)
	}
	n.bad = append(n.bad, span{from / Sector * Sector, (to + Sector - 1) / Sector * Sector})
	d.broken = append(d.broken, broken{path, n})
}

// Unreadable reports whether there are sectors that cannot be read, in files that have not been removed.
func (d *Disk) Unreadable() bool {
	return slices.ContainsFunc(d.broken, func(b broken) bool {
		n, err := d.get(b.path)
		return err == nil && n == b.node && len(n.bad) > 0
	})
}

// Replace puts empty sectors in the place of those that cannot be read, as drives do in the end.
func (d *Disk) Replace() {
	for _, b := range d.broken {
		b.node.own()
		b.node.durable, b.node.plain, b.node.torn = b.node.durable.clone(), false, true
		for _, s := range b.node.bad {
			for _, x := range [...]body{b.node.data, b.node.durable} {
				if size := int64(len(x.bytes)); s.from < size {
					clear(x.bytes[s.from:min(s.to, size)])
				}
			}
		}
		b.node.bad = nil
	}
	d.broken = nil
}

// unread fails the read of a range with sectors that cannot be read.
func (d *Disk) unread(n *node, path string, from, to int64) error {
	size := n.data.size
	for _, s := range n.bad {
		if from < min(s.to, size) && s.from < to {
			if d.Unread != nil {
				d.Unread(path)
			}
			return wrap("read", path, ErrIO)
		}
	}
	return nil
}

// replace takes note of a change: what is written can be read again, and what is cut off is not there any more.
func (n *node) replace(c change) {
	if len(n.bad) == 0 {
		return
	}
	n.bad = slices.DeleteFunc(n.bad, func(s span) bool {
		if c.bytes == nil {
			return s.from >= c.pos
		}
		return s.from < c.pos+int64(len(c.bytes)) && c.pos < s.to
	})
}
