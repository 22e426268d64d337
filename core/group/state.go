package group

import "strings"

// State is the state of a group (Kafka: ClassicGroupState).
type State uint8

// The states. Dead is what clients are told about a group that does not exist.
const (
	Empty State = iota + 1
	PreparingRebalance
	CompletingRebalance
	Stable
	Dead
)

// String gives the state's name as DescribeGroups and ListGroups say it.
func (s State) String() string {
	switch s {
	case Empty:
		return "Empty"
	case PreparingRebalance:
		return "PreparingRebalance"
	case CompletingRebalance:
		return "CompletingRebalance"
	case Stable:
		return "Stable"
	case Dead:
		return "Dead"
	}
	return "State?"
}

// mayFollow is the table of transitions:
//
//	Empty               from PreparingRebalance
//	PreparingRebalance  from Empty, CompletingRebalance, Stable
//	CompletingRebalance from PreparingRebalance
//	Stable              from CompletingRebalance; from Stable, when a static member is replaced
func (s State) mayFollow(from State) bool {
	switch s {
	case Empty, CompletingRebalance:
		return from == PreparingRebalance
	case PreparingRebalance:
		return from == Empty || from == CompletingRebalance || from == Stable
	case Stable:
		return from == CompletingRebalance || from == Stable
	case Dead:
		return false
	}
	return false
}

// isNamed reports whether a filter of ListGroups names the state; case and surrounding space do not count (KIP-518).
func (s State) isNamed(filter string) bool {
	return strings.EqualFold(strings.TrimSpace(filter), s.String())
}

// StateOf is the state of a group, for who looks on from outside. It reports false if there is no such group.
func (m *Machine) StateOf(id string) (State, bool) {
	g := m.groups[id]
	if g == nil {
		return Dead, false
	}
	return g.state, true
}
