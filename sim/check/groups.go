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

// commitState is what may be committed for a key. Answers to several clients do not come in the order in which their
// commits were applied: what was acknowledged stays possible until a commit is that was sent afterwards.
type commitState struct {
	key      commitKey
	any      int // since when something was acknowledged, 0: nothing was
	possible []possible
	replaced []replaced
	moments  int // counts what happens to the key
}

// replaced is a commit that was the last one until some moment. What was asked before may still answer it.
type replaced struct {
	Commit
	at int
}

// possible is a commit that may be the last one.
type possible struct {
	Commit
	begun int
	known int  // since when it is certain to be applied, 0: it is not
	dead  bool // an ended process has got it: it is applied by now, or never
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

func (s *commitState) stopped() {
	for i := range s.possible {
		s.possible[i].dead = true
	}
}

func (s *commitState) find(c Commit) int {
	return slices.IndexFunc(s.possible, func(p possible) bool { return p.Commit == c })
}

// Committing notes that a commit is on its way.
func (l *Ledger) Committing(group string, p core.TopicPartition, c Commit) {
	s := l.commits(group, p)
	s.moments++
	s.possible = append(s.possible, possible{Commit: c, begun: s.moments})
}

// Committed notes that a commit was acknowledged. Those that were known before it was sent are behind it, and what
// ended processes have got.
func (l *Ledger) Committed(group string, p core.TopicPartition, c Commit) {
	l.commit++
	if l.CommittedBy != nil && c.Offset >= 0 {
		l.CommittedBy(group, p, c)
	}
	if !l.firm(group) {
		l.anew(group)
		l.firmly[group] = true
	}
	s := l.commits(group, p)
	i := s.find(c)
	if i < 0 {
		return // a read has shown it, and a later commit has taken its place
	}
	s.known(i)
	this := s.possible[i]
	s.possible = slices.DeleteFunc(s.possible, func(o possible) bool {
		gone := o.known > 0 && o.known < this.begun || o.dead && !this.dead
		if gone {
			s.replaced = append(s.replaced, replaced{o.Commit, s.moments})
		}
		return gone
	})
}

func (s *commitState) known(i int) {
	if s.moments++; s.any == 0 {
		s.any = s.moments
	}
	if s.possible[i].known == 0 {
		s.possible[i].known = s.moments
	}
}

// NotCommitted notes that a commit was refused.
func (l *Ledger) NotCommitted(group string, p core.TopicPartition, c Commit) {
	s := l.commits(group, p)
	if i := s.find(c); i >= 0 {
		s.possible = slices.Delete(s.possible, i, i+1)
	}
}

// AskCommitted is the moment at which OffsetFetch is sent, for Fetched.
func (l *Ledger) AskCommitted(group string, p core.TopicPartition) int {
	return l.commits(group, p).moments
}

// Deletion is a commit of nothing, which its mark tells from others.
func Deletion(mark string) Commit { return Commit{Offset: core.NoOffset, Mark: "deleted " + mark} }

// mayBeNone reports whether a deletion may be the last that was applied, or may have been when somebody asked.
func (s *commitState) mayBeNone(asked int) bool {
	return slices.ContainsFunc(s.possible, func(p possible) bool { return p.Offset < 0 }) ||
		slices.ContainsFunc(s.replaced, func(o replaced) bool { return o.Offset < 0 && o.at > asked })
}

// Fetched judges what OffsetFetch has answered: a commit that none had certainly replaced when it was asked (C10).
// Offset -1 is none.
func (l *Ledger) Fetched(group string, p core.TopicPartition, asked int, c Commit) {
	s := l.commits(group, p)
	if c.Offset < 0 && (s.any == 0 || s.any > asked || s.mayBeNone(asked)) {
		return
	}
	if i := s.find(c); i >= 0 {
		s.known(i)
		return
	}
	if slices.ContainsFunc(s.replaced, func(o replaced) bool { return o.Commit == c && o.at > asked }) {
		return
	}
	want := ""
	for _, o := range s.possible {
		want += " " + offsetText(o.Offset) + " " + o.Mark
	}
	l.fail(Correctness, "committed-offset", "group "+group+" "+p.String()+": offset "+offsetText(c.Offset)+" "+c.Mark+
		" is committed, and only these are possible:"+want)
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
	if generation < l.gens[group] && !l.firm(group) {
		l.anew(group)
	}
	l.gens[group] = max(l.gens[group], generation)
	for _, p := range parts {
		k := ownerKey{group, generation, p}
		if other, ok := l.owners[k]; ok && other != member && l.firm(group) {
			l.fail(Correctness, "two-owners", "group "+group+" generation "+strconv.Itoa(int(generation))+": "+p.String()+
				" was given to "+other+" and to "+member)
		}
		l.owners[k] = member
	}
}

// firm reports whether a group cannot have been forgotten and have begun anew, which it may when nobody is in it and
// nothing is committed: what is committed in it does not expire in a simulation's time.
func (l *Ledger) firm(group string) bool { return !l.plan.ForgetsGroups() || l.firmly[group] }

// anew forgets what was known of a group's generations.
func (l *Ledger) anew(group string) {
	l.gens[group] = 0
	//core:unordered what is deleted does not depend on the order
	for at := range l.told {
		if at.group == group {
			delete(l.told, at)
		}
	}
	//core:unordered what is deleted does not depend on the order
	for k := range l.owners {
		if k.group == group {
			delete(l.owners, k)
		}
	}
}

// Generation is the newest generation of a group that a member was told of.
func (l *Ledger) Generation(group string) int32 { return l.gens[group] }

// toldAt is a group as one broker coordinates it.
type toldAt struct {
	broker int
	group  string
}

// Told notes that a broker has told a member what it owns in a generation, which is in its log then: while it
// coordinates the group, and whenever it does so again, it knows that generation or a newer one.
func (l *Ledger) Told(broker int, group string, generation int32) {
	at := toldAt{broker, group}
	l.told[at] = max(l.told[at], generation)
}

// ToldBy is the newest generation of a group that a broker has told anybody of.
func (l *Ledger) ToldBy(broker int, group string) int32 { return l.told[toldAt{broker, group}] }

// Stale judges that a broker takes a member's request for a generation: it must not when it had told somebody of a
// newer one before it was asked. Who has missed a rebalance is to hear of it.
func (l *Ledger) Stale(api, group string, generation, told int32) {
	if generation < told && l.firm(group) {
		l.fail(Correctness, "stale-generation", "group "+group+": "+api+" of generation "+strconv.Itoa(int(generation))+
			" is answered as if nothing had happened, after the same broker had told of generation "+strconv.Itoa(int(told)))
	}
}

// Zombie judges an acknowledged commit of a member: at the time of sending nobody may have been told of a newer
// generation.
func (l *Ledger) Zombie(group string, generation, newest int32) {
	if generation < newest && l.firm(group) {
		l.fail(Correctness, "zombie-commit", "group "+group+": a commit of generation "+strconv.Itoa(int(generation))+
			" was taken after generation "+strconv.Itoa(int(newest))+" had begun")
	}
}
