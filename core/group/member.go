package group

import (
	"bytes"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// protocol is one way of assigning partitions that a member can take part in.
type protocol struct {
	name     string
	metadata []byte // never changed in place: answers refer to it
}

// copyProtocols copies a request's protocols. Of two with the same name the first counts.
func copyProtocols(from []kmsg.JoinGroupRequestProtocol) []protocol {
	to := make([]protocol, 0, len(from))
next:
	for i := range from {
		for j := range i {
			if from[j].Name == from[i].Name {
				continue next
			}
		}
		to = append(to, protocol{name: strings.Clone(from[i].Name), metadata: bytes.Clone(from[i].Metadata)})
	}
	return to
}

// member is one member of a group.
type member struct {
	id       string
	instance *string // group.instance.id of a static member, else nil

	clientID, clientHost             string
	sessionTimeout, rebalanceTimeout time.Duration
	protocols                        []protocol // in the order of the member's preference
	assignment                       []byte     // never changed in place

	// join and sync are the member's calls that wait for the others.
	join, sync *Call
	// fresh is set from the first JoinGroup until its answer: nobody has told the member its id, or its session began
	// with the join that it still waits in.
	fresh bool
	// owesSync is set from the answer to JoinGroup until SyncGroup comes.
	owesSync bool

	session timer
}

func (m *member) static() bool { return m.instance != nil }

// excused reports whether the member is alive without heartbeats because it waits for us.
func (m *member) excused() bool { return !m.fresh && (m.join != nil || m.sync != nil) }

// metadata returns what the member said about a protocol, or nothing.
func (m *member) metadata(name string) []byte {
	for i := range m.protocols {
		if m.protocols[i].name == name {
			return m.protocols[i].metadata
		}
	}
	return nil
}

// offers reports whether the request's protocols are the ones that the member already has, in the same order.
func (m *member) offers(protocols []kmsg.JoinGroupRequestProtocol) bool {
	if len(protocols) != len(m.protocols) {
		return false
	}
	for i := range protocols {
		if protocols[i].Name != m.protocols[i].name || !bytes.Equal(protocols[i].Metadata, m.protocols[i].metadata) {
			return false
		}
	}
	return true
}

func cloneNullable(s *string) *string {
	if s == nil {
		return nil
	}
	c := strings.Clone(*s)
	return &c
}
