package logtest

import (
	"errors"
	"slices"
	"strings"

	"ottla.dev/core"
)

// ErrCrashed is the error of every operation after the machine crashed.
var ErrCrashed = errors.New("machine crashed")

// ErrIO is the error of injected faults.
var ErrIO = errors.New("input/output error")

// Disk is a file system in memory. It implements [core.FS].
type Disk struct {
	root *node
	// Ops counts operations. With CrashAt, all from that one on fail with [ErrCrashed]; 0 is never.
	Ops     int
	CrashAt int
	// Fault, if set, may fail an operation.
	Fault func(op, path string) error
}

// node is a file or a folder.
type node struct {
	dir bool

	data    []byte   // what processes see
	durable []byte   // what a crash leaves at least
	changes []change // between the two

	entries map[string]*node
	stable  map[string]*node
	moves   []move
}

// change is a write, or with no bytes a change of size.
type change struct {
	pos   int64
	bytes []byte
}

// move takes name From away and sets To to a node; either may be empty.
type move struct {
	from, to string
	node     *node
}

// NewDisk returns an empty disk.
func NewDisk() *Disk { return &Disk{root: newFolder()} }

func newFolder() *node {
	return &node{dir: true, entries: map[string]*node{}, stable: map[string]*node{}}
}

func (n *node) apply(c change) {
	if c.bytes == nil {
		n.data = resize(n.data, c.pos)
		return
	}
	if end := c.pos + int64(len(c.bytes)); end > int64(len(n.data)) {
		n.data = resize(n.data, end)
	}
	copy(n.data[c.pos:], c.bytes)
}

// resize gives a new slice where the size changes, so that views of the old one stay as they were.
func resize(b []byte, size int64) []byte {
	if size < int64(len(b)) {
		return slices.Clone(b[:size])
	}
	grown := make([]byte, size)
	copy(grown, b)
	return grown
}

func (n *node) change(c change) {
	n.apply(c)
	n.changes = append(n.changes, c)
}

func (n *node) sync() {
	d := node{data: n.durable}
	for _, c := range n.changes {
		d.apply(c)
	}
	n.durable, n.changes = d.data, nil
}

func (m move) apply(entries map[string]*node) {
	if m.from != "" {
		delete(entries, m.from)
	}
	if m.to != "" {
		entries[m.to] = m.node
	}
}

func (n *node) move(m move) {
	m.apply(n.entries)
	n.moves = append(n.moves, m)
}

func (n *node) syncDir() {
	for _, m := range n.moves {
		m.apply(n.stable)
	}
	n.moves = nil
}

// Crash loses what was not synced, as rng decides, and lets the disk be used again.
func (d *Disk) Crash(rng *core.PRNG) {
	crash(d.root, rng)
	d.CrashAt = 0
}

// Kill ends the process alone: nothing is lost, and nothing becomes durable either.
func (d *Disk) Kill() { d.CrashAt = 0 }

func crash(n *node, rng *core.PRNG) {
	if !n.dir {
		lost := node{data: n.durable}
		for _, c := range n.changes {
			switch rng.Below(4) {
			case 0:
			case 1:
				if len(c.bytes) > 0 {
					c.bytes = c.bytes[:rng.Below(uint64(len(c.bytes)))+1]
					lost.apply(c)
				}
			default:
				lost.apply(c)
			}
		}
		n.durable, n.changes = lost.data, nil
		n.data = slices.Clone(lost.data)
		return
	}
	keep := rng.Below(uint64(len(n.moves)) + 1)
	for _, m := range n.moves[:keep] {
		m.apply(n.stable)
	}
	n.moves = nil
	n.entries = map[string]*node{}
	for _, name := range sorted(n.stable) {
		n.entries[name] = n.stable[name]
		crash(n.stable[name], rng)
	}
}

func sorted(entries map[string]*node) []string {
	names := make([]string, 0, len(entries))
	//core:unordered sorted below
	for name := range entries {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Clone copies the disk with everything un-synced, so that a test can try several crashes of one state.
func (d *Disk) Clone() *Disk {
	seen := map[*node]*node{}
	return &Disk{root: clone(d.root, seen)}
}

func clone(n *node, seen map[*node]*node) *node {
	if c := seen[n]; c != nil {
		return c
	}
	c := &node{dir: n.dir, data: slices.Clone(n.data), durable: slices.Clone(n.durable), changes: slices.Clone(n.changes)}
	seen[n] = c
	if n.dir {
		c.entries, c.stable = map[string]*node{}, map[string]*node{}
		for _, name := range sorted(n.entries) {
			c.entries[name] = clone(n.entries[name], seen)
		}
		for _, name := range sorted(n.stable) {
			c.stable[name] = clone(n.stable[name], seen)
		}
		for _, m := range n.moves {
			if m.node != nil {
				m.node = clone(m.node, seen)
			}
			c.moves = append(c.moves, m)
		}
	}
	return c
}

// SyncAll makes everything durable, as a long quiet time would.
func (d *Disk) SyncAll() { syncAll(d.root) }

func syncAll(n *node) {
	if !n.dir {
		n.sync()
		return
	}
	n.syncDir()
	for _, name := range sorted(n.entries) {
		syncAll(n.entries[name])
	}
}

func (d *Disk) enter(op, path string) error {
	d.Ops++
	if d.CrashAt > 0 && d.Ops >= d.CrashAt {
		return ErrCrashed
	}
	if d.Fault != nil {
		return d.Fault(op, path)
	}
	return nil
}

// walk returns the folder that path is in, and its last name.
func (d *Disk) walk(path string) (*node, string, error) {
	n := d.root
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for _, p := range parts[:len(parts)-1] {
		if n = n.entries[p]; n == nil || !n.dir {
			return nil, "", core.ErrNotExist
		}
	}
	return n, parts[len(parts)-1], nil
}

func (d *Disk) get(path string) (*node, error) {
	if strings.Trim(path, "/") == "" {
		return d.root, nil
	}
	parent, name, err := d.walk(path)
	if err != nil || parent.entries[name] == nil {
		return nil, core.ErrNotExist
	}
	return parent.entries[name], nil
}
