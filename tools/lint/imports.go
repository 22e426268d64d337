package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// module is the path of the module that is checked.
const module = "ottla.dev"

// Package is what the import order needs to know of a package: go list's own fields.
type Package struct {
	ImportPath, Name, Dir              string
	GoFiles                            []string
	Imports, TestImports, XTestImports []string
}

// rel is the package's path inside the module; the module's root is "".
func rel(path string) (string, bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

// ListPackages runs go list over the whole module in dir.
func ListPackages(dir string) ([]Package, error) {
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Name,Dir,GoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var packages []Package
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p Package
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
}

// leaves are the packages of core that know only the contract and bytes.
var leaves = []string{"core/record", "core/config", "core/metadata", "core/wire", "core/log", "core/raft"}

// order says, for each package or folder, which of ours it may import. A trailing /... means the folder and everything
// below. Every package may import what lies below itself. The longest matching entry counts; a package without one is
// an error, so that nobody builds outside the plan of the house.
var order = map[string][]string{
	"core":                 {"core/probe"},
	"core/probe":           {},
	"core/record/...":      {"core"},
	"core/config/...":      {"core"},
	"core/metadata/...":    {"core", "core/record"},
	"core/wire/...":        {"core", "core/record"},
	"core/log/...":         {"core", "core/probe", "core/record"},
	"core/log/dump":        {"core", "core/record", "core/log"},
	"core/raft/...":        {"core", "core/probe", "core/record", "core/metadata", "core/log"},
	"core/coordinator/...": append([]string{"core", "core/probe"}, leaves...),
	"core/partition/...":   append([]string{"core", "core/probe"}, leaves...),
	"core/controller/...":  append([]string{"core", "core/probe"}, leaves...),
	"core/group/...":       append([]string{"core", "core/probe", "core/coordinator"}, leaves...),
	"core/txn/...":         append([]string{"core", "core/probe", "core/coordinator"}, leaves...),
	"core/api/...":         append([]string{"core", "core/probe"}, append(machines, leaves...)...),
	"core/broker/...":      append([]string{"core", "core/probe", "core/api"}, append(machines, leaves...)...),
	"core/coretest/...":    append([]string{"core"}, leaves...),
	"sim/...":              {"core/...", "netsim/...", "linearizability/..."},
	"node/...":             {"core/..."},
	"node/nodetest/...":    {"core/...", "node/...", "linearizability/..."},
	"netsim/...":           {},
	"linearizability/...":  {},
	"benchmarks/...":       {"core/...", "node/...", "sim/...", "netsim/...", "linearizability/..."},
	"tools/...":            {"..."},
}

// machines never import each other, but group and txn may import the coordinator runtime.
var machines = []string{"core/partition", "core/controller", "core/coordinator", "core/group", "core/txn"}

// coreImports are the packages from elsewhere that core may import. What is missing here is missing on purpose: sync,
// os, net, context, math/rand, reflect, runtime, unsafe, log and the like have no place in a deterministic core.
var coreImports = []string{
	"bytes", "cmp", "container/heap", "encoding/base64", "encoding/binary", "encoding/hex", "errors", "fmt",
	"hash/crc32", "io", "iter", "maps", "math", "math/bits", "slices", "sort", "strconv", "strings", "time",
	"unicode", "unicode/utf16", "unicode/utf8",
	"github.com/twmb/franz-go/pkg/kbin", "github.com/twmb/franz-go/pkg/kerr", "github.com/twmb/franz-go/pkg/kmsg",
}

// moreImports are what single packages may import besides.
var moreImports = map[string][]string{
	// The codecs are used as they are.
	"core/record": {
		"github.com/klauspost/compress/gzip", "github.com/klauspost/compress/snappy",
		"github.com/klauspost/compress/zstd", "github.com/pierrec/lz4/v4",
	},
	// Kafka's quorum-state file is JSON.
	"core/raft": {"encoding/json"},
	// The suite that every driver passes is called from tests.
	"core/coretest": {"testing"},
}

// CheckImports returns one line for each import that breaks the order, sorted.
func CheckImports(packages []Package) []string {
	var found []string
	for _, p := range packages {
		path, ours := rel(p.ImportPath)
		if !ours || path == "" {
			continue
		}
		allowed, ok := rule(path)
		if !ok {
			found = append(found, path+": has no place in the import order (tools/lint/imports.go)")
			continue
		}
		for _, imported := range p.Imports {
			if why := refuse(path, imported, allowed); why != "" {
				found = append(found, path+" imports "+imported+": "+why)
			}
		}
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			if why := refuseInTest(path, imported); why != "" {
				found = append(found, path+" imports "+imported+" in its tests: "+why)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// rule finds what path may import: the longest entry of order that matches.
func rule(path string) (allowed []string, ok bool) {
	best := ""
	for pattern, entry := range order {
		if matches(pattern, path) && len(pattern) > len(best) {
			best, allowed, ok = pattern, entry, true
		}
	}
	return allowed, ok
}

func matches(pattern, path string) bool {
	folder, below := strings.CutSuffix(pattern, "...")
	if !below {
		return pattern == path
	}
	return strings.HasPrefix(path+"/", folder)
}

func refuse(path, imported string, allowed []string) string {
	target, ours := rel(imported)
	if !ours {
		if !matches("core/...", path) || slices.Contains(coreImports, imported) {
			return ""
		}
		if slices.Contains(moreImports[path], imported) {
			return ""
		}
		return "not among the packages that core may use"
	}
	if path != "core" && strings.HasPrefix(target, path+"/") {
		return ""
	}
	for _, pattern := range allowed {
		if matches(pattern, target) || matches(pattern+"/...", target) && pattern != "core" {
			return ""
		}
	}
	if own, _, _ := strings.Cut(path, "/"); own != "core" && matches(own+"/...", target) {
		return "" // within sim, node, tools and the like the folders order themselves
	}
	return "against the import order"
}

// refuseInTest is looser: tests of core may use any package of core, and testing libraries.
func refuseInTest(path, imported string) string {
	target, ours := rel(imported)
	top, _, _ := strings.Cut(path, "/")
	if !ours || top == "tools" {
		return ""
	}
	switch into, _, _ := strings.Cut(target, "/"); {
	case into == "tools":
		return "nothing imports tools"
	case into == top:
		return ""
	case top == "core", top == "netsim", top == "linearizability":
		return "against the import order"
	case top == "sim" && into == "node", top == "node" && into == "sim":
		return "sim and node never import each other"
	}
	return ""
}
