package fault

import (
	"strconv"
	"time"

	"ottla.dev/core"
)

// maxDirs is the largest number of log directories of a broker.
const maxDirs = 3

// DirFailure is a log directory that fails for good, with all that is in it, until somebody has seen to the disk and
// started the machine again. What was durable is there then.
type DirFailure struct {
	Node int // the machine, from 0
	Dir  int // from 0
	At   time.Duration
	Back time.Duration
}

// DirNames are the log directories of every broker; the first has the metadata, too.
func (p *Plan) DirNames() []string {
	names := []string{"/data"}
	for i := 1; i < p.Dirs; i++ {
		names = append(names, "/data"+strconv.Itoa(i))
	}
	return names
}

// drawDirs draws how many log directories brokers have, and which of them fail alone. Now and then it is the one of the
// metadata, without which no broker goes on.
func (p *Plan) drawDirs(r *core.PRNG, nodes int) {
	p.DirFailures = nil
	if p.Dirs = int(pick[int64](r, 1, 1, 2, maxDirs)); p.Dirs == 1 {
		return
	}
	at := 2 * time.Second
	for {
		at += between(r, time.Second, 20*time.Second)
		if at > p.Duration {
			return
		}
		f := DirFailure{Node: int(r.Below(uint64(nodes))), Dir: int(r.Between(1, int64(p.Dirs-1))), At: at,
			Back: at + between(r, 500*time.Millisecond, 15*time.Second)}
		if r.Chance(1, 10) {
			f.Dir = 0
		}
		p.DirFailures = append(p.DirFailures, f)
	}
}

func (f *DirFailure) fields(l *fields, p *Plan) {
	p.node(l, &f.Node)
	number(l, "directory", &f.Dir, 0, max(p.Dirs, 1)-1)
	l.time("at", &f.At, 0)
	l.time("back", &f.Back, f.At)
}
