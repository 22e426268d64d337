package broker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/probe"
)

// checkpoints writes the offset checkpoints of all log directories, which hold partitions of several shards: it
// collects from every shard, writes, and tells the shards. One round runs at a time.
type checkpoints struct {
	due     time.Duration
	running bool
	again   bool // another round was asked for
	final   bool // all logs are closed: what this round writes is what a clean shutdown leaves
	missing int  // shards that have not answered
	written bool // there was a round since the start
	got     []*checkpoint
}

// checkpointJob writes the checkpoint files of the log directories.
type checkpointJob struct {
	dirs []logDir
	data [][3][]byte // of each directory: recovery points, log start offsets, high watermarks
}

// Run implements [core.Job].
func (j *checkpointJob) Run(fs core.FS) {
	for i := range j.dirs {
		d := &j.dirs[i]
		for k, name := range []string{recoveryCheckpointFile, startCheckpointFile, highWatermarkFile} {
			if d.err != nil {
				break
			}
			if err := log.WriteAtomically(fs, d.path, name, j.data[i][k]); err != nil {
				d.err = fmt.Errorf("writing %s in %s: %w", name, d.path, err)
			}
		}
	}
}

// AppendText implements [core.Job].
func (j *checkpointJob) AppendText(dst []byte) []byte { return append(dst, "checkpoint offsets"...) }

// markerJob writes the clean shutdown markers.
type markerJob struct {
	dirs  []logDir
	epoch core.BrokerEpoch
	err   error
}

// Run implements [core.Job].
func (j *markerJob) Run(fs core.FS) {
	for _, d := range j.dirs {
		if d.err != nil {
			continue // what is there was not closed
		}
		if err := log.WriteAtomically(fs, d.path, cleanShutdownFile, marker(j.epoch)); err != nil {
			j.err = err
		}
	}
}

// AppendText implements [core.Job].
func (j *markerJob) AppendText(dst []byte) []byte { return append(dst, "mark clean shutdown"...) }

// checkpointInterval is the shortest of the intervals that Kafka has for the three files: they are written together.
func (c *Control) checkpointInterval() time.Duration {
	ms := min(c.settings.RecoveryCheckpointMs, c.settings.StartOffsetCheckpointMs)
	return time.Duration(max(ms, minCheckpointMs)) * time.Millisecond
}

// minCheckpointMs keeps a mistaken setting from writing checkpoints all the time.
const minCheckpointMs = 100

// startCheckpoint begins a round, unless one is running.
func (c *Control) startCheckpoint() {
	p := &c.points
	if p.running {
		c.out.Sometimes(probe.CheckpointRepeated)
	}
	// Not while logs are being opened: they would be left out.
	if p.running || c.phase < joining || c.phase > closing {
		return
	}
	*p = checkpoints{written: p.written, running: true, final: c.allClosed(), missing: c.shards(), due: core.Never}
	if c.phase == serving {
		p.due = c.now.Mono + c.checkpointInterval()
	}
	for i := range c.shards() {
		c.out.Send(core.Shard(uint32(i)), &checkpoint{shard: uint32(i)})
	}
	if p.missing == 0 {
		c.writeCheckpoint()
	}
}

// collect takes a shard's offsets, or the end of its part in a round.
func (c *Control) collect(m *checkpoint) {
	p := &c.points
	p.got = append(p.got, m)
	if p.missing--; p.missing == 0 {
		c.writeCheckpoint()
	}
}

// writeCheckpoint writes what the shards have said. Of the metadata log nothing is vouched for that another leader may
// still have cut off.
func (c *Control) writeCheckpoint() {
	p := &c.points
	slices.SortFunc(p.got, func(a, b *checkpoint) int { return int(a.shard) - int(b.shard) })
	job := &checkpointJob{dirs: slices.Clone(c.dirs)}
	for i, dir := range c.dirs {
		var lists [3][]log.OffsetEntry
		if i == 0 {
			lists[0] = append(lists[0], log.OffsetEntry{TopicPartition: metadataPartition(),
				Offset: min(c.quorum.Log().RecoveryPoint(), c.quorum.HighWatermark())})
		}
		for _, m := range p.got {
			for _, e := range m.entries {
				if e.dir == dir.path {
					for k, offset := range [3]core.Offset{e.recovery, e.logStart, e.highWatermark} {
						lists[k] = append(lists[k], log.OffsetEntry{TopicPartition: e.name, Offset: offset})
					}
				}
			}
		}
		var data [3][]byte
		for k, list := range lists {
			slices.SortStableFunc(list, func(a, b log.OffsetEntry) int {
				if n := strings.Compare(a.Topic, b.Topic); n != 0 {
					return n
				}
				return int(a.Partition - b.Partition)
			})
			data[k] = log.AppendOffsetCheckpoint(nil, list)
		}
		job.data = append(job.data, data)
	}
	c.out.Run(job)
}

// checkpointWritten ends a round: the shards may answer those who waited for it.
func (c *Control) checkpointWritten(j *checkpointJob) {
	if c.takeDirs(j.dirs); c.halted {
		return
	}
	p := &c.points
	for _, m := range p.got {
		m.written, m.dirs = true, j.dirs
		c.out.Send(core.Shard(m.shard), m)
	}
	again, final := p.again, p.final
	p.written = true
	p.got, p.running, p.again, p.final = nil, false, false, false
	switch {
	case final:
		c.phase = stopped
		c.out.Run(&markerJob{dirs: slices.Clone(c.dirs), epoch: c.epoch})
	case again:
		c.startCheckpoint()
	}
}

// allClosed reports whether a clean shutdown has come so far that nothing is written to any log any more.
func (c *Control) allClosed() bool {
	return c.phase == closing && c.waiting == 0 && c.quorum.closed && c.quorum.Log().Closed()
}

// shutDown closes the logs of all shards; then the metadata log, the checkpoints and the markers follow.
func (c *Control) shutDown() {
	c.want, c.phase = false, closing
	c.heartbeat, c.registerAt, c.points.due, c.leaveBy = core.Never, core.Never, core.Never, core.Never
	c.dropQuestions()
	if !c.quorum.sole() {
		c.quorum.Resign(c.now, &c.out) // the others elect at once
	}
	c.waiting = c.shards()
	for i := range c.shards() {
		c.out.Send(core.Shard(uint32(i)), &shutdown{shard: uint32(i)})
	}
}

// marked ends a clean shutdown.
func (c *Control) marked(j *markerJob) {
	if j.err != nil {
		c.out.Note(core.Warn, "The clean shutdown could not be marked ("+j.err.Error()+
			"): the next start will check the logs.")
	}
	c.out.Stopped = true
}
