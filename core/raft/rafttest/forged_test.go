package rafttest

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/raft"
)

// forger makes messages that no node would send.
type forger struct {
	r     core.PRNG
	epoch core.LeaderEpoch
	end   core.Offset
}

func (f *forger) pick(values ...int64) int64 { return values[f.r.Below(uint64(len(values)))] }

func (f *forger) node() int32 { return int32(f.pick(-1, 0, 1, 2, 3, 4, 1<<31-1)) }

func (f *forger) term() int32 {
	e := int64(f.epoch)
	return int32(f.pick(-1, 0, e-1, e, e, e, e+1, 1<<31-1))
}

func (f *forger) offset() int64 {
	e := int64(f.end)
	return f.pick(-1, 0, 1, e-1, e, e, e+1, 1<<63-1)
}

func (f *forger) directory() [16]byte {
	return [...][16]byte{{}, {15: 1, 0: 7}, {15: 2, 0: 7}, {15: 3, 0: 7}, {1}}[f.r.Below(5)]
}

// request makes a request of any kind. Some have no partition at all.
func (f *forger) request() kmsg.Request {
	var req kmsg.Request
	bare := f.r.Chance(1, 10)
	switch f.r.Below(8) {
	case 0:
		r := voteRequest(&Node{}, 0, 0, 0, f.r.Chance(1, 2))
		p := &r.Topics[0].Partitions[0]
		r.VoterID, p.VoterDirectoryID, p.CandidateDirectoryID = f.node(), f.directory(), f.directory()
		p.CandidateID, p.CandidateEpoch, p.LastOffset, p.LastOffsetEpoch = f.node(), f.term(), f.offset(), f.term()
		if bare {
			r.Topics = nil
		}
		req = r
	case 1:
		r := kmsg.NewPtrBeginQuorumEpochRequest()
		r.Version, r.VoterID = 1, f.node()
		p := kmsg.BeginQuorumEpochRequestTopicPartition{VoterDirectoryID: f.directory(), LeaderID: f.node(),
			LeaderEpoch: f.term()}
		r.Topics = []kmsg.BeginQuorumEpochRequestTopic{{Topic: raft.Topic,
			Partitions: []kmsg.BeginQuorumEpochRequestTopicPartition{p}}}
		if bare {
			r.Topics[0].Partitions = nil
		}
		req = r
	case 2:
		r := kmsg.NewPtrEndQuorumEpochRequest()
		r.Version = 1
		p := kmsg.EndQuorumEpochRequestTopicPartition{LeaderID: f.node(), LeaderEpoch: f.term(),
			PreferredSuccessors: []int32{f.node(), f.node()}}
		r.Topics = []kmsg.EndQuorumEpochRequestTopic{{Topic: raft.Topic,
			Partitions: []kmsg.EndQuorumEpochRequestTopicPartition{p}}}
		if bare {
			r.Topics = nil
		}
		req = r
	case 3:
		r := fetchRequest(&Node{ID: int(f.node())}, 0, 0, 0)
		p := &r.Topics[0].Partitions[0]
		p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch = f.term(), f.offset(), f.term()
		p.ReplicaDirectoryID = f.directory()
		r.MaxWaitMillis, r.MaxBytes = int32(f.pick(-1, 0, 50)), int32(f.pick(-1, 0, 1<<20))
		p.Partition = int32(f.pick(0, 0, 0, 1, -1))
		if bare {
			r.Topics = nil
		}
		req = r
	case 4:
		r := kmsg.NewPtrFetchSnapshotRequest()
		r.Version, r.ReplicaID, r.MaxBytes = 1, f.node(), int32(f.pick(-1, 0, 10, 1<<20))
		p := kmsg.NewFetchSnapshotRequestTopicPartition()
		p.CurrentLeaderEpoch, p.Position, p.ReplicaDirectoryID = f.term(), f.offset(), f.directory()
		p.SnapshotID.EndOffset, p.SnapshotID.Epoch = f.offset(), f.term()
		r.Topics = []kmsg.FetchSnapshotRequestTopic{{Topic: raft.Topic,
			Partitions: []kmsg.FetchSnapshotRequestTopicPartition{p}}}
		if bare {
			r.Topics = nil
		}
		req = r
	case 5:
		r := addVoter(&Node{ID: int(f.node()), Key: raft.Key{Directory: f.directory()}}).(*kmsg.AddRaftVoterRequest)
		r.TimeoutMillis, r.AckWhenCommitted = int32(f.pick(-1, 0, 20, 1<<31-1)), f.r.Chance(1, 2)
		req = r
	case 6:
		r := kmsg.NewPtrUpdateRaftVoterRequest()
		r.VoterID, r.VoterDirectoryID, r.CurrentLeaderEpoch = f.node(), f.directory(), f.term()
		r.Listeners = []kmsg.UpdateRaftVoterRequestListener{{Name: "X", Host: "h", Port: uint16(f.r.Below(9))}}
		r.KRaftVersionFeature.MaxSupportedVersion = int16(f.pick(-1, 0, 1))
		req = r
	case 7:
		r := kmsg.NewPtrDescribeQuorumRequest()
		r.Version = 2
		r.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: raft.Topic,
			Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{Partition: int32(f.pick(0, 1, -1))}}}}
		if bare {
			r.Topics = nil
		}
		req = r
	}
	return req
}

// tamper changes an answer.
func (f *forger) tamper(resp kmsg.Response) {
	if !f.r.Chance(1, 8) {
		return
	}
	switch r := resp.(type) {
	case *kmsg.FetchResponse:
		if len(r.Topics) == 0 || f.r.Chance(1, 10) {
			r.Topics = nil
			return
		}
		p := &r.Topics[0].Partitions[0]
		switch f.r.Below(5) {
		case 0:
			p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = f.node(), f.term()
		case 1:
			p.SnapshotID.EndOffset, p.SnapshotID.Epoch = f.offset(), f.term()
		case 2:
			p.HighWatermark = f.offset()
		case 3:
			if n := len(p.RecordBatches); n > 0 {
				p.RecordBatches[f.r.Below(uint64(n))] ^= 1 << f.r.Below(8)
			}
		case 4:
			p.RecordBatches = p.RecordBatches[:f.r.Below(uint64(len(p.RecordBatches))+1)]
		}
	case *kmsg.VoteResponse:
		if len(r.Topics) > 0 {
			r.Topics[0].Partitions[0].LeaderID, r.Topics[0].Partitions[0].LeaderEpoch = f.node(), f.term()
		}
	case *kmsg.BeginQuorumEpochResponse:
		r.Topics = nil
	}
}

// Bytes from outside never panic: whatever requests and answers say, a node answers and goes on, or stops in good
// order. The quorum itself need not survive forged votes, so only panics, unanswered requests and broken encodings
// count.
func TestForgedMessagesNeverPanic(t *testing.T) {
	for seed := range uint64(60) {
		w := started(t, Options{Seed: seed, Nodes: 3, Dynamic: seed%2 == 0})
		w.Lawless = true
		f := &forger{r: core.NewPRNG(seed)}
		if seed%3 == 0 {
			w.Tamper = func(_ *Node, resp kmsg.Response) { f.tamper(resp) }
		}
		asked := 0
		for range 60 {
			n := w.Nodes[f.r.Below(3)]
			if n.Q.Failed() != nil {
				break
			}
			f.epoch, f.end = n.Q.Epoch(), n.Q.LogEndOffset()
			w.Ask(n, f.request())
			asked++
			w.Run(time.Duration(f.r.Below(30)) * time.Millisecond)
			w.Broken = nil
		}
		if f.r.Chance(1, 2) {
			w.Tamper = nil
		}
		w.Run(time.Second)
		if asked == 0 {
			t.Fatal("nothing was asked")
		}
	}
}
