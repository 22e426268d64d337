package search

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"

	"ottla.dev/linearizability"
)

// topicModel is the existence of a topic as a register. It is false at first unless the first operation on the topic,
// a deletion or a creation that found it there, tells of a topic older than the history. A creation needs its absence
// and a deletion its presence; a creation that fails with TOPIC_ALREADY_EXISTS has seen it. Unknown outcomes did
// something or did not.
func topicModel(older bool) porcupine.Model {
	first := []any{false}
	if older {
		first = []any{false, true}
	}
	m := porcupine.NondeterministicModel{
		Init: func() []any { return first },
		Step: func(state, input, _ any) []any {
			op := input.(*linearizability.Op)
			exists, create := state.(bool), op.Kind == linearizability.CreateTopic
			switch op.Outcome {
			case linearizability.Failed: // by topicOperations it has seen the topic, or that there is none
				if exists == create {
					return []any{exists}
				}
				return nil
			case linearizability.OK:
				if exists != create {
					return []any{create}
				}
				return nil
			}
			if exists != create {
				return []any{create, exists}
			}
			return []any{exists}
		},
		DescribeOperation: func(input, _ any) string {
			op := input.(*linearizability.Op)
			return fmt.Sprintf("%s %s %s", op.Kind, op.Outcome, op.Error)
		},
		DescribeState: func(state any) string {
			if state.(bool) {
				return "exists"
			}
			return "absent"
		},
	}
	return m.ToModel()
}

// older says whether the first operation on a topic is none that begins with its absence.
func older(ops []porcupine.Operation) bool {
	first := slices.MinFunc(ops, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	op := first.Input.(*linearizability.Op)
	return op.Kind == linearizability.DeleteTopic || op.Error == alreadyExists
}

const alreadyExists = "TOPIC_ALREADY_EXISTS"

// topicOperations are the creations and deletions of each topic, with those failures that say whether it existed.
func topicOperations(h *linearizability.History) (names []string, byName map[string][]porcupine.Operation) {
	byName = map[string][]porcupine.Operation{}
	for i := range h.Ops {
		op := &h.Ops[i]
		said := ""
		switch op.Kind {
		case linearizability.CreateTopic:
			said = alreadyExists
		case linearizability.DeleteTopic:
			said = "UNKNOWN_TOPIC_OR_PARTITION"
		default:
			continue
		}
		end := op.Return
		switch {
		case op.Outcome == linearizability.Unknown:
			end = linearizability.Never
		case op.Outcome == linearizability.Failed && (op.Error != said || op.Attempts > 1):
			if op.Attempts <= 1 && linearizability.ClassifyName(op.Error) != linearizability.Unknown {
				continue
			}
			doubted := *op
			doubted.Outcome = linearizability.Unknown
			op, end = &doubted, linearizability.Never
		}
		name := op.Partition.Topic
		if byName[name] == nil {
			names = append(names, name)
		}
		byName[name] = append(byName[name], operation(op, op, op.Call, end))
	}
	return names, byName
}
