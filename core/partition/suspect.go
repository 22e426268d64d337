package partition

import (
	"errors"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/probe"
)

// suspicion is why a replica of a replicated partition is not trusted: it may lack records that it has acknowledged.
// The controller is told first, which takes it out of the ISR and of the eligible leader replicas, and does not let
// it lead (its directory is LOST in the metadata, so that this outlives the broker). Only then, and only if there is
// a leader to fetch from, what is damaged is cut off: until then the damaged log may be all that there is of the
// partition. When the replica has again all that its leader has committed, the controller is told that, and may admit
// it.
type suspicion struct {
	why     error
	damaged bool        // the log has to be opened anew up to where the damage begins
	lost    bool        // the metadata say that the replica is not to be relied on
	caught  bool        // it has everything again, and the controller was told so
	goal    core.Offset // the leader's high watermark in this epoch, or NoOffset
	begins  core.Offset // where the leader's log begins, if there is a goal
	anew    bool        // it has begun anew because it lacked the beginning
}

// Standing is what the controller is to be told of a replica: that it is not to be relied on, or that it is again what
// it should be, in the log directory Dir.
type Standing struct {
	ID   core.TopicIDPartition
	Lost bool
	Dir  string
}

// ErrLost is why a replica is suspected that the metadata call lost, or that had no folder when the broker was started.
var ErrLost = errors.New("it does not have what it had")

// Suspected is why the replica is not trusted, or nil.
func (r *Replica) Suspected() error {
	if r.suspicion == nil {
		return nil
	}
	return r.suspicion.why
}

// suspect begins to distrust a replica, and has the controller told.
func (s *Set) suspect(r *Replica, why error, damaged bool) {
	sp := r.suspicion
	if sp == nil {
		sp = &suspicion{goal: core.NoOffset}
		r.suspicion = sp
	}
	sp.why, sp.damaged, sp.caught = why, sp.damaged || damaged, false
	s.Reached.Add(probe.ReplicaSuspected)
	s.Standings = append(s.Standings, Standing{ID: r.id, Lost: true, Dir: r.dir})
}

// openedDamaged takes back a job that found a log damaged. A replica that is alone serves nobody: what is left of it is
// the operator's to judge. One that has peers waits for their leader.
func (s *Set) openedDamaged(now core.Instant, r *Replica, err error, out *core.Outbox) {
	r.offline = err
	if r.follow != nil && r.follow.fetcher != nil {
		r.follow.fetcher.remove(r)
	}
	if r.role == alone {
		out.Note(core.Fail, err.Error()+". The partition is not served; everything else is. Nothing was removed: restore "+
			"the folder from a copy and start the broker again, or delete the topic.")
		return
	}
	out.Note(core.Fail, err.Error()+". Nothing was removed. The replica drops out, and is copied anew as soon as "+
		"another one leads")
	lost := r.suspicion != nil && r.suspicion.lost
	s.suspect(r, err, true)
	if lost {
		s.resync(now, r, out)
	}
}

// SetStanding tells what the metadata say of this broker's replica, after Lead or Follow. An operator who has a replica
// elected that is damaged takes it for what is left of it.
func (s *Set) SetStanding(now core.Instant, r *Replica, lost bool, out *core.Outbox) {
	sp := r.suspicion
	switch {
	case sp == nil && !lost:
		return
	case sp == nil:
		r.suspicion = &suspicion{why: ErrLost, lost: true, goal: core.NoOffset}
	case lost:
		sp.lost = true
	case sp.caught && !sp.damaged: // it may be elected by the same metadata
		r.suspicion = nil
		out.Note(core.Info, r.name.String()+" has all that its leader has and takes part again")
		return
	case r.role == leads && (sp.lost || r.log == nil):
		sp.lost = true // elected all the same
	default:
		return
	}
	s.resync(now, r, out)
	if sp != nil && sp.goal != core.NoOffset && r.lacks(sp.begins) && r.follow != nil && s.canFetch(now, r) {
		s.beginAnew(r, sp.begins, out) // its leader may have no reason to say so again
	}
	s.regain(r)
}

// lacks reports whether a suspected replica has to begin anew because its leader's log begins before it does: what is
// missing at the beginning is fetched no other way. Once only: a leader that is slower to delete what has expired is no
// sign that anything is missing. It is done when the log is cut: another leader may come between.
func (r *Replica) lacks(start core.Offset) bool {
	return r.suspicion != nil && !r.suspicion.anew && r.Online() && start < r.log.Start()
}

// beginAnew cuts off the log of a replica that lacks the beginning, which the controller knows not to rely on: until it
// does, what is here may be all that there will be.
func (s *Set) beginAnew(r *Replica, start core.Offset, out *core.Outbox) {
	s.beginTruncation(r, truncation{to: start, restart: true, gone: true}, out)
}

// resync begins to open a damaged log anew, if there is a leader that has what is cut off. First a checkpoint has to be
// durable that does not vouch for what is going to be there.
func (s *Set) resync(now core.Instant, r *Replica, out *core.Outbox) {
	sp := r.suspicion
	if sp == nil || !sp.damaged || !sp.lost || r.reopening || r.opening != nil || r.removed || s.closing {
		return
	}
	if r.role != leads && (r.follow == nil || r.follow.leader == core.NoBroker) {
		return
	}
	r.reopening, r.points.recovery = true, 0
	if r.log != nil {
		r.points.start, r.points.highWatermark = r.log.Start(), r.highWatermark
		r.offline = sp.why
		s.end(now, r, out)
	}
	s.waiting.resyncs = append(s.waiting.resyncs, r)
}

// reopen opens a damaged log anew, when nobody uses its files any more.
func (s *Set) reopen(now core.Instant, r *Replica, out *core.Outbox) {
	if r.removed || s.closing || !r.reopening || !r.unneeded || r.opening != nil {
		return
	}
	if r.log != nil {
		if r.log.Pinned() || r.writing > 0 {
			return
		}
		if !now.Reached(r.lentUntil) {
			s.touch(r)
			return
		}
		r.log.CloseFiles(out)
		delete(s.bySlot, r.slot)
		s.slots++
		r.log, r.slot = nil, s.slots
		s.bySlot[r.slot] = r
	}
	r.unneeded = false
	out.Sometimes(probe.ReplicaReopened)
	r.opening = &log.OpenJob{Log: r.slot, Dir: r.dir + "/" + log.DirName(r.name), Parent: r.dir, Topic: r.id.Topic,
		Wall: now.Wall, LogStart: r.points.start, Resync: true, Sole: r.role == leads,
		Settings: LogSettings(r.settings, s.ProducerExpiryMs, &s.random)}
	out.Run(r.opening)
}

// reopened takes back the job that opened a damaged log up to the damage.
func (s *Set) reopened(r *Replica) {
	r.reopening, r.offline, r.trunc = false, nil, nil
	if r.suspicion != nil {
		r.suspicion.damaged = false
	}
	if r.follow != nil && r.follow.fetcher == nil && r.follow.leader != core.NoBroker {
		s.join(r, s.Fetcher(r.follow.leader))
	}
}

// regain tells the controller that a replica is to be trusted again: it has all that its leader has committed, or it
// leads.
func (s *Set) regain(r *Replica) {
	sp := r.suspicion
	if sp == nil || sp.damaged || !sp.lost || sp.caught || !r.Online() || s.closing {
		return
	}
	if r.role != leads && r.lacks(sp.begins) {
		return
	}
	if r.role != leads && (sp.goal == core.NoOffset || r.trunc != nil || r.counted() < max(sp.goal, r.highWatermark)) {
		return
	}
	if !s.saved {
		// Were the old checkpoints still there, and damaged, a crash would have the replica suspected again, perhaps when
		// nobody else is in sync any more.
		s.waiting.raised = true
		return
	}
	sp.caught = true
	s.Reached.Add(probe.ReplicaRegained)
	s.Standings = append(s.Standings, Standing{ID: r.id, Dir: r.dir})
}

// doubt looks at how a log was found: one that had to be made, or whose checkpoints are gone, may lack what it had
// without any sign of it in the log.
func (s *Set) doubt(r *Replica, j *log.OpenJob) {
	switch {
	case r.role == alone || r.suspicion != nil:
	case j.Report.Created && r.emptied:
		s.suspect(r, ErrLost, false)
	case j.Unsure:
		s.suspect(r, errUnsure, false)
	}
}

var errUnsure = errors.New("the checkpoints of its log directory are damaged")
