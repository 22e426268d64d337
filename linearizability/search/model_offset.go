package search

import (
	"fmt"

	"github.com/anishathalye/porcupine"

	"ottla.dev/linearizability"
)

// offsetModel is the committed offset of a group's partition as a register that is None at first. A commit of unknown
// outcome sets it or does not.
func offsetModel() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{int64(linearizability.None)} },
		Step: func(state, input, _ any) []any {
			op := input.(*linearizability.Op)
			switch {
			case op.Kind == linearizability.FetchCommitted:
				if op.Offset == state.(int64) {
					return []any{state}
				}
				return nil
			case op.Outcome == linearizability.OK:
				return []any{op.Offset}
			}
			return []any{op.Offset, state}
		},
		DescribeOperation: func(input, _ any) string {
			op := input.(*linearizability.Op)
			if op.Kind == linearizability.Commit {
				return fmt.Sprintf("commit %d", op.Offset)
			}
			return fmt.Sprintf("fetch -> %d", op.Offset)
		},
		DescribeState: func(state any) string { return fmt.Sprint(state) },
	}
	return m.ToModel()
}

func offsetOperations(history []*linearizability.Op) []porcupine.Operation {
	ops := make([]porcupine.Operation, len(history))
	for i, op := range history {
		end := int64(linearizability.Never)
		if op.Outcome == linearizability.OK {
			end = op.Return
		}
		ops[i] = operation(op, op, op.Call, end)
	}
	return ops
}
