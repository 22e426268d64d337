package wire

import (
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// ownFetches is the first version of Fetch whose requests are encoded here, that in which followers name themselves in
// a tagged field (KIP-903). Followers fetch all the time, and kmsg allocates for each tagged field and compares by
// reflection.
const ownFetches = 15

// appendFetchRequest appends the body of a request of ownFetches or newer. Requests of nodes have no tagged fields that
// are not known.
func appendFetchRequest(dst []byte, req *kmsg.FetchRequest) []byte {
	e := encoder{buf: dst, flexible: true}
	e.int32(req.MaxWaitMillis)
	e.int32(req.MinBytes)
	e.int32(req.MaxBytes)
	e.buf = append(e.buf, byte(req.IsolationLevel))
	e.int32(req.SessionID)
	e.int32(req.SessionEpoch)
	e.arrayLen(len(req.Topics))
	for i := range req.Topics {
		t := &req.Topics[i]
		e.uuid(core.UUID(t.TopicID))
		e.arrayLen(len(t.Partitions))
		for j := range t.Partitions {
			e.fetchRequestPartition(&t.Partitions[j])
		}
		e.noTags()
	}
	e.arrayLen(len(req.ForgottenTopics))
	for i := range req.ForgottenTopics {
		t := &req.ForgottenTopics[i]
		e.uuid(core.UUID(t.TopicID))
		e.arrayLen(len(t.Partitions))
		for _, p := range t.Partitions {
			e.int32(p)
		}
		e.noTags()
	}
	e.string(req.Rack)
	e.fetchRequestTags(req)
	return e.buf
}

func (e *encoder) fetchRequestPartition(p *kmsg.FetchRequestTopicPartition) {
	e.int32(p.Partition)
	e.int32(p.CurrentLeaderEpoch)
	e.int64(p.FetchOffset)
	e.int32(p.LastFetchedEpoch)
	e.int64(p.LogStartOffset)
	e.int32(p.PartitionMaxBytes)
	placed, told := p.ReplicaDirectoryID != [16]byte{}, p.HighWatermark != math.MaxInt64
	e.tagCount(count(placed) + count(told))
	if placed {
		e.tag(0, 16)
		e.uuid(core.UUID(p.ReplicaDirectoryID))
	}
	if told {
		e.tag(1, 8)
		e.int64(p.HighWatermark)
	}
}

func (e *encoder) fetchRequestTags(req *kmsg.FetchRequest) {
	state := &req.ReplicaState
	follows := state.ID != -1 || state.Epoch != -1
	e.tagCount(count(req.ClusterID != nil) + count(follows))
	if id := req.ClusterID; id != nil {
		length := uint32(len(*id) + 1)
		e.tag(0, uint32(uvarintSize(length))+uint32(len(*id)))
		e.string(*id)
	}
	if follows {
		e.tag(1, 4+8+1)
		e.int32(state.ID)
		e.int64(state.Epoch)
		e.noTags()
	}
}

func count(is bool) uint32 {
	if is {
		return 1
	}
	return 0
}
