package check

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/record"
	"ottla.dev/sim/disk"
	"ottla.dev/sim/fault"
)

// Holding is where a machine has a replica.
type Holding struct {
	Node int
	ID   core.TopicIDPartition
	Name core.TopicPartition
	Dir  string
}

// Alike says in what replicas of one partition differ; nothing if they are the same bytes from where all of them begin
// to their ends. It is for the end, when nothing is written.
func Alike(disks []*disk.Disk, all []Holding) string {
	slices.SortStableFunc(all, func(a, b Holding) int { return cmp.Or(a.ID.Compare(b.ID), a.Node-b.Node) })
	for i := 1; i < len(all); i++ {
		a, b := &all[i-1], &all[i]
		if a.ID != b.ID {
			continue
		}
		x, y := bytesOf(disks[a.Node], a.Dir), bytesOf(disks[b.Node], b.Dir)
		if why := x.differs(y); why != "" {
			return " " + a.Name.String() + " of broker " + strconv.Itoa(a.Node+1) + " is not that of broker " +
				strconv.Itoa(b.Node+1) + ": " + why + ";"
		}
	}
	return ""
}

// replicaBytes are the batches of a log.
type replicaBytes struct {
	start, end core.Offset
	batches    []record.View
	rest       int // bytes that are none
}

func bytesOf(d *disk.Disk, dir string) replicaBytes {
	var r replicaBytes
	list := segments(d, dir)
	for _, s := range list {
		r.rest += len(s.data)
	}
	r.start, r.end = eachBatch(list, func(v record.View, _ segment, _ int64) {
		r.batches, r.rest = append(r.batches, v), r.rest-len(v)
	})
	return r
}

// differs compares two logs from where both begin.
func (r replicaBytes) differs(o replicaBytes) string {
	if r.end != o.end || r.rest+o.rest > 0 {
		return "they end at " + offsetText(r.end) + " and " + offsetText(o.end) + ", before " + strconv.Itoa(r.rest) +
			" and " + strconv.Itoa(o.rest) + " bytes that are no batches"
	}
	i, k := 0, 0
	for i < len(r.batches) && k < len(o.batches) {
		a, b := r.batches[i], o.batches[k]
		switch {
		case a.BaseOffset() == b.BaseOffset() && string(a) == string(b):
			i, k = i+1, k+1
		case i == 0 && a.BaseOffset() > b.BaseOffset():
			k++
		case k == 0 && b.BaseOffset() > a.BaseOffset():
			i++
		default:
			return "at offset " + offsetText(a.BaseOffset()) + " is another batch"
		}
	}
	return ""
}

// Sound says what of a partition's folder is damaged, as far as that can be known from the folder alone: bytes that are
// no batch, gaps, and indexes of closed segments that are not those which the log calls for.
func Sound(d *disk.Disk, dir string, plan *fault.Plan) string {
	name := dir[strings.LastIndexByte(dir, '/')+1:]
	if r := bytesOf(d, dir); r.rest > 0 {
		return name + " has bytes that are no batch at offset " + offsetText(r.end)
	}
	topic := name[:max(0, strings.LastIndexByte(name, '-'))]
	why := ""
	for i := range plan.Topics {
		if t := &plan.Topics[i]; t.Name == topic {
			f := files{disk: d, dir: dir, name: name, sealed: true, fail: func(_ Class, _, text string) { why = text }}
			f.indexes(t.IndexInterval)
		}
	}
	return why
}
