package partition

import (
	"time"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/probe"
)

// scrubChunk is how much of a log is read again at once, in bytes.
const scrubChunk = 1 << 20

// scrubMemory is the most memory, in bytes, that is kept from job to job: larger batches than usual need more.
const scrubMemory = scrubChunk

// scrubDelay is how long after its start a broker begins to read its logs again.
const scrubDelay = 5 * time.Second

// scrubbing is the slow reading of all logs for bytes that have gone bad on the disk, one after the other.
type scrubbing struct {
	due     time.Duration
	began   time.Duration
	slot    uint32 // of the log that is being read, or was read last in this pass
	at      log.Scrub
	memory  []byte // of the jobs, which come one after the other all the time
	running bool
}

// scrub goes on with a pass, if it is time. A log that is being written is passed over until the next one.
func (s *Set) scrub(now core.Instant, out *core.Outbox) {
	c := &s.scrubs
	if s.ScrubRate <= 0 || s.closing || c.running || s.Loading() {
		return
	}
	if !now.Reached(c.due) {
		return
	}
	if c.slot == 0 && c.at.Next == 0 {
		c.began = now.Mono
	}
	// In the order of slots, which is not that of the replicas: one that was opened again has got a new slot.
	for ; c.slot <= s.slots; c.slot, c.at = c.slot+1, (log.Scrub{}) {
		r := s.bySlot[c.slot]
		if r == nil || !r.Online() || r.trunc != nil {
			continue
		}
		if job := r.log.PlanScrub(c.at, scrubChunk); job != nil {
			c.running = true
			job.Memory, c.memory = c.memory, nil
			out.Run(job)
			return
		}
	}
	c.slot, c.at, c.due = 0, log.Scrub{}, max(c.began+s.ScrubInterval, now.Mono+scrubDelay)
}

// scrubbed takes back a job, and rests for as long as what it has read may take.
func (s *Set) scrubbed(now core.Instant, j *log.ScrubJob, out *core.Outbox) {
	c := &s.scrubs
	c.running = false
	if cap(j.Memory) <= scrubMemory {
		c.memory = j.Memory
	}
	c.due = now.Mono + max(time.Millisecond, time.Duration(j.Read*int64(time.Second)/max(1, s.ScrubRate)))
	r := s.bySlot[j.Log]
	if r == nil || r.log == nil {
		return
	}
	c.at = r.log.Scrubbed(now, j, out)
	s.touch(r) // a deleted file that was being read may go now
	switch {
	case r.removed:
		s.depart(now, r, out)
		return
	case log.Damaged(j.Err):
		out.Sometimes(probe.ScrubFoundDamage)
		s.distrust(now, r, j.Err, out)
		c.slot, c.at = c.slot+1, log.Scrub{}
	case j.Err != nil:
		out.Note(core.Warn, "Reading "+j.Path+" again failed: "+j.Err.Error())
		c.slot, c.at = c.slot+1, log.Scrub{}
	case j.RebuiltIndex:
		out.Sometimes(probe.ScrubRebuiltIndex)
		out.Note(core.Warn, "The indexes of "+j.Path+" were wrong and are made anew")
	}
	s.reopen(now, r, out)
}

// distrust takes note that bytes of a log in service have gone bad. A replica that has all that was committed and is
// the only one goes on serving what is left, and refuses what is not; any other gives up its part and is copied anew.
func (s *Set) distrust(now core.Instant, r *Replica, why error, out *core.Outbox) {
	if r.removed || r.reopening || r.suspicion != nil && r.suspicion.damaged {
		return
	}
	if r.role == alone || r.role == leads && (r.lead == nil || len(r.lead.isr) < 2) {
		if !r.rotten {
			r.rotten = true
			out.Sometimes(probe.DamageServed)
			out.Note(core.Fail, why.Error()+". Those records cannot be read; there is no other replica to copy them from")
		}
		return
	}
	out.Note(core.Fail, why.Error()+". The replica drops out and is copied anew")
	lost := r.suspicion != nil && r.suspicion.lost
	s.suspect(r, why, true)
	if lost {
		s.resync(now, r, out)
	}
}
