package trace

import (
	"strconv"
	"time"
)

// recent is how many bytes of the latest lines are kept for a failure's report.
const recent = 16 << 10

// fnvOffset and fnvPrime are those of 64-bit FNV-1a.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// Trace takes lines. The zero value is not usable; see [New].
type Trace struct {
	hash  uint64
	lines int
	line  []byte
	tail  []byte // at most twice recent
	to    func(line []byte)
	aside []byte
}

// New returns an empty trace. If to is not nil it gets every line, which it must not keep.
func New(to func(line []byte)) *Trace { return &Trace{hash: fnvOffset, to: to} }

// Hash is the hash of all lines so far.
func (t *Trace) Hash() uint64 { return t.hash }

// Lines is the number of lines so far.
func (t *Trace) Lines() int { return t.lines }

// Begin starts the line of an event at a time and returns the trace, to which the words of the line are added.
func (t *Trace) Begin(at time.Duration, what string) *Trace {
	t.line = strconv.AppendInt(t.line[:0], int64(at/time.Microsecond), 10)
	t.line = append(t.line, ' ')
	t.line = append(t.line, what...)
	return t
}

// Word adds a word.
func (t *Trace) Word(s string) *Trace {
	t.line = append(t.line, ' ')
	t.line = append(t.line, s...)
	return t
}

// Num adds a number with its name.
func (t *Trace) Num(name string, n int64) *Trace {
	t.line = append(t.line, ' ')
	t.line = append(t.line, name...)
	t.line = append(t.line, '=')
	t.line = strconv.AppendInt(t.line, n, 10)
	return t
}

// Text adds what f appends.
func (t *Trace) Text(f func(dst []byte) []byte) *Trace {
	t.line = f(append(t.line, ' '))
	return t
}

// Err adds an error, if there is one.
func (t *Trace) Err(err error) *Trace {
	if err != nil {
		t.line = append(t.line, " err="...)
		t.line = strconv.AppendQuote(t.line, err.Error())
	}
	return t
}

// Aside says something that is no part of the trace, to whoever gets its lines. The hash does not know of it.
func (t *Trace) Aside(at time.Duration, text []byte) {
	if t.to != nil {
		t.aside = strconv.AppendInt(t.aside[:0], int64(at/time.Microsecond), 10)
		t.to(append(append(t.aside, ' '), text...))
	}
}

// End ends the line.
func (t *Trace) End() {
	h := t.hash
	for _, c := range t.line {
		h = (h ^ uint64(c)) * fnvPrime
	}
	t.hash = (h ^ '\n') * fnvPrime
	t.lines++
	if t.to != nil {
		t.to(t.line)
	}
	if len(t.tail) > 2*recent {
		n := copy(t.tail, t.tail[len(t.tail)-recent:])
		t.tail = t.tail[:n]
	}
	t.tail = append(append(t.tail, t.line...), '\n')
}

// Tail returns the last lines, at most n.
func (t *Trace) Tail(n int) string {
	from := len(t.tail)
	for n > 0 && from > 0 {
		from--
		for from > 0 && t.tail[from-1] != '\n' {
			from--
		}
		n--
	}
	return string(t.tail[from:])
}
