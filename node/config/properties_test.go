package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestPropertiesReadAsInJava holds results of java.util.Properties.load.
func TestPropertiesReadAsInJava(t *testing.T) {
	for _, c := range []struct {
		rule, text string
		want       []Property
	}{
		{"a backslash continues a line", "a=1\\\n  2\n", []Property{{"a", "12", 1}}},
		{"comments start with # or !", "# c\n ! d\nb=1", []Property{{"b", "1", 3}}},
		{"a colon separates", "b : x y", []Property{{"b", "x y", 1}}},
		{"a space separates", "c d=e", []Property{{"c", "d=e", 1}}},
		{"escaped separators belong to the key", `k\=1=v\u0041\t\q`, []Property{{"k=1", "vA\tq", 1}}},
		{"an escaped space begins a key", `\ e=1`, []Property{{" e", "1", 1}}},
		{"a key alone has an empty value", "empty\n", []Property{{"empty", "", 1}}},
		{"two backslashes are one", " a\\\\\\\n#b=3", []Property{{`a\#b`, "3", 1}}},
		{"a blank line ends a continuation", "z=\\\n\n=noval", []Property{{"z", "", 1}, {"", "noval", 3}}},
		{"a backslash alone continues nothing", "\\\n#c\n\\\na=1", []Property{{"a", "1", 4}}},
		{"a continuing line is no comment", "a=\\\n#c", []Property{{"a", "#c", 1}}},
		{"spaces at the end stay", "t= x \\ ", []Property{{"t", "x  ", 1}}},
		{"a backslash at the very end is dropped", `last=1\`, []Property{{"last", "1", 1}}},
		{"every line end counts", "a=1\r\nb=2\rc=3", []Property{{"a", "1", 1}, {"b", "2", 2}, {"c", "3", 3}}},
		{"a surrogate pair is one character", `s=\ud83d\ude00`, []Property{{"s", "\U0001F600", 1}}},
		{"a repeated key is given twice", "a=1\na=2", []Property{{"a", "1", 1}, {"a", "2", 2}}},
	} {
		got, err := ParseProperties(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
		} else if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.rule, diff)
		}
	}
	for _, text := range []string{`a=\u12`, `a=\uzzzz`, strings.Repeat("x", FileBytesMax+1)} {
		if _, err := ParseProperties(text); err == nil {
			t.Errorf("%.20q was taken", text)
		}
	}
}

// TestWrittenPropertiesReadBack escapes every character of any properties, as Properties.store may, and reads them.
func TestWrittenPropertiesReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		var want []Property
		for i := range rapid.IntRange(0, 5).Draw(t, "properties") {
			p := Property{rapid.StringN(1, 8, -1).Draw(t, "key"), rapid.String().Draw(t, "value"), i + 1}
			want = append(want, p)
			text.WriteString(escape(p.Key) + "=" + escape(p.Value) + "\n")
		}
		got, err := ParseProperties(text.String())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q: %s", text.String(), diff)
		}
	})
}

func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		case '\f':
			b.WriteString(`\f`)
		case '\\', '=', ':', '#', '!', ' ':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func FuzzParseProperties(f *testing.F) {
	f.Add("a=1\\\n 2\n#c\n\\u0041:x")
	f.Add(kafkaExample)
	f.Fuzz(func(t *testing.T, text string) {
		properties, err := ParseProperties(text)
		if err != nil {
			return
		}
		line := 0
		for _, p := range properties {
			if p.Line <= line || len(p.Key)+len(p.Value) > len(text) {
				t.Fatalf("%+v after line %d of %q", p, line, text)
			}
			line = p.Line
		}
	})
}
