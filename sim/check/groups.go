package check

import (
	"cmp"
	"slices"
	"strconv"

	"ottla.dev/core"
)

// commitKey is what an offset is committed for.
type commitKey struct {
	group string
	part  core.TopicPartition
}

// Commit is one committed offset with the mark that tells it from others of the same offset.
type Commit struct {
	Offset core.Offset
	Mark   string
}

// commitState is what may be committed for a key: the last acknowledged commit, or any of those without an answer.
type commitState struct {
	key     commitKey
	acked   Commit
	any     bool // acked is set
	unknown []Commit
	dead    int // of unknown, those that an ended process has got: applied by now, or never
}

func (l *Ledger) commits(group string, p core.TopicPartition) *commitState {
	k := commitKey{group, p}
	s := l.groups[k]
	if s == nil {
		s = &commitState{key: k}
		l.groups[k] = s
	}
	return s
}

func (l *Ledger) sortedCommits() []*commitState {
	all := make([]*commitState, 0, len(l.groups))
	//core:unordered sorted below
	for _, s := range l.groups {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *commitState) int {
		return cmp.Or(cmp.Compare(a.key.group, b.key.group), cmp.Compare(a.key.part.Topic, b.key.part.Topic),
			cmp.Compare(a.key.part.Partition, b.key.part.Partition))
	})
	return all
}

func (s *commitState) stopped() { s.dead = len(s.unknown) }

// Committing notes that a commit is on its way.
func (l *Ledger) Committing(group string, p core.TopicPartition, c Commit) {
	s := l.commits(group, p)
	s.unknown = append(s.unknown, c)
}

// Committed notes that a commit was acknowledged. What was on its way to the same connection before it is settled.
func (l *Ledger) Committed(group string, p core.TopicPartition, c Commit) {
	l.commit++
	s := l.commits(group, p)
	s.acked, s.any = c, true
	s.drop(c)
	// What ended processes have got was applied before this or never will be.
	s.unknown = slices.Delete(s.unknown, 0, s.dead)
	s.dead = 0
}

// NotCommitted notes that a commit was refused.
func (l *Ledger) NotCommitted(group string, p core.TopicPartition, c Commit) {
	l.commits(group, p).drop(c)
}

func (s *commitState) drop(c Commit) {
	if i := slices.Index(s.unknown, c); i >= 0 {
		s.unknown = slices.Delete(s.unknown, i, i+1)
		if i < s.dead {
			s.dead--
		}
	}
}

// Fetched judges what OffsetFetch has answered: the last acknowledged commit, or one without an answer (C10). Offset -1
// is none.
func (l *Ledger) Fetched(group string, p core.TopicPartition, c Commit) {
	s := l.commits(group, p)
	if c.Offset < 0 && !s.any || s.any && c == s.acked {
		return
	}
	if i := slices.Index(s.unknown, c); i >= 0 {
		s.acked, s.any = c, true
		return
	}
	want := "none"
	if s.any {
		want = offsetText(s.acked.Offset) + " " + s.acked.Mark
	}
	l.fail(Correctness, "committed-offset", "group "+group+" "+p.String()+": offset "+offsetText(c.Offset)+" "+c.Mark+
		" is committed, the last acknowledged one is "+want+", and "+strconv.Itoa(len(s.unknown))+" are without an answer")
}

// Groups returns every group and partition for which somebody has committed.
func (l *Ledger) Groups(yield func(group string, p core.TopicPartition)) {
	for _, s := range l.sortedCommits() {
		yield(s.key.group, s.key.part)
	}
}

// ownerKey is a partition in one generation of a group.
type ownerKey struct {
	group      string
	generation int32
	part       core.TopicPartition
}

// Assigned notes that a member was told that a partition is its own in a generation; nobody else may be (C11, S16).
// Generations do not go back within the memory of a group.
func (l *Ledger) Assigned(group string, generation int32, member string, parts []core.TopicPartition) {
	l.gens[group] = max(l.gens[group], generation)
	for _, p := range parts {
		k := ownerKey{group, generation, p}
		if other, ok := l.owners[k]; ok && other != member {
			l.fail(Correctness, "two-owners", "group "+group+" generation "+strconv.Itoa(int(generation))+": "+p.String()+
				" was given to "+other+" and to "+member)
		}
		l.owners[k] = member
	}
}

// Generation is the newest generation of a group that a member was told of.
func (l *Ledger) Generation(group string) int32 { return l.gens[group] }

// Zombie judges an acknowledged commit of a member: at the time of sending nobody may have been told of a newer
// generation.
func (l *Ledger) Zombie(group string, generation, newest int32) {
	if generation < newest {
		l.fail(Correctness, "zombie-commit", "group "+group+": a commit of generation "+strconv.Itoa(int(generation))+
			" was taken after generation "+strconv.Itoa(int(newest))+" had begun")
	}
}
