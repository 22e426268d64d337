package search

import (
	"fmt"
	"math"

	"github.com/anishathalye/porcupine"

	"ottla.dev/linearizability"
)

// logModel is a partition as an append log. Its state is the last offset: an append goes to any higher one, since
// markers of transactions and records of others leave gaps.
func logModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return int64(linearizability.None) },
		Step: func(state, input, _ any) (bool, any) {
			a := input.(*linearizability.Append)
			return a.First > state.(int64), a.Last
		},
		DescribeOperation: func(input, _ any) string {
			a := input.(*linearizability.Append)
			if a.First == a.Last {
				return fmt.Sprintf("append -> %d", a.First)
			}
			return fmt.Sprintf("append -> %d..%d", a.First, a.Last)
		},
		DescribeState: func(state any) string { return fmt.Sprintf("last offset %d", state) },
	}
}

// logOperations are appends as Porcupine takes them.
func logOperations(appends []linearizability.Append) []porcupine.Operation {
	ops := make([]porcupine.Operation, len(appends))
	for i := range appends {
		a := &appends[i]
		ops[i] = operation(a.Op, a, a.Call, a.End)
	}
	return ops
}

// operation is one as Porcupine takes it. What never returned gets a return at the end of time: without one, Porcupine
// would take the operation for something else.
func operation(op *linearizability.Op, input any, call, end int64) porcupine.Operation {
	if end == linearizability.Never {
		end = math.MaxInt64
	}
	return porcupine.Operation{
		ClientId: int(op.Process), Input: input, Output: op, Call: call, Return: end,
		Metadata: fmt.Sprintf("line %d: %s", op.Line, op),
	}
}
