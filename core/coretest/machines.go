package coretest

import (
	"testing"
	"time"

	"ottla.dev/core"
)

// messageOrder sends numbered messages from control through one shard to another and back.
func messageOrder(t *testing.T, drive Driver) {
	const messages = 3000
	forward := func(to core.Address) func(*script, core.Instant, core.Input) {
		next := 0
		return func(s *script, _ core.Instant, in core.Input) {
			m := in.Message.(*number)
			if m.n != next {
				t.Errorf("message %d came in place of %d", m.n, next)
			}
			next++
			s.out.Send(to, m)
		}
	}
	drive(t, func(string) World {
		sent, next := 0, 0
		control := newScript(t, func(s *script, _ core.Instant, in core.Input) {
			if in.Kind == core.InputMessage && in.From == core.Shard(1) {
				if got := in.Message.(*number).n; got != next {
					t.Errorf("message %d came back in place of %d", got, next)
				}
				if next++; next == messages {
					s.stop()
				}
				return
			}
			// Several a step, and steps that overlap with the messages coming back.
			for i := 0; i < 10 && sent < messages; i++ {
				s.out.Send(core.Shard(0), &number{sent})
				sent++
			}
			if sent < messages {
				s.out.Send(core.Control(), &number{})
			}
		})
		return World{Control: control, Shards: []core.Machine{
			newScript(t, forward(core.Shard(1))),
			newScript(t, forward(core.Control())),
		}}
	})
}

// jobs runs several jobs that read what was written before them.
func jobs(t *testing.T, drive Driver) {
	const count = 20
	var all []*job
	alone(t, drive, func(dir string) *script {
		back := map[core.Job]int{}
		return newScript(t, func(s *script, _ core.Instant, in core.Input) {
			switch in.Kind {
			case core.InputStart:
				s.out.File(core.FileOp{Kind: core.OpOpen, File: 1, Path: dir + "/a"})
				s.out.Write(1, 0, []byte("seen"), core.Ticket{})
				for range count {
					j := &job{run: func(fs core.FS) {
						if got := content(t, fs, dir+"/a"); got != "seen" {
							t.Errorf("a job reads %q", got)
						}
					}}
					all = append(all, j)
					s.out.Run(j)
				}
			case core.InputJobDone:
				if back[in.Job]++; back[in.Job] > 1 {
					t.Error("a job came back twice")
				}
				if len(back) == count {
					s.stop()
				}
			}
		})
	})
	for _, j := range all {
		if j.runs != 1 {
			t.Errorf("a job ran %d times", j.runs)
		}
	}
}

// deadlines lets many shards sleep for different times.
func deadlines(t *testing.T, drive Driver) {
	const shards, wakes = 8, 3
	drive(t, func(string) World {
		done := 0
		control := newScript(t, func(s *script, _ core.Instant, in core.Input) {
			if in.Kind == core.InputStart {
				for i := range uint32(shards) {
					s.out.Send(core.Shard(i), &number{int(i)})
				}
			}
			if in.Kind == core.InputMessage {
				if done++; done == shards {
					s.stop()
				}
			}
		})
		w := World{Control: control}
		for range shards {
			woken, nap := 0, time.Duration(0)
			w.Shards = append(w.Shards, newScript(t, func(s *script, now core.Instant, in core.Input) {
				switch in.Kind {
				case core.InputMessage:
					nap = time.Duration(shards-in.Message.(*number).n) * 3 * time.Millisecond
					s.deadline = now.Mono + nap
				case core.InputTick:
					if !now.Reached(s.deadline) {
						t.Errorf("a tick at %v for %v", now.Mono, s.deadline)
						return
					}
					if woken++; woken == wakes {
						s.deadline = core.Never
						s.out.Send(core.Control(), &number{})
						return
					}
					s.deadline = now.Mono + nap
				}
			}))
		}
		return w
	})
}

// movedDeadlines moves a deadline later, then much earlier, while the driver already waits for it.
func movedDeadlines(t *testing.T, drive Driver) {
	alone(t, drive, func(string) *script {
		ticks := 0
		return newScript(t, func(s *script, now core.Instant, in core.Input) {
			switch in.Kind {
			case core.InputStart:
				s.deadline = now.Mono + 5*time.Millisecond
				s.out.Send(core.Control(), &number{1})
			case core.InputMessage:
				if in.Message.(*number).n == 1 {
					s.deadline = now.Mono + time.Hour
					s.out.Send(core.Control(), &number{2})
					return
				}
				s.deadline = now.Mono + 20*time.Millisecond
			case core.InputTick:
				if !now.Reached(s.deadline) {
					return // early ticks are allowed, and ask for nothing
				}
				if ticks++; ticks == 2 {
					s.stop()
					return
				}
				// The same instant again: it has been reached, so another tick is due at once.
			}
		})
	})
}
