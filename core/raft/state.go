package raft

import (
	"encoding/json"
	"fmt"

	"ottla.dev/core"
)

// StateFile is the name of the file that holds an [ElectionState], in the metadata log's folder.
const StateFile = "quorum-state"

// ElectionState is what a voter must never forget (Kafka: QuorumStateData). Its epoch never goes back, and within an
// epoch it votes once.
type ElectionState struct {
	ClusterID string
	Leader    core.BrokerID // NoBroker if not known
	Epoch     core.LeaderEpoch
	Voted     core.BrokerID // NoBroker if it has not voted in Epoch
	Voters    []core.BrokerID
}

// stateJSON is version 0 of Kafka's file, that of quorums with fixed voters.
type stateJSON struct {
	ClusterID     string      `json:"clusterId"`
	LeaderID      int32       `json:"leaderId"`
	LeaderEpoch   int32       `json:"leaderEpoch"`
	VotedID       int32       `json:"votedId"`
	AppliedOffset int64       `json:"appliedOffset"`
	CurrentVoters []voterJSON `json:"currentVoters"`
	DataVersion   int16       `json:"data_version"`
}

type voterJSON struct {
	VoterID int32 `json:"voterId"`
}

// Encode gives the file's content.
func (s *ElectionState) Encode() []byte {
	j := stateJSON{ClusterID: s.ClusterID, LeaderID: int32(s.Leader), LeaderEpoch: int32(s.Epoch), VotedID: int32(s.Voted)}
	for _, v := range s.Voters {
		j.CurrentVoters = append(j.CurrentVoters, voterJSON{int32(v)})
	}
	b, err := json.Marshal(j)
	if err != nil {
		panic("raft: the election state cannot be encoded: " + err.Error())
	}
	return b
}

// DecodeState reads a file's content.
func DecodeState(b []byte) (ElectionState, error) {
	var j stateJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return ElectionState{}, fmt.Errorf("raft: %s: %w", StateFile, err)
	}
	if j.DataVersion < 0 || j.DataVersion > 1 || j.LeaderEpoch < 0 {
		return ElectionState{}, fmt.Errorf("raft: %s: data version %d with epoch %d", StateFile, j.DataVersion, j.LeaderEpoch)
	}
	s := ElectionState{ClusterID: j.ClusterID, Leader: core.BrokerID(j.LeaderID), Epoch: core.LeaderEpoch(j.LeaderEpoch),
		Voted: core.BrokerID(j.VotedID)}
	for _, v := range j.CurrentVoters {
		s.Voters = append(s.Voters, core.BrokerID(v.VoterID))
	}
	return s, nil
}
