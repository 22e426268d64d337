package check

import (
	"strconv"
	"time"

	"ottla.dev/core"
)

// pace is how far the leader of the metadata quorum had come when it was looked at last.
type pace struct {
	life  int
	epoch core.LeaderEpoch
	at    core.Offset // its high watermark, none if it did not lead
}

// mostRecords is how many records of metadata a cluster may commit in a second, for long: a hundred times what worlds
// have with all their topics, elections and operators. More than that is nobody's work: one decision brings the next.
const mostRecords = 10_000

// watchRest is L1 of the metadata: they come to rest. Nobody else sees when they do not, because virtual time goes on.
func (c *Cluster) watchRest(now, last time.Duration) {
	most := core.Offset(mostRecords * int64(now-last+time.Second) / int64(time.Second))
	for node := range c.brokers {
		b := &c.brokers[node]
		q, was := &b.quorum, b.pace
		b.pace = pace{q.Life, q.Epoch, core.NoOffset}
		if !q.Leading {
			continue
		}
		b.pace.at = q.HighWatermark
		if was.life != q.Life || was.epoch != q.Epoch || was.at == core.NoOffset {
			continue
		}
		if grew := q.HighWatermark - was.at; grew > most {
			c.fail(Liveness, "busy", "broker "+strconv.Itoa(node+1)+": the metadata have grown by "+
				strconv.FormatInt(int64(grew), 10)+" records in "+(now-last).String()+", more than any work needs")
			return
		}
	}
}
