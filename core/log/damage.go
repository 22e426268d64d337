package log

import (
	"errors"
	"math"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/probe"
)

// Damage is the error of an [OpenJob] that found what no crash explains: bytes that had been synced are bad or gone, or
// nobody can tell whose they are. Nothing was cut off or removed, for what is left may be all that there is. A replica
// that has peers is opened again with Resync, and gets from its leader what it then lacks.
type Damage struct {
	Dir string
	At  core.Offset // from here on nothing is known to be right; NoOffset: nothing at all is
	Why string
}

// Error gives the damage in words.
func (d *Damage) Error() string {
	if d.At == core.NoOffset {
		return "log: " + d.Dir + " is damaged: " + d.Why
	}
	return "log: " + d.Dir + " is damaged at offset " + offsetText(d.At) + ": " + d.Why
}

// Damaged reports whether an error of a job is that of damaged bytes, not that of a disk which failed.
func Damaged(err error) bool {
	var d *Damage
	return errors.As(err, &d)
}

// damaged refuses a log, unless it is to be opened all the same.
func (o *opening) damaged(at core.Offset, why string) error {
	if o.Resync {
		o.Report.Reached.Add(probe.DamageCutOff)
		o.note("it is damaged (" + why + "); what is missing is to be fetched from the leader")
		return nil
	}
	o.Report.Reached.Add(probe.DamageFound)
	return &Damage{Dir: o.Dir, At: at, Why: why}
}

// synced is the offset below which nothing can be missing because of a crash. Without the checkpoint only the last
// segment is taken to be what a crash can have torn.
func (o *opening) synced() core.Offset {
	switch {
	case o.Clean:
		return math.MaxInt64
	case o.Unsure:
		return max(o.Recovery, o.segments[len(o.segments)-1].Base)
	}
	return o.Recovery
}

// hasRecords reports whether there is a log file that is not empty.
func (o *opening) hasRecords() bool {
	for _, name := range sortedNames(o.names) {
		if _, suffix, ok := ParseFileName(name); ok && suffix == LogSuffix && o.names[name] > 0 {
			return true
		}
	}
	return false
}

// unidentified handles a folder with records of which nobody can tell which topic's they are: they may be those of a
// deleted topic of the same name.
func (o *opening) unidentified() error {
	const why = PartitionMetadataName + " is damaged, so that nobody can tell which topic's records it holds"
	if !o.hasRecords() {
		return o.putMetadata()
	}
	if err := o.damaged(core.NoOffset, why); err != nil {
		return err
	}
	return o.aside(core.UUID{}, why)
}

// complete checks that the log has all that the checkpoint of recovery points vouches for: a file may be gone, or may
// have been cut short between two batches. A log that ends before its start is one that was about to begin anew there,
// unless it lacks what had been synced. One that begins after its start has lost its oldest segments, or was about to
// begin anew below where it did: then it is of no use to anybody, and is copied anew as well.
func (o *opening) complete() error {
	known := (o.Clean || o.StartKnown) && o.LogStart >= 0
	if at := o.segments; known && len(at) > 0 && at[0].Base > o.LogStart {
		o.Report.Reached.Add(probe.OldestSegmentMissed)
		return o.damaged(o.LogStart, "the log begins at "+offsetText(at[0].Base)+", and nothing from "+
			offsetText(o.LogStart)+" on was deleted")
	}
	end, start := core.Offset(0), max(o.LogStart, 0)
	if n := len(o.segments); n > 0 {
		end = o.segments[n-1].Next
	} else if o.Report.Created || o.Recovery <= start {
		return nil
	}
	if end >= o.Recovery && !(o.Clean && end < start) {
		return o.snapshotsWithin(end)
	}
	return o.damaged(end, "the log ends there, and everything below "+offsetText(max(o.Recovery, start))+
		" had been synced")
}

// snapshotsWithin takes a producer snapshot beyond the end of a log that was closed for a sign that batches are gone.
func (o *opening) snapshotsWithin(end core.Offset) error {
	if !o.Clean {
		return nil
	}
	for _, name := range sortedNames(o.names) {
		if at, suffix, ok := ParseFileName(name); ok && suffix == SnapshotSuffix && at > end {
			return o.damaged(end, "the log ends there, and the state of its producers is that of offset "+offsetText(at))
		}
	}
	return nil
}

// aside moves the folder out of the way and begins a new one. What is in it is kept for whoever knows better than the
// metadata (Kafka: LogManager, stray logs).
func (o *opening) aside(id core.UUID, why string) error {
	name := o.Dir[strings.LastIndexByte(o.Dir, '/')+1:]
	tp, ok := ParseDirName(name)
	if !ok {
		return fail("reading "+o.path(PartitionMetadataName), ErrTopicID)
	}
	stray, err := o.freeName(tp, id)
	if err == nil {
		err = o.fs.Rename(o.Dir, stray)
	}
	if err == nil {
		err = o.fs.Mkdir(o.Dir)
	}
	if err == nil {
		err = o.fs.SyncDir(o.Parent)
	}
	if err != nil {
		return fail("setting aside "+o.Dir, err)
	}
	o.note(why + "; that is now in " + stray)
	o.Report.Created, o.dirty, o.names = true, true, map[string]int64{}
	o.LogStart, o.Recovery = 0, 0
	return o.putMetadata()
}

// maxAside bounds how many folders of one partition are put aside for the same topic id.
const maxAside = 255

// freeName finds a name for a folder that is put aside.
func (o *opening) freeName(tp core.TopicPartition, id core.UUID) (string, error) {
	for n := range byte(maxAside) {
		unique := id
		unique[len(unique)-1] ^= n
		path := join(o.Parent, StrayDirName(tp, unique))
		_, err := o.fs.List(path)
		if errors.Is(err, core.ErrNotExist) {
			return path, nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", errors.New("too many folders of " + tp.String() + " were put aside")
}
