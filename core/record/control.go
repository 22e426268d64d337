package record

import (
	"encoding/binary"
	"strconv"

	"ottla.dev/core"
)

// ControlType says what a control record means (Kafka: ControlRecordType).
type ControlType int16

// The control types.
const (
	ControlAbort ControlType = iota
	ControlCommit
	ControlLeaderChange
	ControlSnapshotHeader
	ControlSnapshotFooter
	ControlKRaftVersion
	ControlKRaftVoters
)

// String gives Kafka's name of the type.
func (t ControlType) String() string {
	switch t {
	case ControlAbort:
		return "ABORT"
	case ControlCommit:
		return "COMMIT"
	case ControlLeaderChange:
		return "LEADER_CHANGE"
	case ControlSnapshotHeader:
		return "SNAPSHOT_HEADER"
	case ControlSnapshotFooter:
		return "SNAPSHOT_FOOTER"
	case ControlKRaftVersion:
		return "KRAFT_VERSION"
	case ControlKRaftVoters:
		return "KRAFT_VOTERS"
	}
	return "control type " + strconv.Itoa(int(t))
}

// controlKeySize is a control record's key: a version, 0, and the type, each 16 bits.
const controlKeySize = 4

// ParseControlKey reads the type from a control record's key. Types that nobody knows are returned as they are;
// later versions of the key may be longer.
func ParseControlKey(key []byte) (ControlType, bool) {
	if len(key) < controlKeySize || int16(be16(key)) < 0 {
		return 0, false
	}
	return ControlType(be16(key[2:])), true
}

// AppendControl adds a control record and makes the batch a control batch. Records of both sorts in one batch panic.
func (b *Builder) AppendControl(ts core.Timestamp, t ControlType, value []byte) {
	if b.count > 0 && b.attributes&ControlBit == 0 {
		panic("record: a control record among data records")
	}
	b.attributes |= ControlBit
	var key [controlKeySize]byte
	put16(key[2:], uint16(t))
	b.append(b.base+core.Offset(b.lastDelta)+1, ts, key[:], value, nil)
}

// EndTxn is the value of a COMMIT or ABORT marker: the epoch of the transaction coordinator that wrote it.
type EndTxn struct {
	CoordinatorEpoch int32
}

const endTxnSize = 6

// AppendEndTxn adds the marker that ends a transaction. The batch becomes a transactional control batch; its producer
// is set with [Builder.SetProducer] and has no sequence number (Kafka: EndTransactionMarker).
func (b *Builder) AppendEndTxn(ts core.Timestamp, commit bool, m EndTxn) {
	t := ControlAbort
	if commit {
		t = ControlCommit
	}
	b.SetTransactional()
	b.value = append16(b.value[:0], 0)
	b.value = append32(b.value, uint32(m.CoordinatorEpoch))
	b.AppendControl(ts, t, b.value)
}

// ParseEndTxn reads a marker's value.
func ParseEndTxn(value []byte) (EndTxn, bool) {
	if len(value) < endTxnSize || int16(be16(value)) < 0 {
		return EndTxn{}, false
	}
	return EndTxn{CoordinatorEpoch: int32(be32(value[2:]))}, true
}

// ControlVoter names a voter of the metadata quorum by its node and, since KIP-853, its log directory.
type ControlVoter struct {
	ID        core.BrokerID
	Directory core.UUID // in version 1 of the message alone
}

// LeaderChange is the value of the record with which a leader of the quorum begins its epoch (KIP-595).
type LeaderChange struct {
	Version  int16 // 0, or 1 with voter directories
	Leader   core.BrokerID
	Voters   []ControlVoter
	Granting []ControlVoter // those who voted for the leader
	// Epoch is the one that begins, or 0 if the record does not say. The batch's header has it, too, where no checksum
	// covers it.
	Epoch core.LeaderEpoch
}

// leaderChangeEpoch is the tag of Epoch in Ottla's records, which Kafka reads over as one of a later version.
const (
	leaderChangeEpoch     = 10_000
	leaderChangeEpochSize = 4
)

// AppendLeaderChange adds a LEADER_CHANGE record.
func (b *Builder) AppendLeaderChange(ts core.Timestamp, m *LeaderChange) {
	if m.Version < 0 || m.Version > 1 {
		panic("record: no such version of LeaderChangeMessage")
	}
	v := append16(b.value[:0], uint16(m.Version))
	v = append32(v, uint32(m.Leader))
	v = appendControlVoters(v, m.Voters, m.Version)
	v = appendControlVoters(v, m.Granting, m.Version)
	if m.Epoch == 0 {
		b.value = append(v, noTags)
	} else {
		v = binary.AppendUvarint(append(v, 1), leaderChangeEpoch)
		b.value = append32(append(v, leaderChangeEpochSize), uint32(m.Epoch))
	}
	b.AppendControl(ts, ControlLeaderChange, b.value)
}

func appendControlVoters(dst []byte, voters []ControlVoter, version int16) []byte {
	dst = appendLen(dst, len(voters))
	for i := range voters {
		dst = append32(dst, uint32(voters[i].ID))
		if version >= 1 {
			dst = append(dst, voters[i].Directory[:]...)
		}
		dst = append(dst, noTags)
	}
	return dst
}

// ParseLeaderChange reads the value of a LEADER_CHANGE record.
func ParseLeaderChange(value []byte) (LeaderChange, bool) {
	f := flex{b: value}
	m := LeaderChange{Version: int16(f.u16())}
	if m.Version < 0 {
		return LeaderChange{}, false
	}
	m.Leader = core.BrokerID(f.u32())
	m.Voters = f.controlVoters(m.Version)
	m.Granting = f.controlVoters(m.Version)
	f.tags(func(tag uint64, b []byte) {
		if tag == leaderChangeEpoch && len(b) == leaderChangeEpochSize {
			m.Epoch = core.LeaderEpoch(be32(b))
		}
	})
	return m, !f.bad
}

func (f *flex) controlVoters(version int16) []ControlVoter {
	const least = 4 + 1 // an id and no tags
	voters := make([]ControlVoter, 0, f.length(least))
	for range cap(voters) {
		x := ControlVoter{ID: core.BrokerID(f.u32())}
		if version >= 1 {
			x.Directory = f.uuid()
		}
		f.skipTags()
		voters = append(voters, x)
	}
	return voters
}

// AppendSnapshotHeader adds the record that begins a snapshot: the append time of the last record it contains.
func (b *Builder) AppendSnapshotHeader(ts, lastContained core.Timestamp) {
	v := append16(b.value[:0], 0)
	v = append32(v, uint32(uint64(lastContained)>>32))
	v = append32(v, uint32(lastContained))
	b.value = append(v, noTags)
	b.AppendControl(ts, ControlSnapshotHeader, b.value)
}

// ParseSnapshotHeader reads the value of a SNAPSHOT_HEADER record.
func ParseSnapshotHeader(value []byte) (lastContained core.Timestamp, ok bool) {
	f := flex{b: value}
	version := int16(f.u16())
	high := uint64(f.u32())
	lastContained = core.Timestamp(high<<32 | uint64(f.u32()))
	f.skipTags()
	return lastContained, !f.bad && version >= 0
}

// AppendSnapshotFooter adds the record that ends a snapshot.
func (b *Builder) AppendSnapshotFooter(ts core.Timestamp) {
	b.value = append(append16(b.value[:0], 0), noTags)
	b.AppendControl(ts, ControlSnapshotFooter, b.value)
}

// AppendKRaftVersion adds the record that sets the quorum's protocol version (KIP-853).
func (b *Builder) AppendKRaftVersion(ts core.Timestamp, version int16) {
	v := append16(append16(b.value[:0], 0), uint16(version))
	b.value = append(v, noTags)
	b.AppendControl(ts, ControlKRaftVersion, b.value)
}

// ParseKRaftVersion reads the value of a KRAFT_VERSION record.
func ParseKRaftVersion(value []byte) (version int16, ok bool) {
	f := flex{b: value}
	message := int16(f.u16())
	version = int16(f.u16())
	f.skipTags()
	return version, !f.bad && message >= 0
}
