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
	text  []byte // the latest lines, at most twice recent, and the one that is being written
	from  int    // where that one begins
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
	t.text = t.text[:t.from]
	if len(t.text) > 2*recent {
		t.from = copy(t.text, t.text[len(t.text)-recent:])
		t.text = t.text[:t.from]
	}
	t.text = append(append(strconv.AppendInt(t.text, int64(at/time.Microsecond), 10), ' '), what...)
	return t
}

// Word adds a word.
func (t *Trace) Word(s string) *Trace {
	t.text = append(append(t.text, ' '), s...)
	return t
}

// Num adds a number with its name.
func (t *Trace) Num(name string, n int64) *Trace {
	t.text = strconv.AppendInt(append(append(append(t.text, ' '), name...), '='), n, 10)
	return t
}

// Text adds what f appends.
func (t *Trace) Text(f func(dst []byte) []byte) *Trace {
	t.text = f(append(t.text, ' '))
	return t
}

// Err adds an error, if there is one.
func (t *Trace) Err(err error) *Trace {
	if err != nil {
		t.text = append(t.text, " err="...)
		t.text = strconv.AppendQuote(t.text, err.Error())
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
	t.text = append(t.text, '\n')
	line := t.text[t.from:]
	t.from = len(t.text)
	t.hash = hashed(t.hash, line)
	t.lines++
	if t.to != nil {
		t.to(line[:len(line)-1])
	}
}

// hashed is FNV-1a, which waits for each byte's multiplication before the next. With eight bytes at a time there is
// little else to do meanwhile, and the processor begins what comes after the line.
func hashed(h uint64, b []byte) uint64 {
	for len(b) >= 8 {
		v := (*[8]byte)(b)
		h = (h ^ uint64(v[0])) * fnvPrime
		h = (h ^ uint64(v[1])) * fnvPrime
		h = (h ^ uint64(v[2])) * fnvPrime
		h = (h ^ uint64(v[3])) * fnvPrime
		h = (h ^ uint64(v[4])) * fnvPrime
		h = (h ^ uint64(v[5])) * fnvPrime
		h = (h ^ uint64(v[6])) * fnvPrime
		h = (h ^ uint64(v[7])) * fnvPrime
		b = b[8:]
	}
	for _, c := range b {
		h = (h ^ uint64(c)) * fnvPrime
	}
	return h
}

// Tail returns the last lines, at most n.
func (t *Trace) Tail(n int) string {
	from := t.from
	for n > 0 && from > 0 {
		from--
		for from > 0 && t.text[from-1] != '\n' {
			from--
		}
		n--
	}
	return string(t.text[from:t.from])
}
