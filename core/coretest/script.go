package coretest

import (
	"testing"
	"time"

	"ottla.dev/core"
)

// script is a machine whose behaviour is a function. It checks what every machine may expect of a driver.
type script struct {
	t        *testing.T
	step     func(s *script, now core.Instant, in core.Input)
	out      core.Outbox
	last     time.Duration
	inside   bool
	deadline time.Duration
	seq      uint64
}

func newScript(t *testing.T, step func(s *script, now core.Instant, in core.Input)) *script {
	return &script{t: t, step: step, deadline: core.Never}
}

// Step checks that steps do not overlap and that time does not go back, and runs the script.
func (s *script) Step(now core.Instant, in core.Input) {
	if s.inside {
		s.t.Error("a machine was stepped from two places at a time")
	}
	s.inside = true
	if now.Mono < s.last {
		s.t.Errorf("time went back from %v to %v", s.last, now.Mono)
	}
	s.last = now.Mono
	s.step(s, now, in)
	s.inside = false
}

// Deadline returns what the script has set.
func (s *script) Deadline() (time.Duration, bool) { return s.deadline, s.deadline != core.Never }

// Drain appends the script's effects.
func (s *script) Drain(out *core.Outbox) {
	if s.inside {
		s.t.Error("a machine was drained while it was stepped")
	}
	from := len(out.Parts)
	for _, a := range s.out.Answers {
		out.Answers = append(out.Answers, core.Answer{Token: a.Token, From: a.From + from, To: a.To + from})
	}
	out.Parts = append(out.Parts, s.out.Parts...)
	out.Files = append(out.Files, s.out.Files...)
	out.Jobs = append(out.Jobs, s.out.Jobs...)
	out.Sends = append(out.Sends, s.out.Sends...)
	out.Releases = append(out.Releases, s.out.Releases...)
	out.Notes = append(out.Notes, s.out.Notes...)
	out.Resume = out.Resume || s.out.Resume
	out.Close = out.Close || s.out.Close
	out.Listen = out.Listen || s.out.Listen
	out.Stopped = out.Stopped || s.out.Stopped
	if s.out.Halt != "" {
		out.Halt = s.out.Halt
	}
	s.out.Reset()
}

// ticket returns the next ticket of log 1.
func (s *script) ticket() core.Ticket {
	s.seq++
	return core.Ticket{Log: 1, Epoch: 1, Seq: s.seq}
}

// stop ends the check.
func (s *script) stop() { s.out.Stopped = true }

// alone drives a world whose control is the script and that has no shards.
func alone(t *testing.T, drive Driver, build func(dir string) *script) {
	drive(t, func(dir string) World { return World{Control: build(dir)} })
}

// job is a job that is a function.
type job struct {
	run  func(fs core.FS)
	runs int
}

// Run counts and calls the function.
func (j *job) Run(fs core.FS) {
	j.runs++
	j.run(fs)
}

// AppendText appends the job's name.
func (j *job) AppendText(dst []byte) []byte { return append(dst, "coretest job"...) }

// number is a numbered message.
type number struct{ n int }

// AppendText appends the message's name.
func (m *number) AppendText(dst []byte) []byte { return append(dst, "number"...) }

// content reads a whole file in a job.
func content(t *testing.T, fs core.FS, path string) string {
	f, err := fs.Open(path)
	if err != nil {
		t.Errorf("open %s: %v", path, err)
		return ""
	}
	size, err := f.Size()
	if err != nil {
		t.Errorf("size of %s: %v", path, err)
	}
	buffer := make([]byte, size)
	if n, err := f.ReadAt(buffer, 0); err != nil || int64(n) != size {
		t.Errorf("read %s: %d of %d bytes, %v", path, n, size, err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("close %s: %v", path, err)
	}
	return string(buffer)
}
