package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// FileBytesMax bounds a properties file.
const FileBytesMax = 1 << 20

// Property is one setting as it stands in a file.
type Property struct {
	Key, Value string
	Line       int // the line it starts on, counted from 1
}

// ParseProperties reads text in the format of Java's Properties.load: comments after # or !, key and value separated by
// = or : or spaces, a backslash at the end of a line to continue it, and the escapes \t \n \r \f and \uXXXX; any other
// character after a backslash stands for itself. All properties are given in the order of the text, repeated keys
// included. It differs from Java in two ways: the text is UTF-8, not Latin-1, and a file that ends in a line with a
// backslash alone does not get a property without a name.
func ParseProperties(text string) ([]Property, error) {
	if len(text) > FileBytesMax {
		return nil, fmt.Errorf("the file has %d bytes, more than the %d that are allowed", len(text), FileBytesMax)
	}
	var properties []Property
	lines := lineReader{rest: text}
	for {
		line, number, ok := lines.logical()
		if !ok {
			return properties, nil
		}
		key, value := cutProperty(line)
		property := Property{Line: number}
		var err error
		if property.Key, err = unescape(key); err == nil {
			property.Value, err = unescape(value)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		properties = append(properties, property)
	}
}

// lineReader gives the logical lines of a properties file.
type lineReader struct {
	rest   string
	number int
}

// natural gives the next line without its end: \n, \r or \r\n.
func (r *lineReader) natural() (string, bool) {
	if r.rest == "" {
		return "", false
	}
	r.number++
	line := r.rest
	i := strings.IndexAny(line, "\r\n")
	if i < 0 {
		r.rest = ""
		return line, true
	}
	r.rest = line[i+1:]
	if line[i] == '\r' {
		r.rest = strings.TrimPrefix(r.rest, "\n")
	}
	return line[:i], true
}

const blanks = " \t\f"

// logical gives the next line that is neither blank nor a comment, with the lines that continue it. Only its first
// line can be a comment. A backslash alone continues nothing: the line after it counts as the first.
func (r *lineReader) logical() (line string, number int, ok bool) {
	for {
		line, ok = r.natural()
		if !ok {
			return "", 0, false
		}
		number = r.number
		line = strings.TrimLeft(line, blanks)
		if line == "" || line == `\` || line[0] == '#' || line[0] == '!' {
			continue
		}
		return r.continued(line), number, true
	}
}

func (r *lineReader) continued(line string) string {
	if !endsInBackslash(line) {
		return line
	}
	var whole strings.Builder
	for {
		more := endsInBackslash(line)
		if more {
			line = line[:len(line)-1]
		}
		whole.WriteString(line)
		if !more {
			return whole.String()
		}
		next, ok := r.natural()
		if !ok {
			return whole.String()
		}
		line = strings.TrimLeft(next, blanks)
	}
}

// endsInBackslash reports whether the line ends in an odd number of backslashes; each pair of them is an escaped one.
func endsInBackslash(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// cutProperty splits a logical line at the first separator that is not escaped.
func cutProperty(line string) (key, value string) {
	end := len(line)
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' {
			i++
		} else if strings.IndexByte("=:"+blanks, line[i]) >= 0 {
			end = i
			break
		}
	}
	value = strings.TrimLeft(line[end:], blanks)
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], blanks)
	}
	return line[:end], value
}

func unescape(text string) (string, error) {
	if !strings.Contains(text, `\`) {
		return text, nil
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			b.WriteByte(text[i])
			continue
		}
		i++
		if i == len(text) {
			break
		}
		if text[i] != 'u' {
			b.WriteByte(escaped(text[i]))
			continue
		}
		r, size, err := unicodeEscape(text[i-1:])
		if err != nil {
			return "", err
		}
		b.WriteRune(r)
		i += size - 2
	}
	return b.String(), nil
}

func escaped(c byte) byte {
	switch c {
	case 't':
		return '\t'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 'f':
		return '\f'
	}
	return c
}

// escapeSize is the length of \uXXXX.
const escapeSize = 6

// unicodeEscape reads \uXXXX, or two of them that are a surrogate pair, and gives the number of bytes read.
func unicodeEscape(text string) (rune, int, error) {
	first, err := codeUnit(text)
	if err != nil || !utf16.IsSurrogate(first) {
		return first, escapeSize, err
	}
	if second, err := codeUnit(text[escapeSize:]); err == nil {
		if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
			return r, 2 * escapeSize, nil
		}
	}
	return utf8.RuneError, escapeSize, nil
}

func codeUnit(text string) (rune, error) {
	if len(text) < escapeSize || text[:2] != `\u` {
		return 0, fmt.Errorf(`%q is not \u and four hexadecimal digits`, text[:min(len(text), escapeSize)])
	}
	n, err := strconv.ParseUint(text[2:escapeSize], 16, 16)
	if err != nil {
		return 0, fmt.Errorf(`%q is not \u and four hexadecimal digits`, text[:escapeSize])
	}
	return rune(n), nil
}
