package netsim

import (
	"strconv"
	"time"
)

// EventKind says what an end is told.
type EventKind uint8

// The events.
const (
	// Connected tells a dialer that it may send.
	Connected EventKind = iota + 1
	// Accepted tells a host that listens of a new connection. It may send.
	Accepted
	// Refused tells a dialer that nobody listens; the end is gone.
	Refused
	// TimedOut tells a dialer that there was no answer, or a sender that its bytes were not acknowledged; the end is gone.
	TimedOut
	// Arrived brings a payload.
	Arrived
	// Fragmented brings a payload of which only the first Bytes bytes arrived. A ResetByPeer follows at once.
	Fragmented
	// Writable tells a sender that was refused with ErrFull that it may send again.
	Writable
	// ClosedByPeer says that the peer sent everything and closed. The end stays until it is closed too.
	ClosedByPeer
	// ResetByPeer says that the connection is over; the end is gone.
	ResetByPeer
)

// String gives the event's name.
func (k EventKind) String() string {
	return [...]string{"none", "connected", "accepted", "refused", "timed-out", "arrived", "fragmented", "writable",
		"closed", "reset"}[k]
}

// Final is true for events after which the end is gone: nothing comes for it any more and nothing can be sent.
func (k EventKind) Final() bool { return k == Refused || k == TimedOut || k == ResetByPeer }

// Event is something that an end, on Host, is told.
type Event[P any] struct {
	Kind EventKind
	At   time.Duration
	End  End
	Host Host
	Peer Host
	// Port is where the connection was dialed to.
	Port uint16
	// Payload came with Arrived and Fragmented, Size is what it was sent with, Bytes how many of them arrived.
	Payload P
	Size    int
	Bytes   int
}

// AppendText appends the event as a line without its end, and without the payload itself.
func (e *Event[P]) AppendText(dst []byte) []byte {
	dst = strconv.AppendInt(dst, int64(e.At), 10)
	dst = append(append(dst, ' '), e.Kind.String()...)
	dst = e.End.appendText(append(dst, ' '))
	dst = strconv.AppendInt(append(dst, " host="...), int64(e.Host), 10)
	dst = strconv.AppendInt(append(dst, " peer="...), int64(e.Peer), 10)
	if e.Size > 0 {
		dst = strconv.AppendInt(append(dst, " bytes="...), int64(e.Bytes), 10)
		dst = strconv.AppendInt(append(dst, '/'), int64(e.Size), 10)
	}
	return dst
}
