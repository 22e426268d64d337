package config

import (
	"math"
	"strconv"
	"strings"
)

// check is the rule for a setting's values, as data, so that it can be enforced, printed in an error and documented.
type check struct {
	ranged   bool
	min, max int64 // of numbers; of DOUBLE in parts per million
	besides  int64 // allowed although out of range
	choices  []string
	fold     bool     // words in any case
	filled   bool     // empty text or lists are refused
	notYet   []string // words that Kafka allows and this version refuses
	replicas bool     // Kafka: ThrottledReplicaListValidator
}

func anything() check          { return check{} }
func nonEmpty() check          { return check{filled: true} }
func replicaPairs() check      { return check{replicas: true} }
func oneOf(w ...string) check  { return check{choices: w} }
func listOf(w ...string) check { return check{choices: w} }

func atLeast(least int64) check { return between(least, math.MaxInt64) }

func between(least, most int64) check {
	return check{ranged: true, min: least, max: most, besides: least}
}

func (c check) or(n int64) check          { c.besides = n; return c }
func (c check) anyCase() check            { c.fold = true; return c }
func (c check) nonEmpty() check           { c.filled = true; return c }
func (c check) later(w ...string) check   { c.notYet = w; return c }
func (c check) inRange(n int64) bool      { return !c.ranged || n == c.besides || c.min <= n && n <= c.max }
func (c check) tooLarge(ppm decimal) bool { return c.ranged && ppm.millionths == c.max && ppm.inexact }

// has reports whether the rule allows the word.
func (c check) has(word string) bool {
	if c.choices == nil {
		return true
	}
	return contains(c.choices, word, c.fold)
}

func contains(words []string, word string, fold bool) bool {
	for _, w := range words {
		if w == word || fold && strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}

// words says what the rule allows, to follow "must be" in a sentence.
func (c check) words(kind Type) string {
	switch {
	case c.replicas:
		return "* or partition:broker pairs separated by commas"
	case kind == Boolean:
		return "true or false"
	case kind == List && c.choices != nil && len(c.usable()) == 1:
		return c.usable()[0] + c.orEmpty()
	case kind == List && c.choices != nil:
		return "a list of " + either(c.usable(), "and") + " without repetitions"
	case c.choices != nil:
		return either(c.usable(), "or")
	case kind == List && c.filled:
		return "a list of at least one value, separated by commas, without repetitions"
	case kind == List:
		return "a list of values separated by commas, without repetitions"
	case kind == Double:
		return "a decimal number" + c.span(millionthsText)
	case kind == Int || kind == Short || kind == Long:
		return "a whole number" + c.span(wholeText)
	case c.filled:
		return "not empty"
	}
	return "any text"
}

func (c check) orEmpty() string {
	if c.filled {
		return ""
	}
	return " or empty"
}

// usable gives the allowed words without those that this version refuses.
func (c check) usable() []string {
	var usable []string
	for _, w := range c.choices {
		if !contains(c.notYet, w, false) {
			usable = append(usable, w)
		}
	}
	return usable
}

func (c check) span(text func(int64) string) string {
	if !c.ranged {
		return ""
	}
	s := " of at least " + text(c.min)
	if c.max != math.MaxInt64 {
		s = " from " + text(c.min) + " to " + text(c.max)
	}
	if c.besides < c.min || c.besides > c.max {
		s += ", or " + text(c.besides)
	}
	return s
}

func wholeText(n int64) string { return strconv.FormatInt(n, 10) }

func millionthsText(n int64) string {
	s := strconv.FormatInt(n/millionth, 10)
	if rest := n % millionth; rest != 0 {
		s += "." + strings.TrimRight(strconv.FormatInt(millionth+rest, 10)[1:], "0")
	}
	return s
}

func either(words []string, conjunction string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " " + conjunction + " " + words[last]
}
