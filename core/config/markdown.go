package config

import (
	"fmt"
	"strings"
)

// Markdown prints the table as docs/configuration.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(markdownHead)
	for _, part := range []struct {
		title string
		table []Setting
		with  Support
	}{
		{"Topic settings that are obeyed", topicTable, Obeyed},
		{"Broker settings that are obeyed", brokerTable, Obeyed},
		{"Topic settings that are taken and have no effect", topicTable, Ignored},
		{"Broker settings that are taken and have no effect", brokerTable, Ignored},
		{"Topic settings that are refused for now", topicTable, Refused},
		{"Broker settings that are refused for now", brokerTable, Refused},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n", part.title)
		b.WriteString("| setting | type | default | allowed | change | what it does |\n")
		b.WriteString("| --- | --- | --- | --- | --- | --- |\n")
		for _, s := range part.table {
			if s.support == part.with && s.origin != Internal {
				b.WriteString(s.markdown())
			}
		}
	}
	return b.String()
}

const markdownHead = `# Configuration

<!-- Printed from the table in core/config by "go test ./core/config -update"; do not edit. -->

Ottla takes the settings of Kafka 4.2 by their own names, from a server.properties file, from "--set key=value" on the
command line, and, where the column "change" allows it, from Kafka's own tools while it runs. Settings of Ottla's own
are marked with "Ottla".

Nothing needs to be set. A node that is told nothing is node 1, broker and controller of a cluster of its own, listens
on 127.0.0.1:9092 and keeps its data in ./ottla-data; the topics it makes for itself have one replica. What is set on
the command line wins over the environment (KAFKA_LOG_DIRS is log.dirs), and that over the file.

A setting in the lists "obeyed" does what it says. One in the lists "have no effect" is known to Kafka and of no use
here: it is taken with a line of warning. One in the lists "refused for now" is not implemented yet: any value but the
default is an error. A name in none of the lists is an error, which names the nearest one.

A topic setting that is not set on the topic takes its value from the broker settings named beside it, the first that is
set; broker settings are looked up in the dynamic values of the broker, then in those of all brokers, then in
server.properties.
`

func (s Setting) markdown() string {
	name := "`" + s.name + "`"
	if s.origin == Own {
		name += " (Ottla)"
	}
	def, ok := s.Default()
	switch {
	case !ok:
		def = "none"
	case def == "":
		def = "empty"
	default:
		def = "`" + def + "`"
	}
	doc := s.doc
	if names := synonymNames(s); names != nil {
		doc += " Falls back to `" + strings.Join(names, "`, `") + "`."
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n", name, strings.ToLower(s.kind.String()), def,
		cell(s.Allowed()), s.update, cell(doc))
}

// cell keeps text inside its cell of a Markdown table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`, "<", `\<`).Replace(text)
}
