package core

import "strconv"

// Role is the kind of a machine within a broker.
type Role uint8

// The machines of a broker.
const (
	RoleControl Role = iota + 1 // the quorum replica, the controller when active, the broker's own registration
	RoleShard                   // owns partitions and the coordinators that live on them
	RoleSession                 // one client connection
)

// Address names a machine of the same broker. Other brokers are reached over connections, in Kafka's protocol.
type Address struct {
	Role  Role
	Index uint32 // the shard's number or the connection's; 0 for control
}

// Control is the address of a broker's control machine.
func Control() Address { return Address{Role: RoleControl} }

// Shard is the address of shard i.
func Shard(i uint32) Address { return Address{Role: RoleShard, Index: i} }

// Session is the address of the session of connection i.
func Session(i uint32) Address { return Address{Role: RoleSession, Index: i} }

// String is the address's form in traces: control, shard/0, session/7.
func (a Address) String() string { return string(a.AppendText(nil)) }

// AppendText appends what String gives.
func (a Address) AppendText(dst []byte) []byte {
	switch a.Role {
	case RoleControl:
		return append(dst, "control"...)
	case RoleShard:
		return strconv.AppendUint(append(dst, "shard/"...), uint64(a.Index), 10)
	case RoleSession:
		return strconv.AppendUint(append(dst, "session/"...), uint64(a.Index), 10)
	}
	return append(dst, "nowhere"...)
}

// Message is what machines of one broker send each other. Messages are pointers to structs; ownership passes with the
// message, and the receiver of a request sends the same struct back as its answer.
type Message interface {
	// AppendText appends the message's stable one-line form, used in traces and failure reports.
	AppendText(dst []byte) []byte
}
