package record

import "ottla.dev/core"

// Voter is a member of the metadata quorum as KRAFT_VOTERS records it (KIP-853: VotersRecord).
type Voter struct {
	ID        core.BrokerID
	Directory core.UUID
	Endpoints []Endpoint
	// MinKRaftVersion and MaxKRaftVersion are the protocol versions that the voter supports.
	MinKRaftVersion int16
	MaxKRaftVersion int16
}

// Endpoint is a listener at which a voter is reached.
type Endpoint struct {
	Name string
	Host string
	Port uint16
}

// AppendKRaftVoters adds the record that sets the quorum's voters.
func (b *Builder) AppendKRaftVoters(ts core.Timestamp, voters []Voter) {
	v := append16(b.value[:0], 0)
	v = appendLen(v, len(voters))
	for i := range voters {
		v = appendVoter(v, &voters[i])
	}
	b.value = append(v, noTags)
	b.AppendControl(ts, ControlKRaftVoters, b.value)
}

func appendVoter(dst []byte, x *Voter) []byte {
	dst = append32(dst, uint32(x.ID))
	dst = append(dst, x.Directory[:]...)
	dst = appendLen(dst, len(x.Endpoints))
	for i := range x.Endpoints {
		e := &x.Endpoints[i]
		dst = append(appendLen(dst, len(e.Name)), e.Name...)
		dst = append(appendLen(dst, len(e.Host)), e.Host...)
		dst = append(append16(dst, e.Port), noTags)
	}
	dst = append16(append16(dst, uint16(x.MinKRaftVersion)), uint16(x.MaxKRaftVersion))
	return append(dst, noTags, noTags) // of the version range, and of the voter
}

// ParseKRaftVoters reads the value of a KRAFT_VOTERS record.
func ParseKRaftVoters(value []byte) ([]Voter, bool) {
	const least = 4 + 16 + 1 + 4 + 2 // no endpoints, no tags
	f := flex{b: value}
	if int16(f.u16()) < 0 {
		return nil, false
	}
	voters := make([]Voter, 0, f.length(least))
	for range cap(voters) {
		x := Voter{ID: core.BrokerID(f.u32()), Directory: f.uuid(), Endpoints: f.endpoints()}
		x.MinKRaftVersion, x.MaxKRaftVersion = int16(f.u16()), int16(f.u16())
		f.skipTags()
		f.skipTags()
		voters = append(voters, x)
	}
	f.skipTags()
	if f.bad {
		return nil, false
	}
	return voters, true
}

func (f *flex) endpoints() []Endpoint {
	const least = 1 + 1 + 2 + 1 // two empty names, the port, no tags
	out := make([]Endpoint, 0, f.length(least))
	for range cap(out) {
		e := Endpoint{Name: f.text(), Host: f.text(), Port: f.u16()}
		f.skipTags()
		out = append(out, e)
	}
	return out
}
