package raft

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"ottla.dev/core"
)

// StateFile is the name of the file that holds an [ElectionState], in the metadata log's folder.
const StateFile = "quorum-state"

// ElectionState is what a voter must never forget (Kafka: QuorumStateData). Its epoch never goes back, and within an
// epoch it votes once.
type ElectionState struct {
	Version        int16 // 0, or 1 for a quorum whose voters are in the log (KIP-853)
	ClusterID      string
	Leader         core.BrokerID // NoBroker if not known
	Epoch          core.LeaderEpoch
	Voted          core.BrokerID // NoBroker if it has not voted in Epoch
	VotedDirectory core.UUID     // in version 1
	Voters         []core.BrokerID
}

// sameVote reports whether two states promise the same.
func (s *ElectionState) sameVote(t *ElectionState) bool {
	return s.Epoch == t.Epoch && s.Voted == t.Voted && s.VotedDirectory == t.VotedDirectory
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
	Checksum      uint32      `json:"crc32c,omitempty"`
}

type voterJSON struct {
	VoterID int32 `json:"voterId"`
}

// dynamicJSON is version 1.
type dynamicJSON struct {
	LeaderID         int32  `json:"leaderId"`
	LeaderEpoch      int32  `json:"leaderEpoch"`
	VotedID          int32  `json:"votedId"`
	VotedDirectoryID string `json:"votedDirectoryId"`
	DataVersion      int16  `json:"data_version"`
	Checksum         uint32 `json:"crc32c,omitempty"`
}

// Encode gives the file's content. Beside Kafka's fields it has the CRC-32C of the content without that field: a wrong
// digit of the epoch or the vote would be a vote forgotten. Kafka reads the fields that it knows.
func (s *ElectionState) Encode() []byte {
	return s.encode(max(1, checksum(s.encode(0))))
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func (s *ElectionState) encode(sum uint32) []byte {
	var j any
	if s.Version == 0 {
		v0 := stateJSON{ClusterID: s.ClusterID, LeaderID: int32(s.Leader), LeaderEpoch: int32(s.Epoch),
			VotedID: int32(s.Voted), Checksum: sum}
		for _, v := range s.Voters {
			v0.CurrentVoters = append(v0.CurrentVoters, voterJSON{int32(v)})
		}
		j = v0
	} else {
		j = dynamicJSON{LeaderID: int32(s.Leader), LeaderEpoch: int32(s.Epoch), VotedID: int32(s.Voted),
			VotedDirectoryID: s.VotedDirectory.String(), DataVersion: 1, Checksum: sum}
	}
	b, err := json.Marshal(j)
	if err != nil {
		panic("raft: the election state cannot be encoded: " + err.Error())
	}
	return b
}

// DecodeState reads a file's content. One without a checksum, as Kafka writes it, is believed.
func DecodeState(b []byte) (ElectionState, error) {
	var j struct {
		stateJSON
		VotedDirectoryID string `json:"votedDirectoryId"`
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // one may be the checksum, with a damaged name
	err := d.Decode(&j)
	if err == nil && !json.Valid(b) {
		err = errors.New("more than one object")
	}
	if err != nil {
		return ElectionState{}, fmt.Errorf("raft: %s: %w", StateFile, err)
	}
	if j.DataVersion < 0 || j.DataVersion > 1 || j.LeaderEpoch < 0 {
		return ElectionState{}, fmt.Errorf("raft: %s: data version %d with epoch %d", StateFile, j.DataVersion, j.LeaderEpoch)
	}
	s := ElectionState{Version: j.DataVersion, ClusterID: j.ClusterID, Leader: core.BrokerID(j.LeaderID),
		Epoch: core.LeaderEpoch(j.LeaderEpoch), Voted: core.BrokerID(j.VotedID)}
	if j.DataVersion == 1 && j.VotedDirectoryID != "" {
		var ok bool
		if s.VotedDirectory, ok = core.ParseUUID(j.VotedDirectoryID); !ok {
			return ElectionState{}, fmt.Errorf("raft: %s: votedDirectoryId %q", StateFile, j.VotedDirectoryID)
		}
	}
	for _, v := range j.CurrentVoters {
		s.Voters = append(s.Voters, core.BrokerID(v.VoterID))
	}
	if j.Checksum != 0 && string(s.Encode()) != string(b) {
		return ElectionState{}, fmt.Errorf("raft: %s: the checksum is wrong", StateFile)
	}
	return s, nil
}
