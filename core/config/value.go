package config

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// value is a parsed value: its canonical text, which DescribeConfigs shows, and its number where it has one (booleans
// are 0 and 1, DOUBLE is in parts per million).
type value struct {
	text string
	num  int64
}

// parse reads text as a value of the setting, spaces around it taken off. It reports false if the type or the rule
// of the setting forbids the value.
func (s Setting) parse(text string) (value, bool) {
	text = strings.TrimSpace(text)
	v := value{text: text}
	switch s.kind {
	case Boolean:
		return parseBoolean(text)
	case Int:
		return s.parseWhole(text, 32)
	case Short:
		return s.parseWhole(text, 16)
	case Long:
		return s.parseWhole(text, 64)
	case Double:
		d, ok := parseDecimal(text)
		v.num = d.millionths
		return v, ok && s.allowed.inRange(d.millionths) && !s.allowed.tooLarge(d)
	case List:
		words, ok := splitList(text)
		if !ok || !s.allowed.takesList(words) {
			return value{}, false
		}
		v.text = strings.Join(words, ",")
		return v, true
	case String, Class, Password:
		return v, (!s.allowed.filled || text != "") && s.allowed.has(text)
	}
	panic("config: " + s.name + " has no type")
}

func parseBoolean(text string) (value, bool) {
	switch {
	case strings.EqualFold(text, "true"):
		return value{"true", 1}, true
	case strings.EqualFold(text, "false"):
		return value{"false", 0}, true
	}
	return value{}, false
}

func (s Setting) parseWhole(text string, bits int) (value, bool) {
	n, err := strconv.ParseInt(text, 10, bits)
	if err != nil {
		return value{}, false
	}
	return value{strconv.FormatInt(n, 10), n}, s.allowed.inRange(n)
}

// splitList splits a LIST value at its commas. Empty text is the empty list; empty or repeated words are refused
// (KIP-1161).
func splitList(text string) ([]string, bool) {
	if text == "" {
		return nil, true
	}
	words := strings.Split(text, ",")
	for i, w := range words {
		words[i] = strings.TrimSpace(w)
	}
	sorted := slices.Clone(words)
	slices.Sort(sorted)
	if sorted[0] == "" || len(slices.Compact(sorted)) < len(words) {
		return nil, false
	}
	return words, true
}

func (c check) takesList(words []string) bool {
	if c.filled && len(words) == 0 {
		return false
	}
	if c.replicas {
		return len(words) == 0 || len(words) == 1 && words[0] == "*" || allPairs(words)
	}
	for _, w := range words {
		if !c.has(w) {
			return false
		}
	}
	return true
}

func allPairs(words []string) bool {
	for _, w := range words {
		partition, broker, ok := strings.Cut(w, ":")
		if !ok || !isWhole(partition) || !isWhole(broker) {
			return false
		}
	}
	return true
}

func isWhole(s string) bool {
	_, err := strconv.ParseUint(s, 10, 31)
	return err == nil
}

// millionth is the scale of DOUBLE settings: 1 is 1,000,000 parts per million.
const millionth = 1_000_000

// decimal is a number in millionths, cut off toward zero; inexact tells that something was cut off. Numbers that do
// not fit saturate.
type decimal struct {
	millionths int64
	inexact    bool
}

// exponentMax bounds the exponent of a decimal; Java's doubles end at 308.
const exponentMax = 400

// parseDecimal reads a decimal number such as 0.5, .5 or 1.7E308, without floating-point arithmetic.
func parseDecimal(text string) (decimal, bool) {
	digits, exponent, negative, ok := splitDecimal(text)
	if !ok {
		return decimal{}, false
	}
	// The number is 0.digits times 10^exponent; its millionths are its first exponent+6 digits.
	var d decimal
	keep := exponent + 6
	for i := 0; i < max(keep, len(digits)); i++ {
		digit := int64(0)
		if i < len(digits) {
			digit = int64(digits[i] - '0')
		}
		switch {
		case i >= keep:
			d.inexact = d.inexact || digit != 0
		case d.millionths > (math.MaxInt64-digit)/10:
			d.millionths = math.MaxInt64
		default:
			d.millionths = d.millionths*10 + digit
		}
	}
	if negative {
		d.millionths = -d.millionths
	}
	return d, true
}

// splitDecimal gives the significant digits of text and the exponent that puts the decimal point before the first.
func splitDecimal(text string) (digits string, exponent int, negative, ok bool) {
	if text != "" && (text[0] == '-' || text[0] == '+') {
		negative, text = text[0] == '-', text[1:]
	}
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		n, err := strconv.Atoi(text[i+1:])
		if err != nil || n < -exponentMax || n > exponentMax {
			return "", 0, false, false
		}
		text, exponent = text[:i], n
	}
	whole, fraction, _ := strings.Cut(text, ".")
	digits = whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return "", 0, false, false
	}
	exponent += len(whole)
	significant := strings.TrimLeft(digits, "0")
	if significant == "" {
		return "0", 1, negative, true
	}
	return significant, exponent - (len(digits) - len(significant)), negative, true
}
