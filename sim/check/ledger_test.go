package check

import (
	"testing"

	"ottla.dev/core"
	"ottla.dev/sim/fault"
)

// scene is a ledger over one plan: t0 is synced before it is acknowledged, t1 is cached, t2 is retained for a while.
// Client 0 is idempotent, client 1 is not.
type scene struct {
	*Ledger
	failed []string
	synced *Partition
	cached *Partition
	passes *Partition
	view   View
}

func newScene() *scene {
	s := &scene{}
	plan := &fault.Plan{
		Topics: []fault.Topic{{Name: "t0", Partitions: 1, Retained: true},
			{Name: "t1", Partitions: 1, Retained: true, Caching: true}, {Name: "t2", Partitions: 1}},
		Clients: []fault.Client{{Idempotent: true}, {}},
	}
	s.Ledger = NewLedger(plan, func(_ Class, check, _ string) { s.failed = append(s.failed, check) })
	s.synced, s.cached, s.passes = s.Partitions()[0], s.Partitions()[1], s.Partitions()[2]
	return s
}

func (s *scene) ack(p *Partition, base core.Offset, client int, first uint64, count int) {
	s.Acked(p, p.Sending(), base, client, first, count, -1)
}

func (s *scene) fetched(p *Partition, o, hw core.Offset, client int, number uint64) {
	s.Read(p, o, hw, AppendPayload(nil, Payload{client, number, p.Name.Topic, p.Name.Partition}, 40))
}

// found makes what a restart finds: logs that end at these offsets.
func found(ends ...core.Offset) *Logs {
	l := &Logs{byDir: map[string]*Log{}}
	for i, end := range ends {
		l.byDir["t"+string(rune('0'+i))+"-0"] = &Log{End: end}
	}
	return l
}

func everything(core.Offset) bool { return true }

func TestTheLedgerJudges(t *testing.T) {
	tp := core.TopicPartition{Topic: "t0"}
	for _, c := range []struct {
		name string
		want string // the check that fails, "" for none
		do   func(s *scene)
	}{
		{"a quiet life is fine", "", func(s *scene) {
			s.ack(s.synced, 0, 0, 1, 3)
			s.fetched(s.synced, 0, 3, 0, 1)
			s.Stopped(fault.Crash)
			s.Recovered(&Logs{Crashed: true}, found(3, 0, 0))
			s.ReadBack(s.synced, 0, 3, everything)
		}},
		{"one offset has one record", "inconsistent-offsets", func(s *scene) {
			s.ack(s.synced, 5, 0, 1, 1)
			s.fetched(s.synced, 5, 9, 1, 1)
		}},
		{"an idempotent record has one offset", "duplicate", func(s *scene) {
			s.ack(s.synced, 5, 0, 1, 1)
			s.fetched(s.synced, 7, 9, 0, 1)
		}},
		{"a record of other producers may have two", "", func(s *scene) {
			s.ack(s.synced, 5, 1, 1, 1)
			s.fetched(s.synced, 7, 9, 1, 1)
		}},
		{"nothing is fetched at or above the high watermark", "above-high-watermark", func(s *scene) {
			s.fetched(s.synced, 5, 5, 0, 1)
		}},
		{"records stay in their partition", "payload", func(s *scene) {
			s.Read(s.synced, 0, 1, AppendPayload(nil, Payload{0, 1, "t1", 0}, 40))
		}},
		{"a value is what was sent", "payload", func(s *scene) {
			b := AppendPayload(nil, Payload{0, 1, "t0", 0}, 40)
			b[30] ^= 1
			s.Read(s.synced, 0, 1, b)
		}},
		{"an acknowledged record survives a crash", "lost-write", func(s *scene) {
			s.ack(s.synced, 0, 0, 1, 3)
			s.Recovered(&Logs{Crashed: true}, found(2, 0, 0))
		}},
		{"so does one that was read", "lost-write", func(s *scene) {
			s.fetched(s.synced, 0, 1, 1, 1)
			s.Recovered(&Logs{Crashed: true}, found(0, 0, 0))
		}},
		{"one that acks=1 was answered for need not", "", func(s *scene) {
			s.Acked(s.synced, s.synced.Sending(), 0, 1, 1, 1, 1)
			s.Recovered(&Logs{Crashed: true}, found(0, 0, 0))
		}},
		{"but survives a kill", "lost-write", func(s *scene) {
			s.Acked(s.synced, s.synced.Sending(), 0, 1, 1, 1, 1)
			s.Recovered(nil, found(0, 0, 0))
		}},
		{"a cached record need not survive a crash, and its offset is free", "", func(s *scene) {
			s.ack(s.cached, 0, 0, 1, 2)
			s.Recovered(&Logs{Crashed: true}, found(0, 1, 0))
			s.ack(s.cached, 1, 0, 7, 1)
		}},
		{"but survives a kill, cached or not", "lost-write", func(s *scene) {
			s.ack(s.cached, 0, 0, 1, 2)
			s.Recovered(nil, found(0, 1, 0))
		}},
		{"a partition stays", "lost-write", func(s *scene) {
			s.ack(s.synced, 0, 0, 1, 1)
			s.Recovered(&Logs{Crashed: true}, found())
		}},
		{"what is acknowledged is there at the end", "unseen", func(s *scene) {
			s.ack(s.synced, 0, 0, 1, 2)
			s.ReadBack(s.synced, 0, 2, func(o core.Offset) bool { return o != 1 })
		}},
		{"an idempotent producer's records are in order", "order", func(s *scene) {
			s.fetched(s.synced, 0, 9, 0, 2)
			s.fetched(s.synced, 1, 9, 0, 1)
			s.ReadBack(s.synced, 0, 2, everything)
		}},
		{"what was acknowledged before a send lies before it", "realtime-order", func(s *scene) {
			s.ack(s.synced, 5, 1, 1, 1)
			s.ack(s.synced, 4, 1, 2, 1)
		}},
		{"a refused record is never seen", "refused-visible", func(s *scene) {
			s.Refused(s.synced, 1, 4, 1)
			s.fetched(s.synced, 0, 1, 1, 4)
		}},
		{"the high watermark does not go back", "high-watermark", func(s *scene) {
			s.Watermarks(s.synced, &s.view, s.Ask(s.synced), 5, 0)
			s.Watermarks(s.synced, &s.view, s.Ask(s.synced), 4, 0)
		}},
		{"but with write.caching may be lower after a restart", "", func(s *scene) {
			s.Watermarks(s.cached, &s.view, s.Ask(s.cached), 5, 0)
			s.Stopped(fault.Crash)
			s.Watermarks(s.cached, &s.view, s.Ask(s.cached), 4, 0)
		}},
		{"nothing is removed that nobody removes", "log-start", func(s *scene) {
			s.Watermarks(s.synced, &s.view, s.Ask(s.synced), 5, 1)
		}},
		{"after a restart an answer may not tell the log start, and a later one that it lies lower", "", func(s *scene) {
			s.Watermarks(s.passes, &s.view, s.Ask(s.passes), 5, 3)
			s.Stopped(fault.Crash)
			s.Watermarks(s.passes, &s.view, s.Ask(s.passes), 5, -1)
			s.Watermarks(s.passes, &s.view, s.Ask(s.passes), 5, 0)
		}},
		{"retention may", "", func(s *scene) { s.Watermarks(s.passes, &s.view, s.Ask(s.passes), 5, 1) }},
		{"nor above the high watermark", "log-start", func(s *scene) {
			s.Watermarks(s.passes, &s.view, s.Ask(s.passes), 5, 6)
		}},
		{"deleted records stay deleted", "log-start", func(s *scene) {
			s.Deleting(s.synced, 3)
			s.HasDeleted(s.synced, 3)
			s.Stopped(fault.Crash)
			s.Watermarks(s.synced, &s.view, s.Ask(s.synced), 5, 2)
		}},
		{"what is there is not out of range", "out-of-range", func(s *scene) {
			s.ack(s.synced, 0, 0, 1, 1)
			s.OutOfRange(s.synced, s.Ask(s.synced), 0)
		}},
		{"an acknowledged commit survives", "committed-offset", func(s *scene) {
			s.Committing("g", tp, Commit{5, "a"})
			s.Committed("g", tp, Commit{5, "a"})
			s.Stopped(fault.Crash)
			s.Fetched("g", tp, s.AskCommitted("g", tp), Commit{Offset: -1})
		}},
		{"a commit without an answer may or may not have come about", "", func(s *scene) {
			s.Committing("g", tp, Commit{5, "a"})
			s.Committed("g", tp, Commit{5, "a"})
			s.Committing("g", tp, Commit{6, "b"})
			s.Fetched("g", tp, s.AskCommitted("g", tp), Commit{5, "a"})
			s.Fetched("g", tp, s.AskCommitted("g", tp), Commit{6, "b"})
		}},
		{"but not before a later one that an ended process got", "committed-offset", func(s *scene) {
			s.Committing("g", tp, Commit{5, "a"})
			s.Stopped(fault.Kill)
			s.Committing("g", tp, Commit{6, "b"})
			s.Committed("g", tp, Commit{6, "b"})
			s.Fetched("g", tp, s.AskCommitted("g", tp), Commit{5, "a"})
		}},
		{"a late answer tells what was committed when it was asked", "", func(s *scene) {
			none := s.AskCommitted("g", tp)
			s.Committing("g", tp, Commit{5, "a"})
			s.Committed("g", tp, Commit{5, "a"})
			asked := s.AskCommitted("g", tp)
			s.Committing("g", tp, Commit{6, "b"})
			s.Committed("g", tp, Commit{6, "b"})
			s.Fetched("g", tp, asked, Commit{5, "a"})
			s.Fetched("g", tp, none, Commit{Offset: -1})
		}},
		{"but not what was replaced before", "committed-offset", func(s *scene) {
			s.Committing("g", tp, Commit{5, "a"})
			s.Committed("g", tp, Commit{5, "a"})
			s.Committing("g", tp, Commit{6, "b"})
			s.Committed("g", tp, Commit{6, "b"})
			s.Fetched("g", tp, s.AskCommitted("g", tp), Commit{5, "a"})
		}},
		{"a refused commit has not come about", "committed-offset", func(s *scene) {
			s.Committing("g", tp, Commit{5, "a"})
			s.NotCommitted("g", tp, Commit{5, "a"})
			s.Fetched("g", tp, s.AskCommitted("g", tp), Commit{5, "a"})
		}},
		{"a partition has one owner a generation", "two-owners", func(s *scene) {
			s.Assigned("g", 3, "m1", []core.TopicPartition{tp})
			s.Assigned("g", 3, "m2", []core.TopicPartition{tp})
		}},
		{"and another in the next", "", func(s *scene) {
			s.Assigned("g", 3, "m1", []core.TopicPartition{tp})
			s.Assigned("g", 4, "m2", []core.TopicPartition{tp})
		}},
		{"an old generation commits nothing", "zombie-commit", func(s *scene) {
			s.Assigned("g", 4, "m2", []core.TopicPartition{tp})
			s.Zombie("g", 3, s.Generation("g"))
		}},
		{"a topic that was made is there", "metadata", func(s *scene) {
			s.Topic("e1", true)
			s.Topics(map[string]bool{"t0": true})
		}},
		{"a topic that was deleted is not", "metadata", func(s *scene) {
			s.Topic("e1", false)
			s.Topics(map[string]bool{"e1": true})
		}},
		{"nobody knows of one in between", "", func(s *scene) {
			s.Topic("e1", false)
			s.TopicUnsure("e1")
			s.Topics(map[string]bool{"e1": true})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene()
			c.do(s)
			switch {
			case c.want == "" && len(s.failed) > 0:
				t.Errorf("found %v", s.failed)
			case c.want != "" && (len(s.failed) == 0 || s.failed[0] != c.want):
				t.Errorf("found %v, want %s", s.failed, c.want)
			}
		})
	}
}

func TestRecoveryIsJudged(t *testing.T) {
	batches := func(sums ...uint32) *Log {
		l := &Log{}
		for i, sum := range sums {
			l.Batches = append(l.Batches, Batch{core.Offset(i), core.Offset(i), sum})
		}
		l.End, l.Sure = core.Offset(len(sums)), core.Offset(max(0, len(sums)-1))
		return l
	}
	logs := func(crashed bool, l *Log) *Logs {
		return &Logs{Crashed: crashed, byDir: map[string]*Log{"t0-0": l}}
	}
	in := func(dir string) *Logs { // whose directory /data1 has lost what was not synced
		l := logs(false, batches(1, 2, 3))
		l.byDir["t0-0"].dir = dir
		l.Cut("/data1")
		return l
	}
	for _, c := range []struct {
		name          string
		before, after *Logs
		good          bool
	}{
		{"a directory whose sync failed, too", in("/data1"), logs(false, batches(1, 2)), true},
		{"another one does not", in("/data"), logs(false, batches(1, 2)), false},
		{"the same", logs(false, batches(1, 2, 3)), logs(false, batches(1, 2, 3)), true},
		{"a kill loses nothing", logs(false, batches(1, 2, 3)), logs(false, batches(1, 2)), false},
		{"a crash may lose what is not sure", logs(true, batches(1, 2, 3)), logs(false, batches(1, 2)), true},
		{"but no more", logs(true, batches(1, 2, 3)), logs(false, batches(1)), false},
		{"nothing is made up", logs(true, batches(1, 2)), logs(false, batches(1, 2, 3)), false},
		{"or changed", logs(true, batches(1, 2)), logs(false, batches(1, 9)), false},
		{"a log whose start lies beyond what is left begins anew there", logs(true, batches(1, 2)),
			logs(false, &Log{Start: 7, End: 7}), true},
		{"no partition goes", logs(true, batches(1)), &Logs{byDir: map[string]*Log{}}, false},
	} {
		good := true
		Recovery(c.before, c.after, func(Class, string, string) { good = false })
		if good != c.good {
			t.Errorf("%s: judged good: %v", c.name, good)
		}
	}
}
