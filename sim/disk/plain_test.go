package disk

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"ottla.dev/core"
)

// dumb is a file of which nothing is shared: what processes see, what is durable, and copies of all changes between the
// two.
type dumb struct {
	data, durable []byte
	changes       []change
	mapped        bool
}

func dumbly(b []byte, c change) []byte {
	if c.bytes != nil {
		b = extend(b, max(int64(len(b)), c.pos+int64(len(c.bytes))))
		copy(b[c.pos:], c.bytes)
		return b
	}
	return extend(slices.Clone(b[:min(int64(len(b)), c.pos)]), c.pos)
}

func (d *dumb) change(c change) {
	c.bytes = slices.Clone(c.bytes)
	if c.bytes == nil {
		d.mapped = false
	}
	d.data = dumbly(slices.Clone(d.data), c)
	d.changes = append(d.changes, c)
}

func (d *dumb) settle(count int, fail bool, random *core.PRNG) {
	for _, c := range d.changes[:count] {
		if !fail || !random.Chance(1, 2) {
			d.durable = dumbly(slices.Clone(d.durable), c)
		}
	}
	d.changes = d.changes[count:]
}

func (d *dumb) refresh() {
	if d.mapped {
		return
	}
	size := int64(len(d.data))
	d.data = slices.Clone(d.durable)
	for _, c := range d.changes {
		d.data = dumbly(slices.Clone(d.data), c)
	}
	d.data = dumbly(slices.Clone(d.data), change{pos: size})
}

func (d *dumb) crash(random *core.PRNG) {
	n := node{durable: body{slices.Clone(d.durable), int64(len(d.durable))}, data: body{size: int64(len(d.data))}}
	for _, c := range d.changes {
		n.changes = append(n.changes, change{c.pos, slices.Clone(c.bytes)})
	}
	n.crashFile(random)
	*d = dumb{data: slices.Clone(n.durable.full()), durable: slices.Clone(n.durable.full())}
}

// done is what is done to a file; what has to come often enough together is there more than once.
var done = []string{"append", "append", "append", "append", "write", "truncate", "mark", "sync", "sync", "fail", "fail",
	"map", "map", "close", "kill", "kill", "refresh", "crash", "damage", "replace"}

// A file keeps what is appended to it once. Whatever is done to it, nobody can tell it from one that keeps copies.
func TestAFileIsAsIfItKeptCopies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := New(core.NewPRNG(1))
		tab := NewTable(d)
		do := func(op core.FileOp) {
			op.File = 1
			if _, err := tab.Apply(op); err != nil {
				t.Fatal(err)
			}
		}
		do(core.FileOp{Kind: core.OpOpen, Path: "/a"})
		n, _ := d.get("/a")
		want, number := &dumb{}, byte(0)
		var marks []uint64
		draw := func(name string, most int) int { return rapid.IntRange(0, most).Draw(t, name) }
		for range draw("operations", 60) {
			size := len(want.data)
			switch what := rapid.SampledFrom(done).Draw(t, "what"); what {
			case "append", "write":
				pos := size
				if what == "write" || want.mapped {
					pos = draw("pos", size+3)
				}
				number++
				b := bytes.Repeat([]byte{number}, 1+draw("bytes", 2*Sector))
				if want.mapped {
					pos = min(pos, size)
					b = b[:min(len(b), size-pos)]
				}
				if len(b) == 0 {
					continue
				}
				want.change(change{int64(pos), b})
				do(core.FileOp{Kind: core.OpWrite, Pos: int64(pos), Data: b})
				clear(b) // it was borrowed
			case "truncate":
				to := int64(draw("size", size+Sector))
				if int(to) != size || want.mapped {
					want.change(change{pos: to})
				}
				do(core.FileOp{Kind: core.OpTruncate, Size: to})
			case "mark":
				marks = append(marks, n.mark())
			case "sync", "fail":
				mark := n.mark()
				if len(marks) > 0 {
					mark, marks = marks[0], marks[1:]
				}
				count := min(int(max(mark, n.first)-n.first), len(n.changes))
				random := core.NewPRNG(uint64(number))
				mine := random
				want.settle(count, what == "fail", &mine)
				n.settle(mark, what == "fail", &random)
			case "map":
				to := int64(size + Sector*draw("more", 1))
				if int(to) > size {
					want.changes = append(want.changes, change{pos: to})
					want.data = extend(slices.Clone(want.data), to)
				}
				want.mapped = true
				do(core.FileOp{Kind: core.OpMap, Size: to})
			case "close":
				want.mapped = false
				do(core.FileOp{Kind: core.OpClose})
				do(core.FileOp{Kind: core.OpOpen, Path: "/a"})
			case "refresh":
				want.refresh()
				n.refresh()
			case "crash":
				random := core.NewPRNG(uint64(number))
				mine := random
				want.crash(&mine)
				d.gone(n)
				n.crashFile(&random)
				marks = nil
			case "kill":
				want.mapped = false
				d.Kill()
			case "damage":
				flip := func(b []byte) []byte {
					if len(b) > 0 {
						b[len(b)/2] ^= 1
					}
					return b
				}
				want.data, want.durable = flip(want.data), flip(want.durable)
				d.Damage("/a", flip)
			case "replace":
				if size == 0 {
					continue
				}
				at := int64(draw("bad", size-1))
				d.Break("/a", at, at+1)
				for _, content := range [][]byte{want.data, want.durable} {
					from := at / Sector * Sector
					if from < int64(len(content)) {
						clear(content[from:min(from+Sector, int64(len(content)))])
					}
				}
				d.Replace()
			}
			if got, _ := d.Bytes("/a"); !bytes.Equal(got, want.data) {
				t.Fatalf("processes see\n%x, not\n%x", got, want.data)
			}
			if got := n.durable.clone(); !bytes.Equal(got.full(), want.durable) {
				t.Fatalf("durable are\n%x, not\n%x", got.full(), want.durable)
			}
			if len(n.changes) != len(want.changes) {
				t.Fatalf("%d changes, not %d", len(n.changes), len(want.changes))
			}
			for i, c := range n.changes {
				o := want.changes[i]
				if c.pos != o.pos || (c.bytes == nil) != (o.bytes == nil) || !bytes.Equal(c.bytes, o.bytes) {
					t.Fatalf("change %d is\n%d %x, not\n%d %x", i, c.pos, c.bytes, o.pos, o.bytes)
				}
			}
		}
	})
}
