package wire

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write docs/protocol.md again")

func TestDocsAreCurrent(t *testing.T) {
	const path = "../../docs/protocol.md"
	if *update {
		if err := os.WriteFile(path, []byte(Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != Markdown() {
		t.Fatal("docs/protocol.md is not what the table says; run go test ./core/wire -run Docs -update")
	}
}
