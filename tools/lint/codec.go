package lint

import (
	"go/ast"
	"go/types"
	"strings"

	"golang.org/x/tools/go/packages"
)

const (
	kmsgPath = "github.com/twmb/franz-go/pkg/kmsg"
	wirePath = module + "/core/wire"
	// clientPath is the simulated clients. They read the broker's own answers, and share no code with what wrote them.
	clientPath = module + "/sim/workload"
)

// Codec reports where a package other than core/wire encodes or decodes Kafka requests or responses: past its limits,
// kmsg allocates whatever the bytes ask for. Records (kmsg's keys and values of internal topics) are not meant.
func Codec(p *packages.Package) []Finding {
	if p.PkgPath == wirePath || p.PkgPath == clientPath {
		return nil
	}
	var found []Finding
	for _, file := range p.Syntax {
		ast.Inspect(file, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			f, ok := p.TypesInfo.Uses[selector.Sel].(*types.Func)
			if ok && isCodec(f) {
				found = append(found, Finding{p.Fset.Position(n.Pos()), "kmsg's " + f.Name() + " outside core/wire"})
			}
			return true
		})
	}
	return found
}

func isCodec(f *types.Func) bool {
	if f.Pkg() == nil || f.Pkg().Path() != kmsgPath || f.Signature().Recv() == nil {
		return false
	}
	switch f.Name() {
	case "AppendTo", "ReadFrom", "UnsafeReadFrom", "AppendRequest":
	default:
		return false
	}
	receiver := f.Signature().Recv().Type().String()
	return strings.HasSuffix(receiver, "Request") || strings.HasSuffix(receiver, "Response") ||
		strings.HasSuffix(receiver, "RequestFormatter") || strings.HasSuffix(receiver, "UnsafeReadFrom")
}
