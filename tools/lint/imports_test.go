package lint

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// root is the folder of go.mod.
func root(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(strings.TrimSpace(string(out)))
}

func TestImportOrder(t *testing.T) {
	packages, err := ListPackages(root(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) < 5 {
		t.Fatalf("go list found %d packages only", len(packages))
	}
	for _, line := range CheckImports(packages) {
		t.Error(line)
	}
}

func TestImportRules(t *testing.T) {
	for _, c := range []struct {
		rule, from, to string
		test, ok       bool
	}{
		{"a leaf may import the contract", "core/log", "ottla.dev/core", false, true},
		{"the contract imports none of ours", "core", "ottla.dev/core/record", false, false},
		{"log may import record", "core/log", "ottla.dev/core/record", false, true},
		{"record may not import log", "core/record", "ottla.dev/core/log", false, false},
		{"the quorum keeps its log with log", "core/raft", "ottla.dev/core/log", false, true},
		{"log knows no quorum", "core/log", "ottla.dev/core/raft", false, false},
		{"only the quorum reads JSON", "core/log", "encoding/json", false, false},
		{"leaves do not import machines", "core/log", "ottla.dev/core/partition", false, false},
		{"machines do not import each other", "core/partition", "ottla.dev/core/group", false, false},
		{"group may import the coordinator runtime", "core/group", "ottla.dev/core/coordinator", false, true},
		{"partition may not", "core/partition", "ottla.dev/core/coordinator", false, false},
		{"a package may import what lies below it", "core/group", "ottla.dev/core/group/assign", false, true},
		{"what lies below may import what the package may", "core/group/assign", "ottla.dev/core", false, true},
		{"api may import machines", "core/api", "ottla.dev/core/group", false, true},
		{"api may not import broker", "core/api", "ottla.dev/core/broker", false, false},
		{"core may not import sim", "core/broker", "ottla.dev/sim", false, false},
		{"core may not import os", "core/log", "os", false, false},
		{"core may not import sync", "core/broker", "sync", false, false},
		{"core may not import a library", "core/broker", "github.com/prometheus/client_golang", false, false},
		{"only record imports codecs", "core/log", "github.com/klauspost/compress/zstd", false, false},
		{"record imports codecs", "core/record", "github.com/klauspost/compress/zstd", false, true},
		{"core may import kmsg", "core/api", "github.com/twmb/franz-go/pkg/kmsg", false, true},
		{"node may import os", "node/disk", "os", false, true},
		{"node may import core", "node/disk", "ottla.dev/core/broker", false, true},
		{"node may import node", "node/disk", "ottla.dev/node/config", false, true},
		{"node may not import sim", "node", "ottla.dev/sim/disk", false, false},
		{"sim may not import node", "sim/disk", "ottla.dev/node/disk", false, false},
		{"not even in tests", "sim", "ottla.dev/node", true, false},
		{"netsim imports none of ours", "netsim", "ottla.dev/core", false, false},
		{"linearizability imports none of ours", "linearizability", "ottla.dev/core", false, false},
		{"nothing imports tools", "node", "ottla.dev/tools/lint", false, false},
		{"nothing imports tools in tests", "core/log", "ottla.dev/tools/lint", true, false},
		{"tools import anything", "tools/ottla", "ottla.dev/node", false, true},
		{"tests of core may import os", "core/log", "os", true, true},
		{"tests of core may import more of core", "core/record", "ottla.dev/core/log", true, true},
		{"tests of core may not import sim", "core/record", "ottla.dev/sim", true, false},
		{"a folder outside the plan", "extras", "fmt", false, false},
	} {
		t.Run(c.rule, func(t *testing.T) {
			p := Package{ImportPath: module + "/" + c.from}
			if c.test {
				p.TestImports = []string{c.to}
			} else {
				p.Imports = []string{c.to}
			}
			if found := CheckImports([]Package{p}); c.ok != (len(found) == 0) {
				t.Fatalf("found %q", found)
			}
		})
	}
}
