package rafttest

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// Text is the one-line form of a request or a response.
func Text(m any) string {
	switch r := m.(type) {
	case *kmsg.VoteRequest:
		p := &r.Topics[0].Partitions[0]
		kind := "Vote"
		if p.PreVote {
			kind = "PreVote"
		}
		return fmt.Sprintf("%s candidate=%d epoch=%d log=%d@%d",
			kind, p.CandidateID, p.CandidateEpoch, p.LastOffset, p.LastOffsetEpoch)
	case *kmsg.VoteResponse:
		if len(r.Topics) == 0 {
			return "Vote " + code(r.ErrorCode)
		}
		p := &r.Topics[0].Partitions[0]
		return fmt.Sprintf("Vote%s granted=%v epoch=%d leader=%d",
			failure(p.ErrorCode), p.VoteGranted, p.LeaderEpoch, p.LeaderID)
	case *kmsg.BeginQuorumEpochRequest:
		p := &r.Topics[0].Partitions[0]
		return fmt.Sprintf("BeginQuorumEpoch leader=%d epoch=%d", p.LeaderID, p.LeaderEpoch)
	case *kmsg.BeginQuorumEpochResponse:
		if len(r.Topics) == 0 {
			return "BeginQuorumEpoch " + code(r.ErrorCode)
		}
		p := &r.Topics[0].Partitions[0]
		return fmt.Sprintf("BeginQuorumEpoch%s epoch=%d leader=%d", failure(p.ErrorCode), p.LeaderEpoch, p.LeaderID)
	case *kmsg.EndQuorumEpochRequest:
		p := &r.Topics[0].Partitions[0]
		return fmt.Sprintf("EndQuorumEpoch leader=%d epoch=%d successors=%v",
			p.LeaderID, p.LeaderEpoch, p.PreferredSuccessors)
	case *kmsg.EndQuorumEpochResponse:
		if len(r.Topics) == 0 {
			return "EndQuorumEpoch " + code(r.ErrorCode)
		}
		p := &r.Topics[0].Partitions[0]
		return fmt.Sprintf("EndQuorumEpoch%s epoch=%d leader=%d", failure(p.ErrorCode), p.LeaderEpoch, p.LeaderID)
	}
	return textOfLogs(m)
}

func textOfLogs(m any) string {
	switch r := m.(type) {
	case *kmsg.FetchRequest:
		p := &r.Topics[0].Partitions[0]
		return fmt.Sprintf("Fetch epoch=%d from=%d@%d hw=%d",
			p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch, p.HighWatermark)
	case *kmsg.FetchResponse:
		if len(r.Topics) == 0 {
			return "Fetch " + code(r.ErrorCode)
		}
		p := &r.Topics[0].Partitions[0]
		s := fmt.Sprintf("Fetch%s epoch=%d leader=%d hw=%d bytes=%d", failure(p.ErrorCode), p.CurrentLeader.LeaderEpoch,
			p.CurrentLeader.LeaderID, p.HighWatermark, len(p.RecordBatches))
		if p.DivergingEpoch.Epoch >= 0 {
			s += fmt.Sprintf(" diverging=%d@%d", p.DivergingEpoch.EndOffset, p.DivergingEpoch.Epoch)
		}
		if p.SnapshotID.Epoch >= 0 {
			s += fmt.Sprintf(" snapshot=%d@%d", p.SnapshotID.EndOffset, p.SnapshotID.Epoch)
		}
		return s
	case *kmsg.FetchSnapshotRequest:
		p := &r.Topics[0].Partitions[0]
		return fmt.Sprintf("FetchSnapshot %d@%d pos=%d", p.SnapshotID.EndOffset, p.SnapshotID.Epoch, p.Position)
	case *kmsg.FetchSnapshotResponse:
		if len(r.Topics) == 0 {
			return "FetchSnapshot " + code(r.ErrorCode)
		}
		p := &r.Topics[0].Partitions[0]
		return fmt.Sprintf("FetchSnapshot%s pos=%d bytes=%d size=%d",
			failure(p.ErrorCode), p.Position, len(p.Bytes), p.Size)
	case *kmsg.AddRaftVoterResponse:
		return "AddRaftVoter " + code(r.ErrorCode)
	case *kmsg.RemoveRaftVoterResponse:
		return "RemoveRaftVoter " + code(r.ErrorCode)
	case *kmsg.UpdateRaftVoterResponse:
		return "UpdateRaftVoter " + code(r.ErrorCode)
	}
	return fmt.Sprintf("%T", m)
}

func code(c int16) string { return core.ErrorCode(c).String() }

func failure(c int16) string {
	if c == 0 {
		return ""
	}
	return " " + code(c)
}
