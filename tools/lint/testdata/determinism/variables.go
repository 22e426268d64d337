package determinism

import (
	"errors"
	"fmt"
	"io"
	"math/rand" // want "import of math/rand: randomness comes from the machine's own generator"
)

var ErrGone = errors.New("gone")

var errOther = fmt.Errorf("%w: other", ErrGone)

var _ = rand.Int

var counter int // want "package variable counter that is neither an error nor a //core:table"

var ErrNothing error // want "package variable ErrNothing"

// names is read only.
//
//core:table
var names = map[int]string{1: "one"}

// Rows are read only.
//
//core:table
var (
	rows  = [...]row{{1, nil}, {2, nil}}
	other = []*row{{3, nil}}
)

//core:table // want "annotation that nothing needs"
const limit = 5

type row struct {
	n    int
	next *row
}

func (r *row) grow()   { r.n++ }
func (r row) get() int { return r.n }

func changes(r *row) int {
	counter++               // want "package variable counter is assigned"
	names[2] = "two"        // want "package variable names is assigned"
	delete(names, 1)        // want "package variable names is changed by delete"
	rows[0].n += 2          // want "package variable rows is assigned"
	(*other[0]).n = limit   // want "package variable other is assigned"
	p := &rows[1]           // want "package variable rows is pointed to"
	rows[0].grow()          // want "package variable rows is the receiver of a pointer method"
	s := rows[:]            // want "package variable rows is aliased by a slice"
	io.EOF = nil            // want "package variable EOF is assigned"
	ErrGone = errOther      // want "package variable ErrGone is assigned"
	for counter = range s { // want "package variable counter is assigned"
	}
	local := rows
	local[0].n = 1
	r.n = len(names) + rows[0].get() + p.n
	return r.n
}
