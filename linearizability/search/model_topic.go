package search

import (
	"fmt"

	"github.com/anishathalye/porcupine"

	"ottla.dev/linearizability"
)

// topicModel is the existence of a topic as a register that is false at first. A creation needs its absence and a deletion
// its presence; a creation that fails with TOPIC_ALREADY_EXISTS has seen it. Unknown outcomes did something or did not.
func topicModel() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{false} },
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

// topicOperations are the creations and deletions of each topic, with those failures that say whether it existed.
func topicOperations(h *linearizability.History) (names []string, byName map[string][]porcupine.Operation) {
	byName = map[string][]porcupine.Operation{}
	for i := range h.Ops {
		op := &h.Ops[i]
		said := ""
		switch op.Kind {
		case linearizability.CreateTopic:
			said = "TOPIC_ALREADY_EXISTS"
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
