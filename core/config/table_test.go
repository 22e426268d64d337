package config

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

// kafkaFact is a line of testdata/kafka-4.2.0.tsv.
type kafkaFact struct{ scope, name, kind, def, importance, update, origin, rule string }

func kafkaFacts(t *testing.T) []kafkaFact {
	t.Helper()
	data, err := os.ReadFile("testdata/kafka-4.2.0.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var facts []kafkaFact
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(f) != 8 {
			t.Fatalf("%d fields in %q", len(f), line)
		}
		facts = append(facts, kafkaFact{f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]})
	}
	if len(facts) != 375 {
		t.Fatalf("%d facts, want 375", len(facts))
	}
	return facts
}

func (f kafkaFact) setting(t *testing.T) Setting {
	t.Helper()
	find := LookupBroker
	if f.scope == "topic" {
		find = LookupTopic
	}
	s, ok := find(f.name)
	if !ok {
		t.Fatalf("%s setting %s is not in the table", f.scope, f.name)
	}
	return s
}

// ownDefaults are the settings whose default differs from Kafka's, and why.
var ownDefaults = map[string]string{
	"group.coordinator.rebalance.protocols": "the table says what is served",
}

func TestEverySettingOfKafka42IsInTheTable(t *testing.T) {
	for _, f := range kafkaFacts(t) {
		s := f.setting(t)
		def, ok := s.Default()
		if !ok {
			def = "<null>"
		}
		if f.def == "<required>" {
			f.def = "<null>"
		}
		if def != f.def && ownDefaults[f.name] == "" {
			t.Errorf("%s: default %q, Kafka has %q", f.name, def, f.def)
		}
		mode, origin := s.Update().String(), "public"
		if f.scope == "topic" && s.Update() == PerTopic {
			mode = f.update
		}
		if s.Origin() == Internal {
			origin = "internal"
		}
		got := []string{s.Type().String(), strings.ToUpper(s.Importance().String()), mode, origin}
		want := []string{f.kind, f.importance, f.update, f.origin}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, Kafka has %v", f.name, got, want)
		}
	}
}

func TestEverySettingIsKafkasOrMarkedAsOwn(t *testing.T) {
	known := map[string]bool{}
	for _, f := range kafkaFacts(t) {
		known[f.scope+" "+f.name] = true
	}
	for s := range TopicSettings() {
		if s.Origin() != Own && !known["topic "+s.Name()] {
			t.Errorf("topic setting %s is not Kafka's", s.Name())
		}
	}
	for s := range BrokerSettings() {
		if s.Origin() != Own && !known["broker "+s.Name()] {
			t.Errorf("broker setting %s is not Kafka's", s.Name())
		}
	}
}

// TestRangesAreKafkas tries the numbers at and beyond the bounds that Kafka's rules print as [1,...] and [1,...,9].
func TestRangesAreKafkas(t *testing.T) {
	tried := 0
	for _, f := range kafkaFacts(t) {
		rule, _, _ := strings.Cut(strings.TrimPrefix(f.rule, "["), "]")
		parts := strings.Split(rule, ",")
		least, err := strconv.ParseInt(parts[0], 10, 64)
		if err != nil || len(parts) < 2 || parts[1] != "..." || f.kind == "DOUBLE" {
			continue
		}
		tried++
		s := f.setting(t)
		takes(t, s, least, true)
		if f.name != "compression.gzip.level" { // -1 beside 1 to 9
			takes(t, s, least-1, false)
		} else {
			takes(t, s, 0, false)
			takes(t, s, -1, true)
		}
		if len(parts) == 3 {
			most, err := strconv.ParseInt(parts[2], 10, 64)
			if err != nil {
				t.Fatal(f.rule)
			}
			takes(t, s, most, true)
			takes(t, s, most+1, false)
		}
	}
	if tried < 150 {
		t.Errorf("only %d ranges tried", tried)
	}
}

func takes(t *testing.T, s Setting, n int64, want bool) {
	t.Helper()
	if _, ok := s.parse(strconv.FormatInt(n, 10)); ok != want {
		t.Errorf("%s takes %d: %v, want %v", s.Name(), n, ok, want)
	}
}

func TestWordsAreKafkas(t *testing.T) {
	tried := 0
	for _, f := range kafkaFacts(t) {
		rule := strings.TrimPrefix(f.rule, "(case insensitive) ")
		if !strings.HasPrefix(rule, "[") || strings.Contains(rule, "...") || f.kind == "DOUBLE" {
			continue
		}
		tried++
		s := f.setting(t)
		for word := range strings.SplitSeq(strings.Trim(rule, "[]"), ", ") {
			if _, ok := s.parse(word); !ok {
				t.Errorf("%s does not take %s", f.name, word)
			}
		}
		if _, ok := s.parse("nonsense"); ok {
			t.Errorf("%s takes nonsense", f.name)
		}
	}
	if tried < 10 {
		t.Errorf("only %d lists of words tried", tried)
	}
}

func TestEveryDefaultIsAllowed(t *testing.T) {
	for _, table := range [][]Setting{topicTable, brokerTable} {
		for _, s := range table {
			if def, ok := s.Default(); ok {
				if err := s.validate(s.name, def); err != nil {
					t.Errorf("%s", err)
				}
			}
		}
	}
}

// TestSynonymsGiveTheTopicsDefault checks that a topic setting's default is that of the broker setting behind it.
func TestSynonymsGiveTheTopicsDefault(t *testing.T) {
	for s := range TopicSettings() {
		synonyms := s.Synonyms()
		if len(synonyms) == 0 {
			continue
		}
		last := synonyms[len(synonyms)-1]
		broker, ok := LookupBroker(last.Name)
		if !ok {
			t.Fatalf("%s: no broker setting %s", s.Name(), last.Name)
		}
		def, _ := broker.Default()
		got, ok := last.parse(def)
		if want, _ := s.defaultValue(); !ok || got != want {
			t.Errorf("%s: default %v, that of %s comes to %v", s.Name(), want, last.Name, got)
		}
	}
}

func TestEverySettingIsDocumented(t *testing.T) {
	for _, table := range [][]Setting{topicTable, brokerTable} {
		for _, s := range table {
			if len(s.doc) < 15 || !strings.HasSuffix(s.doc, ".") || s.doc[0] < 'A' || s.doc[0] > 'Z' {
				if !strings.HasPrefix(s.doc, "SO_") && !strings.HasPrefix(s.doc, "min.insync") {
					t.Errorf("%s: %q is not a sentence", s.name, s.doc)
				}
			}
			if strings.Contains(s.Allowed(), "%!") || s.Allowed() == "" {
				t.Errorf("%s: allowed %q", s.name, s.Allowed())
			}
		}
	}
}

func TestTheConfigurationPageIsCurrent(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "configuration.md")
	want := Markdown()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/configuration.md is not what the table says; run: go test ./core/config -update")
	}
}
