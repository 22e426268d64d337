package wire

import (
	"fmt"
	"strings"
)

// Markdown renders the table as docs/protocol.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`# The Kafka protocol as Ottla speaks it

This page is written from the table in core/wire that the broker itself reads: the dispatcher, the ApiVersions answer
and this page cannot disagree. To write it again after a change: ` + "`go test ./core/wire -run Docs -update`" + `.

Requests of class *client* are advertised in ApiVersions and served on every listener. *broker* and *quorum* requests
are understood by the decoder, and closed like an unknown key on a client's listener.

A version outside the range closes the connection, as Kafka does; ApiVersions alone is answered, in version 0 with error
35 (KIP-511). *Flexible* is the first version with compact lengths and tagged fields (KIP-482).

| key | API | versions | flexible | class |
|---:|---|---|---|---|
`)
	for api := range APIs(ClassClient | ClassBroker | ClassRaft) {
		flexible := "never"
		if api.Flexible != neverFlexible {
			flexible = fmt.Sprintf("%d", api.Flexible)
		}
		fmt.Fprintf(&b, "| %d | %s | %d-%d | %s | %s |\n", api.Key, api.Name, api.Min, api.Max, flexible, api.Class)
	}
	return b.String()
}
