package check

import (
	"slices"
	"strconv"

	"ottla.dev/core"
)

// Membership is what one client believes of itself in a group.
type Membership struct {
	Group  string
	ID     string // of the member; empty before it has one
	Joined bool
	Owned  []core.TopicPartition
	// Gone says that the client will never be heard of again.
	Gone bool
	// Released says that the group has come to rest, and the client may end.
	Released bool
}

// Enroll begins a membership.
func (l *Ledger) Enroll(group string) *Membership {
	m := &Membership{Group: group}
	l.member = append(l.member, m)
	return m
}

// MemberGroups lists the groups that clients are members of.
func (l *Ledger) MemberGroups() []string {
	var groups []string
	for _, m := range l.member {
		if !slices.Contains(groups, m.Group) {
			groups = append(groups, m.Group)
		}
	}
	return groups
}

// Described is a member as DescribeGroups has it.
type Described struct {
	ID    string
	Owned []core.TopicPartition
}

// GroupSettled says what stands in the way of a group at rest (L1), nothing if it has come to that: a group whose
// members live is Stable, with them and nobody else, and every partition is one living member's, as that member
// believes. A group whose members are gone is Empty, or not there.
func (l *Ledger) GroupSettled(group, state string, members []Described) string {
	living, owned := 0, 0
	for _, m := range l.member {
		if m.Group != group || m.Gone {
			continue
		}
		living++
		i := slices.IndexFunc(members, func(d Described) bool { return d.ID == m.ID })
		switch {
		case !m.Joined || m.ID == "":
			return "a member has not joined"
		case i < 0:
			return "member " + m.ID + " is not in it"
		case !slices.Equal(members[i].Owned, m.Owned):
			return "member " + m.ID + " was given other partitions than it was told"
		}
		owned += len(m.Owned)
	}
	switch {
	case living == 0 && (state == "Empty" || state == "Dead") && len(members) == 0:
		return ""
	case living == 0 || state != "Stable" || len(members) != living:
		return "it is " + state + " with " + strconv.Itoa(len(members)) + " members, and " + strconv.Itoa(living) +
			" live"
	case owned != len(l.order):
		return strconv.Itoa(owned) + " of " + strconv.Itoa(len(l.order)) + " partitions have an owner"
	}
	return ""
}

// Release lets the members of a group end.
func (l *Ledger) Release(group string) {
	for _, m := range l.member {
		m.Released = m.Released || m.Group == group
	}
}
