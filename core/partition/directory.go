package partition

import (
	"slices"

	"ottla.dev/core"
	"ottla.dev/core/probe"
)

// fail notes the failure of a log as that of its directory.
func (s *Set) fail(r *Replica, err error) {
	if s.failureOf(r.dir) != nil {
		return
	}
	s.Reached.Add(probe.DirectoryFailed)
	f := DirFailure{Dir: r.dir, Err: err}
	s.failed = append(s.failed, f)
	s.Failures = append(s.Failures, f)
}

// failureOf is why a log directory has failed, or nil.
func (s *Set) failureOf(dir string) error {
	for _, f := range s.failed {
		if f.Dir == dir {
			return f.Err
		}
	}
	return nil
}

// FailDir gives up all replicas in a log directory: what waits for them is answered KAFKA_STORAGE_ERROR, as is whatever
// comes later (KIP-112). Their logs are not closed: every operation of a dead disk may hang or lie.
func (s *Set) FailDir(now core.Instant, dir string, err error, out *core.Outbox) {
	if s.failureOf(dir) == nil {
		out.Sometimes(probe.DirectoryFailed)
		s.failed = append(s.failed, DirFailure{Dir: dir, Err: err})
	}
	for _, r := range slices.Clone(s.ordered) {
		switch {
		case r.dir != dir || r.offline != nil:
		case r.log == nil:
			r.offline = err // it is being opened, in vain
		case r.log.Failed() == nil:
			r.log.Fail(err)
			s.end(now, r, out)
		}
	}
	s.settleDeletions(now, out)
}

// CountIn counts the replicas in a log directory, for the choice of one for the next.
func (s *Set) CountIn(dir string) int {
	n := 0
	for _, r := range s.ordered {
		if r.dir == dir {
			n++
		}
	}
	return n
}
