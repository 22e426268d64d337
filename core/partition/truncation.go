package partition

import (
	"strconv"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/probe"
)

// truncation is the cutting of a follower's log to what it has in common with its leader's, or the restart of a log
// that has nothing in common with it. It takes steps because of what [log.Log.Truncate] demands: nothing is being
// written, the cut is planned, an offset checkpoint that does not vouch for more than the cut leaves is durable, the
// cut is durable. A new leader ends it at any of them but the last.
type truncation struct {
	replica *Replica
	to      core.Offset
	restart bool // begin anew at to
	gone    bool // because everything here is below the leader's log start offset
	stage   truncationStage
	job     *log.TruncateJob
}

type truncationStage uint8

const (
	draining truncationStage = iota // writes are under way
	planning
	checkpointing
	cutting // done, but not durable
)

// end is where the log will end.
func (t *truncation) end() core.Offset {
	if t.restart {
		return t.to
	}
	return t.job.End
}

func offsetText(o core.Offset) string { return strconv.FormatInt(int64(o), 10) }

// diverged finds where this log stops agreeing with the leader's, whose largest epoch at or below our latest is epoch
// and ends at end (KIP-101, KIP-279; Kafka: AbstractFetcherThread.getOffsetTruncationState). If this log has not even
// that epoch, the next fetch names an earlier one. What the leader's log, which begins at start, has no longer is not
// known to agree.
func (s *Set) diverged(r *Replica, epoch core.LeaderEpoch, end, start core.Offset, out *core.Outbox) {
	to := min(end, r.log.LogEndOffset())
	if own, ownEnd := r.log.Epochs().EndOffsetFor(epoch, to); own != core.NoLeaderEpoch {
		to = min(to, ownEnd)
	}
	nothing := to <= start && r.log.Start() < r.log.LogEndOffset()
	s.beginTruncation(r, truncation{to: to, restart: nothing || to < r.log.Start(), gone: r.highWatermark <= start}, out)
}

func (s *Set) beginTruncation(r *Replica, t truncation, out *core.Outbox) {
	t.replica, r.trunc = r, &t
	r.follow.fetcher.forget(r)
	s.truncate(r, out)
}

// truncate moves a truncation on as far as it goes.
func (s *Set) truncate(r *Replica, out *core.Outbox) {
	t := r.trunc
	switch {
	case t.stage == cutting && !r.log.Truncating():
		r.trunc = nil
	case t.stage != draining || r.writing > 0 || r.log.WrittenOffset() < r.log.LogEndOffset() || r.log.Busy() ||
		r.log.Truncating():
	case t.restart:
		s.cutAfterCheckpoint(t, out)
	default:
		if t.job = r.log.PlanTruncate(t.to); t.job == nil {
			out.Sometimes(probe.FollowerForgotEpochs)
			r.log.ForgetEpochs(t.to, out)
			r.trunc = nil
			return
		}
		t.stage = planning
		out.Run(t.job)
	}
}

// planned takes back the job that planned a cut.
func (s *Set) truncationPlanned(now core.Instant, j *log.TruncateJob, out *core.Outbox) {
	r := s.bySlot[j.Log]
	if r == nil || r.trunc == nil || r.trunc.job != j || !r.Online() {
		return
	}
	if log.Damaged(j.Err) {
		r.trunc = nil
		s.distrust(now, r, j.Err, out)
		return
	}
	if j.Err != nil {
		r.log.Truncate(now, j, out) // which fences the log
		s.settle(now, r, out)
		return
	}
	s.cutAfterCheckpoint(r.trunc, out)
}

// cutAfterCheckpoint asks for the checkpoint that has to come before the cut. A cut below the high watermark follows an
// unclean election: what was committed is lost, and the high watermark goes back here, or with the cut. What a replica
// that is not trusted has of it may be damaged, and the leader has it: nothing is lost then.
func (s *Set) cutAfterCheckpoint(t *truncation, out *core.Outbox) {
	r := t.replica
	t.stage = checkpointing
	if end := t.end(); end < r.highWatermark && !t.gone {
		if r.suspicion == nil {
			out.Sometimes(probe.CommittedCutOff)
			out.Note(core.Fail, "Committed records of "+r.name.String()+" from offset "+offsetText(end)+" to "+
				offsetText(r.highWatermark)+" are not in its leader's log and are cut off")
		}
		// A log that is to begin anew below its start offset still begins there until it is cut.
		r.highWatermark = max(end, r.log.Start())
		s.Changed = append(s.Changed, r)
	}
	s.waiting.truncations = append(s.waiting.truncations, t)
}

// cut cuts the log after the checkpoint, unless another leader or the end of the replica came between.
func (s *Set) cut(now core.Instant, t *truncation, out *core.Outbox) {
	r := t.replica
	if r.trunc != t || r.removed || !r.Online() || s.closing {
		return
	}
	t.stage = cutting
	if t.restart {
		if r.suspicion != nil {
			r.suspicion.anew = true
		}
		out.Sometimes(probe.FollowerBeganAnew)
		r.log.Restart(now, t.to, out)
		r.highWatermark = t.to // what is below is gone, and was committed (KAFKA-9491)
	} else {
		out.Sometimes(probe.FollowerTruncated)
		r.log.Truncate(now, t.job, out)
		r.log.ForgetEpochs(r.log.LogEndOffset(), out)
	}
	s.settle(now, r, out)
}

// overtake gives up a truncation, and reports whether there was one that was not cut yet. The checkpoint may have the
// log begin where it was to begin anew; if that is lower, it would look after a crash as if its oldest segments were
// lost.
func (s *Set) overtake(r *Replica) bool {
	t := r.trunc
	if t == nil || t.stage == cutting {
		return false
	}
	r.trunc = nil
	s.waiting.raised = s.waiting.raised || t.restart && r.log != nil && t.to < r.log.Start()
	return true
}
