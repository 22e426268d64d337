package disk

import (
	"errors"
	"slices"
	"strings"

	"ottla.dev/core"
)

// Sector is the unit in bytes in which a write survives a crash or does not.
const Sector = 512

// Errors that operations end with, besides those of core.
var (
	ErrIO      = errors.New("input/output error")
	ErrShort   = errors.New("the file ends before the range")
	ErrCrashed = errors.New("the process is gone")
	errIsDir   = errors.New("is a folder")
	errFull    = errors.New("folder is not empty")
)

// Op is a kind of operation, as a fault sees it.
type Op uint8

// The operations.
const (
	Read Op = iota + 1
	Write
	Sync
	Names // open, create, rename, remove, mkdir, list
)

// String gives the operation's name in traces.
func (o Op) String() string { return [...]string{"", "read", "write", "sync", "names"}[o] }

// Disk is a file system in memory.
type Disk struct {
	root *node
	// Fault, if set, may fail an operation. A failed write may have written a prefix.
	Fault func(op Op, path string) error
	// Full makes whatever needs space fail with an error that wraps [core.ErrNoSpace].
	Full bool
	// Unordered lets a crash undo any subset of a folder's changes, and not only the latest.
	Unordered bool
	// Replicated says that logs may be cut off: their broker is one of several.
	Replicated bool
	// Lies makes syncs succeed without doing anything: a broken disk that no software survives, to test the checks with.
	Lies bool
	// LiesAt, if set, names the files whose syncs succeed without doing anything.
	LiesAt func(path string) bool
	// Unread, if set, is told of each read that fails because of [Disk.Break].
	Unread func(path string)
	// Shrunk, if set, is told of each file of which the end is cut off.
	Shrunk func(path string)
	// Renamed, if set, is told of each file that has got another name.
	Renamed func(from, to string)
	broken  []broken
	spare   [][]byte // zeros
	// Counts of what was done, by [Op].
	Counts [Names + 1]int
	random core.PRNG
}

// node is a file or a folder.
type node struct {
	dir bool

	data    body     // what processes see
	durable body     // what a crash leaves at least
	changes []change // between the two, oldest first
	// plain says that the changes are what follows durable in data, piece by piece: all that most files ever are. What is
	// appended is kept once then, and durable and the changes' bytes are parts of data's memory.
	plain bool
	// shared says that others may refer to the memory of data: none of it is written again.
	shared bool
	torn   bool // durable is not what the changes so far have made: something was lost or damaged
	// failures counts the syncs of it that have failed.
	failures int
	first    uint64 // the number of changes[0], counted from the file's creation
	mapped   bool
	top      int64  // behind it nothing was ever written to the mapping
	bad      []span // that cannot be read

	entries map[string]*node
	stable  map[string]*node
	moves   []move
	moved   uint64 // the number of moves[0]
}

// change is a write, or with no bytes a change of size to pos.
type change struct {
	pos   int64
	bytes []byte
}

// move takes the name from away and sets to to a node; either may be empty.
type move struct {
	from, to string
	node     *node
}

// New returns an empty disk whose faults are drawn from random.
func New(random core.PRNG) *Disk { return &Disk{root: newFolder(), random: random} }

func newFolder() *node {
	return &node{dir: true, entries: map[string]*node{}, stable: map[string]*node{}}
}

// body is what a file holds: the bytes, and zeros up to the size. Files that are mapped, and extended for that, are
// mostly zeros.
//
// Invariant: len(bytes) <= size.
type body struct {
	bytes []byte
	size  int64
}

// apply does a change to content that nobody else refers to.
func (x *body) apply(c change) {
	if c.bytes == nil {
		if c.pos < int64(len(x.bytes)) {
			clear(x.bytes[c.pos:]) // a later extension must read zeros
			x.bytes = x.bytes[:c.pos]
		}
		x.size = c.pos
		return
	}
	end := c.pos + int64(len(c.bytes))
	x.bytes = extend(x.bytes, end)
	copy(x.bytes[c.pos:], c.bytes)
	x.size = max(x.size, end)
}

// clone has memory of its own.
func (x body) clone() body { return body{slices.Clone(x.bytes), x.size} }

// full gives all bytes, zeros and all.
func (x *body) full() []byte {
	x.bytes = extend(x.bytes, x.size)
	return x.bytes
}

// copyTo copies what is at pos, which is in the file, to p, and returns how much that was.
func (x *body) copyTo(p []byte, pos int64) int {
	p = p[:min(int64(len(p)), x.size-pos)]
	n := copy(p, x.bytes[min(pos, int64(len(x.bytes))):])
	clear(p[n:])
	return len(p)
}

// beginning is the part up to a size, in the same memory, to which nothing can be appended there.
func (x body) beginning(size int64) body {
	n := min(size, int64(len(x.bytes)))
	return body{x.bytes[:n:n], size}
}

// spares is how many mappings of dead processes a disk keeps for the next ones.
const spares = 8

// mapping gives zeros to be mapped.
func (d *Disk) mapping(size int64) []byte {
	for i, m := range d.spare {
		if int64(len(m)) == size {
			d.spare = slices.Delete(d.spare, i, i+1)
			return m
		}
	}
	return make([]byte, size)
}

// gone takes a file's mapping back from a process that is dead.
func (d *Disk) gone(n *node) {
	if !n.mapped {
		return
	}
	view := n.data.bytes
	n.data.bytes, n.mapped = slices.Clone(view[:n.top]), false
	if len(d.spare) < spares {
		clear(view[:n.top])
		d.spare = append(d.spare, view)
	}
}

// doubled is the size in bytes up to which a file that grows gets room for twice as much: what is copied while it grows
// costs more than what is never used. Larger ones grow by a quarter.
const doubled = 1 << 20

func extend(b []byte, size int64) []byte {
	if more := size - int64(len(b)); more > 0 {
		if size > int64(cap(b)) && size <= doubled {
			more = max(more, int64(len(b)))
		}
		b = slices.Grow(b, int(more))
		n := len(b)
		b = b[:size]
		clear(b[n:])
	}
	return b
}

// change does and remembers a change. The bytes are borrowed.
func (n *node) change(c change) {
	n.replace(c)
	size := n.data.size
	n.plain = n.plain && !n.mapped && c.bytes != nil && c.pos == size && size == int64(len(n.data.bytes))
	switch {
	case n.plain:
		n.data.apply(c)
		end := n.data.size
		c.bytes, n.shared = n.data.bytes[size:end:end], true
	case c.bytes == nil && c.pos <= size:
		n.unmap(c.pos)
		n.data = n.data.beginning(c.pos)
	default:
		if n.mapped && c.bytes != nil && c.pos+int64(len(c.bytes)) > size {
			panic("sim/disk: a write beyond a mapping")
		}
		if c.bytes == nil {
			n.unmap(size)
		}
		n.own()
		n.top = max(n.top, c.pos+int64(len(c.bytes)))
		n.data.apply(c)
		c.bytes = slices.Clone(c.bytes)
	}
	n.changes = append(n.changes, c)
}

// own gives data memory of its own.
func (n *node) own() {
	if n.shared {
		n.data, n.shared = n.data.clone(), false
	}
}

// scribbled is how many bytes behind what a view holds are made rubbish with it: who still reads it reads near that.
const scribbled = 64 << 10

// unmap takes the view away from whoever still has it: what it shows from now on is rubbish. At most size bytes of what
// it showed are still wanted.
func (n *node) unmap(size int64) {
	if !n.mapped {
		return
	}
	old := n.data.bytes
	held := old[:n.top]
	n.data.bytes, n.mapped = slices.Clone(held[:min(size, int64(len(held)))]), false
	Scribble(old[:min(len(old), len(held)+scribbled)], 0xdb)
}

// Scribble fills b, a piece at a time: a byte at a time takes ten times as long.
func Scribble(b []byte, with byte) {
	const piece = 64
	for i := range b[:min(len(b), piece)] {
		b[i] = with
	}
	for i := piece; i < len(b); i *= 2 {
		copy(b[i:], b[:i])
	}
}

func (n *node) mark() uint64 { return n.first + uint64(len(n.changes)) }

// settle makes the changes before mark durable, or with fail some of them, and forgets them all.
func (n *node) settle(mark uint64, fail bool, random *core.PRNG) {
	if fail {
		n.failures++
	}
	count := 0
	if mark > n.first {
		count = int(min(mark-n.first, uint64(len(n.changes))))
	}
	if n.plain && !fail && count > 0 {
		last := &n.changes[count-1]
		end := last.pos + int64(len(last.bytes))
		n.durable, n.shared = n.data.beginning(end), true
	} else {
		n.apply(n.changes[:count], fail, random)
	}
	n.changes = slices.Delete(n.changes, 0, count)
	n.first += uint64(count)
	if len(n.changes) == 0 && !n.torn && !n.mapped && !n.plain {
		n.plain, n.shared, n.durable = true, true, n.data.beginning(n.data.size)
	}
}

// apply makes changes durable, or with fail some of them.
func (n *node) apply(changes []change, fail bool, random *core.PRNG) {
	for _, c := range changes {
		if fail && random.Chance(1, 2) {
			n.plain, n.torn = false, true
			continue
		}
		n.durable.apply(c)
	}
}

// refresh makes processes see what the disk has, with the changes that it is still to get on top. The size stays: what
// is missing reads as zeros.
func (n *node) refresh() {
	if n.mapped || n.plain {
		return
	}
	size := n.data.size
	n.data, n.shared = n.durable.clone(), false
	for _, c := range n.changes {
		n.data.apply(c)
	}
	n.data.apply(change{pos: size})
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

func (n *node) moveMark() uint64 { return n.moved + uint64(len(n.moves)) }

func (n *node) settleMoves(mark uint64) {
	count := 0
	if mark > n.moved {
		count = int(min(mark-n.moved, uint64(len(n.moves))))
	}
	for _, m := range n.moves[:count] {
		m.apply(n.stable)
	}
	n.moves = slices.Delete(n.moves, 0, count)
	n.moved += uint64(count)
}

// enter counts an operation and lets it fail.
func (d *Disk) enter(op Op, path string) error {
	d.Counts[op]++
	if d.Fault != nil {
		return d.Fault(op, path)
	}
	return nil
}

// walk returns the folder that path is in, and its last name.
func (d *Disk) walk(path string) (*node, string, error) {
	n := d.root
	rest := strings.Trim(path, "/")
	for {
		name, more, ok := strings.Cut(rest, "/")
		if !ok {
			return n, rest, nil
		}
		if n = n.entries[name]; n == nil || !n.dir {
			return nil, "", core.ErrNotExist
		}
		rest = more
	}
}

func (d *Disk) get(path string) (*node, error) {
	if strings.Trim(path, "/") == "" {
		return d.root, nil
	}
	parent, name, err := d.walk(path)
	if err != nil {
		return nil, core.ErrNotExist
	}
	if n := parent.entries[name]; n != nil {
		return n, nil
	}
	return nil, core.ErrNotExist
}

// create returns the file at path and makes an empty one if there is none.
func (d *Disk) create(path string) (*node, error) {
	parent, name, err := d.walk(path)
	if err != nil {
		return nil, err
	}
	n := parent.entries[name]
	switch {
	case n == nil && d.Full:
		return nil, core.ErrNoSpace
	case n == nil:
		n = &node{plain: true}
		parent.move(move{to: name, node: n})
	case n.dir:
		return nil, errIsDir
	}
	return n, nil
}

// write copies bytes to a file. On an error a prefix may have been written.
func (d *Disk) write(n *node, path string, pos int64, b []byte) error {
	err := d.enter(Write, path)
	if err == nil && d.Full && pos+int64(len(b)) > n.data.size {
		err = core.ErrNoSpace
	}
	if err != nil {
		b = b[:d.random.Below(uint64(len(b))+1)]
		if n.mapped {
			b = nil
		}
	}
	if len(b) > 0 {
		n.change(change{pos: pos, bytes: b})
	}
	return err
}

// shrinks tells that the end of a file is cut off.
func (d *Disk) shrinks(path string, n *node, size int64) {
	if d.Shrunk != nil && size < n.data.size {
		d.Shrunk(path)
	}
}

func (d *Disk) truncate(n *node, size int64) error {
	if d.Full && size > n.data.size {
		return core.ErrNoSpace
	}
	if size != n.data.size || n.mapped {
		n.change(change{pos: size})
	}
	return nil
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
