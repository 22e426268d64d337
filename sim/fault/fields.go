package fault

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// fields are the words of one line of a plan, to be written or read: whoever has a line names its fields once, for
// both. What is zero is not written, and what is not there is zero. The first error is kept.
type fields struct {
	writing bool
	text    []byte // written
	bare    []string
	names   []string
	values  []string
	err     error
}

func (f *fields) fail(format string, a ...any) {
	if f.err == nil {
		f.err = fmt.Errorf(format, a...)
	}
}

// split takes a line's words apart. A value with spaces in it is quoted as Go quotes.
func (f *fields) split(line string) {
	for line = strings.TrimLeft(line, " \t"); line != ""; line = strings.TrimLeft(line, " \t") {
		end := strings.IndexAny(line, " \t=")
		if end < 0 || line[end] != '=' {
			if end < 0 {
				end = len(line)
			}
			f.bare, line = append(f.bare, line[:end]), line[end:]
			continue
		}
		name, rest := line[:end], line[end+1:]
		value := rest
		if strings.HasPrefix(rest, `"`) {
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				f.fail("%s has a quote without an end", name)
				return
			}
			value, _ = strconv.Unquote(quoted)
			rest = rest[len(quoted):]
		} else {
			value, rest, _ = strings.Cut(rest, " ")
		}
		f.names, f.values, line = append(f.names, name), append(f.values, value), rest
	}
}

// done reports what is wrong with a line that was read.
func (f *fields) done() error {
	switch {
	case f.err != nil || f.writing:
	case len(f.names) > 0:
		f.fail("%s is unknown or there twice", f.names[0])
	case len(f.bare) > 0:
		f.fail("%q is unknown or there twice", f.bare[0])
	}
	return f.err
}

func (f *fields) write(name, value string) {
	f.text = append(append(append(f.text, ' '), name...), '=')
	if value == "" || strings.ContainsFunc(value, quoted) {
		f.text = strconv.AppendQuote(f.text, value)
		return
	}
	f.text = append(f.text, value...)
}

// quoted reports whether a value with the rune in it is quoted.
func quoted(r rune) bool { return r == ' ' || r == '"' || r == utf8.RuneError || !strconv.IsPrint(r) }

// take removes a field.
func (f *fields) take(name string) (value string, ok bool) {
	i := slices.Index(f.names, name)
	if i < 0 {
		return "", false
	}
	value = f.values[i]
	f.names, f.values = slices.Delete(f.names, i, i+1), slices.Delete(f.values, i, i+1)
	return value, true
}

// first is a word without a name that stands first.
func (f *fields) first(what string, v *string) {
	switch {
	case f.writing:
		f.text = append(append(f.text, ' '), *v...)
	case len(f.bare) == 0:
		f.fail("no %s", what)
	default:
		*v, f.bare = f.bare[0], f.bare[1:]
	}
}

// ordinal is a number that stands first.
func (f *fields) ordinal(v *int) {
	word := strconv.Itoa(*v)
	f.first("number", &word)
	n, err := strconv.Atoi(word)
	if *v = n; err != nil || n < 0 {
		f.fail("%q is no number", word)
	}
}

// kind is a first word that is one of some.
func kind[K interface {
	~uint8
	String() string
}](f *fields, v *K, last K) {
	if f.writing {
		f.text = append(append(f.text, ' '), (*v).String()...)
		return
	}
	var word string
	f.first("kind", &word)
	for k := K(1); k <= last; k++ {
		if k.String() == word {
			*v = k
			return
		}
	}
	f.fail("%q is no kind", word)
}

// named is a value that is one of some names, the first of them empty for none.
func named[K interface {
	~uint8
	String() string
}](f *fields, name string, v *K, last K) {
	word := (*v).String()
	f.word(name, &word)
	for k := K(0); k <= last && !f.writing; k++ {
		if k.String() == word {
			*v = k
			return
		}
	}
	if !f.writing {
		f.fail("%s=%s is unknown", name, word)
	}
}

// flag is a word that is there or not.
func (f *fields) flag(name string, v *bool) {
	if f.writing {
		if *v {
			f.text = append(append(f.text, ' '), name...)
		}
		return
	}
	if i := slices.Index(f.bare, name); i >= 0 {
		*v, f.bare = true, slices.Delete(f.bare, i, i+1)
	}
}

func (f *fields) word(name string, v *string) {
	if f.writing {
		if *v != "" {
			f.write(name, *v)
		}
		return
	}
	if value, ok := f.take(name); ok {
		*v = value
	}
}

// longest is the longest time of a plan.
const longest = 24 * time.Hour

// time is a time from least to a day.
func (f *fields) time(name string, v *time.Duration, least time.Duration) {
	if f.writing {
		if *v != 0 {
			f.write(name, v.String())
		}
		return
	}
	if value, ok := f.take(name); ok {
		d, err := time.ParseDuration(value)
		if err != nil {
			f.fail("%s=%s is no time, like 1.5s", name, value)
		}
		*v = d
	}
	if *v < least || *v > longest {
		f.fail("%s is %v: %v to %v", name, *v, least, longest)
	}
}

// number is a number from lo to hi.
func number[T ~int | ~int16 | ~int32 | ~int64](f *fields, name string, v *T, lo, hi T) {
	if f.writing {
		if *v != 0 {
			f.write(name, strconv.FormatInt(int64(*v), 10))
		}
		return
	}
	if value, ok := f.take(name); ok {
		n, err := strconv.ParseInt(value, 10, 64)
		if *v = T(n); err != nil || int64(*v) != n {
			f.fail("%s=%s is no such number", name, value)
		}
	}
	if *v < lo || *v > hi {
		f.fail("%s is %d: %d to %d", name, *v, lo, hi)
	}
}

// numbers is a list of numbers from lo to hi.
func numbers[T ~int | ~int32](f *fields, name string, v *[]T, lo, hi T) {
	if f.writing {
		for i, n := range *v {
			if i == 0 {
				f.text = append(append(append(f.text, ' '), name...), '=')
			} else {
				f.text = append(f.text, ',')
			}
			f.text = strconv.AppendInt(f.text, int64(n), 10)
		}
		return
	}
	value, ok := f.take(name)
	if !ok {
		return
	}
	for word := range strings.SplitSeq(value, ",") {
		n, err := strconv.ParseInt(word, 10, 32)
		if err != nil || T(n) < lo || T(n) > hi {
			f.fail("%s=%s: numbers from %d to %d with commas between", name, value, lo, hi)
			return
		}
		*v = append(*v, T(n))
	}
}

// unsigned is a number from lo on.
func (f *fields) unsigned(name string, v *uint64, lo uint64) {
	if f.writing {
		if *v != 0 {
			f.write(name, strconv.FormatUint(*v, 10))
		}
		return
	}
	if value, ok := f.take(name); ok {
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			f.fail("%s=%s is no such number", name, value)
		}
		*v = n
	}
	if *v < lo {
		f.fail("%s is %d: at least %d", name, *v, lo)
	}
}
