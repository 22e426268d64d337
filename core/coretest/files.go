package coretest

import (
	"errors"
	"fmt"
	"testing"

	"ottla.dev/core"
)

// fileOrder overlaps writes, truncates between them, and reads the file back in a job.
func fileOrder(t *testing.T, drive Driver) {
	alone(t, drive, func(dir string) *script {
		path, pending := dir+"/a", 0
		write := func(s *script, pos int64, data string) {
			s.out.Write(1, pos, []byte(data), s.ticket())
			pending++
		}
		return newScript(t, func(s *script, _ core.Instant, in core.Input) {
			switch in.Kind {
			case core.InputStart:
				s.out.File(core.FileOp{Kind: core.OpOpen, File: 1, Path: path})
				s.out.File(core.FileOp{Kind: core.OpOpen, File: 2, Path: dir + "/b"})
				write(s, 0, "aaaaaaaaaa")
				s.out.Write(2, 0, []byte("other"), s.ticket())
				pending++
				write(s, 10, "bbbbbbbbbb")
				write(s, 20, "cccc")
				write(s, 5, "DDDDDDDDDD")
				s.out.File(core.FileOp{Kind: core.OpTruncate, File: 1, Size: 12})
				write(s, 14, "ee")
				write(s, 11, "f")
				s.out.Sync(1, s.ticket())
				pending++
			case core.InputWritten, core.InputSynced:
				if in.Err != nil {
					t.Errorf("completion %d: %v", in.Ticket.Seq, in.Err)
				}
				if pending--; pending == 0 {
					s.out.Run(&job{run: func(fs core.FS) {
						if got, want := content(t, fs, path), "aaaaaDDDDDDf\x00\x00ee"; got != want {
							t.Errorf("content %q, want %q", got, want)
						}
						if got := content(t, fs, dir+"/b"); got != "other" {
							t.Errorf("content of the other file %q", got)
						}
					}})
				}
			case core.InputJobDone:
				s.stop()
			case core.InputFailed:
				t.Errorf("file %d: %v", in.File, in.Err)
			}
		})
	})
}

// completions writes and syncs many files in many rounds and counts what comes back.
func completions(t *testing.T, drive Driver) {
	const files, rounds = 7, 40
	counts := map[core.Ticket]int{}
	kinds := map[core.Ticket]core.InputKind{}
	alone(t, drive, func(dir string) *script {
		pending, round := 0, 0
		next := func(s *script) {
			round++
			for f := core.FileID(1); f <= files; f++ {
				w, y := s.ticket(), s.ticket()
				kinds[w], kinds[y] = core.InputWritten, core.InputSynced
				s.out.Write(f, int64(round*10), []byte("0123456789"), w)
				s.out.Sync(f, y)
				pending += 2
			}
			d := s.ticket()
			kinds[d] = core.InputSynced
			s.out.File(core.FileOp{Kind: core.OpSyncDir, Path: dir, Ticket: d})
			pending++
		}
		return newScript(t, func(s *script, _ core.Instant, in core.Input) {
			switch in.Kind {
			case core.InputStart:
				for f := core.FileID(1); f <= files; f++ {
					s.out.File(core.FileOp{Kind: core.OpOpen, File: f, Path: fmt.Sprintf("%s/%d", dir, f)})
				}
				next(s)
			case core.InputWritten, core.InputSynced:
				counts[in.Ticket]++
				if kinds[in.Ticket] != in.Kind {
					t.Errorf("ticket %d completed by input %d", in.Ticket.Seq, in.Kind)
				}
				if in.Err != nil {
					t.Errorf("ticket %d: %v", in.Ticket.Seq, in.Err)
				}
				if pending--; pending > 0 {
					return
				}
				if round < rounds {
					next(s)
					return
				}
				s.stop()
			}
		})
	})
	//core:unordered each ticket is judged alone
	for ticket := range kinds {
		if counts[ticket] != 1 {
			t.Errorf("ticket %d completed %d times", ticket.Seq, counts[ticket])
		}
	}
	if len(counts) != len(kinds) {
		t.Errorf("%d tickets completed, %d were given", len(counts), len(kinds))
	}
}

// borrowedData reuses the data of a write without a ticket in the next step.
func borrowedData(t *testing.T, drive Driver) {
	alone(t, drive, func(dir string) *script {
		data, step := []byte("x"), 0
		return newScript(t, func(s *script, _ core.Instant, in core.Input) {
			switch in.Kind {
			case core.InputStart:
				s.out.File(core.FileOp{Kind: core.OpOpen, File: 1, Path: dir + "/a"})
				for range 20 {
					s.out.Send(core.Control(), &number{})
				}
			case core.InputMessage:
				data[0] = byte('a' + step)
				s.out.Write(1, int64(step), data, core.Ticket{})
				if step++; step == 20 {
					s.out.Sync(1, s.ticket())
				}
			case core.InputSynced:
				s.out.Run(&job{run: func(fs core.FS) {
					if got, want := content(t, fs, dir+"/a"), "abcdefghijklmnopqrst"; got != want {
						t.Errorf("content %q, want %q", got, want)
					}
				}})
			case core.InputJobDone:
				s.stop()
			case core.InputWritten:
				t.Error("a write without a ticket was completed")
			}
		})
	})
}

// mappedFile writes to a mapped file and looks at the view in the next step.
func mappedFile(t *testing.T, drive Driver) {
	const size = 3 * 4096
	alone(t, drive, func(dir string) *script {
		var view []byte
		step := 0
		return newScript(t, func(s *script, _ core.Instant, in core.Input) {
			switch in.Kind {
			case core.InputStart:
				s.out.File(core.FileOp{Kind: core.OpOpen, File: 1, Path: dir + "/index"})
				s.out.Write(1, 0, []byte("before"), core.Ticket{})
				s.out.File(core.FileOp{Kind: core.OpMap, File: 1, Size: size})
			case core.InputMapped:
				if in.Err != nil || len(in.View) != size || in.File != 1 {
					t.Errorf("mapped file %d, %d bytes, %v", in.File, len(in.View), in.Err)
					s.stop()
					return
				}
				view = in.View
				if string(view[:7]) != "before\x00" {
					t.Errorf("the view begins with %q", view[:7])
				}
				for range 30 {
					s.out.Send(core.Control(), &number{})
				}
			case core.InputMessage:
				if step > 0 && view[(step-1)*400] != byte(step) {
					t.Errorf("write %d is not visible", step-1)
				}
				step++
				s.out.Write(1, int64(step-1)*400, []byte{byte(step), 0xff}, core.Ticket{})
				if step == 30 {
					s.out.File(core.FileOp{Kind: core.OpTruncate, File: 1, Size: 402})
					s.out.Run(&job{run: func(fs core.FS) {
						got := content(t, fs, dir+"/index")
						if len(got) != 402 || got[0] != 1 || got[400] != 2 || got[401] != 0xff {
							t.Errorf("%d bytes after unmapping: %q", len(got), got)
						}
					}})
				}
			case core.InputJobDone:
				s.stop()
			case core.InputFailed:
				t.Errorf("file %d: %v", in.File, in.Err)
			}
		})
	})
}

// failures uses a folder that does not exist.
func failures(t *testing.T, drive Driver) {
	alone(t, drive, func(dir string) *script {
		var written, synced, failed bool
		return newScript(t, func(s *script, _ core.Instant, in core.Input) {
			switch in.Kind {
			case core.InputStart:
				s.out.File(core.FileOp{Kind: core.OpOpen, File: 1, Path: dir + "/missing/a"})
				s.out.Write(1, 0, []byte("x"), s.ticket())
				s.out.Sync(1, s.ticket())
				s.out.File(core.FileOp{Kind: core.OpTruncate, File: 1, Size: 1})
				return
			case core.InputWritten:
				written = true
			case core.InputSynced:
				synced = true
			case core.InputFailed:
				failed = true
				if in.File != 1 {
					t.Errorf("failure of file %d", in.File)
				}
			default:
				return
			}
			if in.Err == nil {
				t.Errorf("input %d has no error", in.Kind)
			}
			if written && synced && failed {
				s.stop()
			}
		})
	})
}

// boundFile opens a file, syncs the folder, and looks for it.
func boundFile(t *testing.T, drive Driver) {
	alone(t, drive, func(dir string) *script {
		return newScript(t, func(s *script, _ core.Instant, in core.Input) {
			switch in.Kind {
			case core.InputStart:
				s.out.File(core.FileOp{Kind: core.OpOpen, File: 1, Path: dir + "/new"})
				s.out.File(core.FileOp{Kind: core.OpSyncDir, Path: dir, Ticket: s.ticket()})
			case core.InputSynced:
				if in.Err != nil {
					t.Errorf("sync of the folder: %v", in.Err)
				}
				s.out.Run(&job{run: func(fs core.FS) {
					if got := content(t, fs, dir+"/new"); got != "" {
						t.Errorf("content %q", got)
					}
				}})
			case core.InputJobDone:
				s.stop()
			}
		})
	})
}

// namesChange renames a file, writes on, and removes another.
func namesChange(t *testing.T, drive Driver) {
	alone(t, drive, func(dir string) *script {
		return newScript(t, func(s *script, _ core.Instant, in core.Input) {
			switch in.Kind {
			case core.InputStart:
				for f, name := range []string{"/a", "/b"} {
					s.out.File(core.FileOp{Kind: core.OpOpen, File: core.FileID(f + 1), Path: dir + name})
					s.out.Write(core.FileID(f+1), 0, []byte("1"), core.Ticket{})
				}
				s.out.File(core.FileOp{Kind: core.OpRename, File: 1, Path: dir + "/c"})
				s.out.Write(1, 1, []byte("2"), core.Ticket{})
				s.out.File(core.FileOp{Kind: core.OpRemove, File: 2})
				s.out.File(core.FileOp{Kind: core.OpSyncDir, Path: dir, Ticket: s.ticket()})
			case core.InputSynced:
				s.out.Run(&job{run: func(fs core.FS) {
					if got := content(t, fs, dir+"/c"); got != "12" {
						t.Errorf("the renamed file holds %q", got)
					}
					for _, gone := range []string{"/a", "/b"} {
						if _, err := fs.Open(dir + gone); !errors.Is(err, core.ErrNotExist) {
							t.Errorf("open %s: %v, want %v", gone, err, core.ErrNotExist)
						}
					}
				}})
			case core.InputJobDone:
				s.stop()
			case core.InputFailed:
				t.Errorf("file %d: %v", in.File, in.Err)
			}
		})
	})
}
