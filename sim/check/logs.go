package check

import (
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/metadata"
	"ottla.dev/core/record"
	"ottla.dev/sim/disk"
)

// Logs is what the broker's data folder holds at some moment, by partition folder.
type Logs struct {
	Crashed bool // un-synced data were lost since
	byDir   map[string]*Log
}

// Cut notes that un-synced data of the partitions in a log directory were lost.
func (l *Logs) Cut(dir string) {
	//core:unordered each is marked alone
	for _, log := range l.byDir {
		log.cut = log.cut || log.dir == dir
	}
}

// lost reports whether un-synced data of a partition were lost. Without logs nothing was.
func (l *Logs) lost(name string) bool {
	return l != nil && (l.Crashed || l.byDir[name] != nil && l.byDir[name].cut)
}

// Log is the batches of one partition.
type Log struct {
	Start   core.Offset // base of the first segment
	End     core.Offset // after the last whole batch
	Sure    core.Offset // after the last batch that is certain to survive a crash
	Batches []Batch

	dir string // that it is in
	cut bool   // un-synced data of that directory were lost since
}

// Batch is one batch of a log.
type Batch struct {
	Base, Last core.Offset
	Sum        uint32 // of all its bytes
}

// Names returns the partition folders, sorted.
func (l *Logs) Names() []string { return slices.Sorted(maps.Keys(l.byDir)) }

// Get returns a partition's log, or nil.
func (l *Logs) Get(name string) *Log { return l.byDir[name] }

// isPartition tells folders of partitions from those of deleted ones.
func isPartition(name string) bool {
	i := strings.LastIndexByte(name, '-')
	if i <= 0 {
		return false
	}
	_, err := strconv.ParseUint(name[i+1:], 10, 31)
	return err == nil
}

// ReadLogs reads all partitions. Where several directories have a folder of one name, the last one counts, but not if
// it is of a topic that was deleted: a directory that had failed then has it still.
func (c *Cluster) ReadLogs(d *disk.Disk, dirs ...string) *Logs {
	logs := &Logs{byDir: map[string]*Log{}}
	for _, dir := range dirs {
		logs.read(d, c.images.latest, dir)
	}
	return logs
}

func (logs *Logs) read(d *disk.Disk, image *metadata.Image, dir string) {
	entries, err := d.List(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.Dir || !isPartition(e.Name) {
			continue
		}
		path := dir + "/" + e.Name
		if logs.byDir[e.Name] != nil && isFormer(d, image, path) {
			continue
		}
		l := &Log{dir: dir}
		l.Start, l.End = eachBatch(segments(d, path), func(v record.View, _ segment, _ int64) {
			l.Batches = append(l.Batches, Batch{v.BaseOffset(), v.LastOffset(), crc32.ChecksumIEEE(v)})
		})
		_, l.Sure = eachBatch(survivingSegments(d, path), func(record.View, segment, int64) {})
		logs.byDir[e.Name] = l
	}
}

// isFormer reports whether a folder is of a topic that was deleted, and another one has its name now.
func isFormer(d *disk.Disk, image *metadata.Image, path string) bool {
	tp, ok := log.ParseDirName(path[strings.LastIndexByte(path, '/')+1:])
	if !ok || image == nil {
		return false
	}
	b, _ := d.Bytes(path + "/" + log.PartitionMetadataName)
	id, err := log.ReadPartitionMetadata(b)
	now := image.TopicByName(tp.Topic)
	return err == nil && now != nil && id != now.ID
}

// segment is one log file.
type segment struct {
	name string
	base core.Offset
	data []byte
}

const logSuffix = ".log"

func segmentBase(name string) (core.Offset, bool) {
	digits, ok := strings.CutSuffix(name, logSuffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return core.Offset(n), err == nil
}

func segments(d *disk.Disk, dir string) []segment {
	var list []segment
	d.Select(dir, isSegment, func(name string, data []byte) {
		base, _ := segmentBase(name)
		list = append(list, segment{name, base, data})
	})
	return list
}

func isSegment(name string) bool {
	_, ok := segmentBase(name)
	return ok
}

// since leaves out what lies before the segment with the offset start. A power cut may bring deleted segments back,
// some and not others, so that there are holes before the start of a log; the next start of the broker removes them.
func since(list []segment, start core.Offset) []segment {
	for len(list) > 1 && list[1].base <= start {
		list = list[1:]
	}
	return list
}

func survivingSegments(d *disk.Disk, dir string) []segment {
	files := d.Survivors(dir)
	var list []segment
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if base, ok := segmentBase(name); ok {
			list = append(list, segment{name, base, files[name]})
		}
	}
	return list
}

// eachBatch calls yield with the batches of a log in order, up to the first bytes that are none or the first hole.
func eachBatch(list []segment, yield func(v record.View, s segment, pos int64)) (start, end core.Offset) {
	if len(list) == 0 {
		return 0, 0
	}
	start, end = list[0].base, list[0].base
	for i, s := range list {
		if s.base != end && i > 0 {
			return start, end
		}
		for pos := 0; pos < len(s.data); {
			v, ok := batchAt(s.data[pos:])
			if !ok || v.BaseOffset() < end {
				return start, end
			}
			yield(v, s, int64(pos))
			end = v.NextOffset()
			pos += len(v)
		}
	}
	return start, end
}

// batchAt returns the batch at the front of b, checksum and all.
func batchAt(b []byte) (record.View, bool) {
	if len(b) < record.HeaderSize {
		return nil, false
	}
	size := record.View(b).Size()
	if size < record.HeaderSize || size > len(b) {
		return nil, false
	}
	v := record.View(b[:size])
	return v, v.Magic() == 2 && v.ValidCRC() && v.LastOffsetDelta() >= 0
}

func offsetText(o core.Offset) string { return strconv.FormatInt(int64(o), 10) }
