package netsim

import (
	"strconv"
	"time"
)

// MaxHosts is the largest number of hosts of a network. A link is kept for each ordered pair.
const MaxHosts = 256

// Never is a time that does not come.
const Never = time.Duration(1<<63 - 1)

// Host is a machine of the network, counted from 0.
type Host int32

// Address is where a host listens.
type Address struct {
	Host Host
	Port uint16
}

// End is one side of a connection. It is never used again for another one. The zero End belongs to no connection.
type End uint64

func makeEnd(conn uint64, side uint8) End { return End(conn<<1 | uint64(side)) }

// Peer is the other side.
func (e End) Peer() End { return e ^ 1 }

// Dialer is true for the side that dialed.
func (e End) Dialer() bool { return e&1 == 0 }

// Conn is the connection's number, from 1 in the order of dialing.
func (e End) Conn() uint64 { return uint64(e >> 1) }

func (e End) side() uint8 { return uint8(e & 1) }

// String gives the connection's number and d for its dialer, a for its acceptor.
func (e End) String() string { return string(e.appendText(nil)) }

func (e End) appendText(dst []byte) []byte {
	dst = strconv.AppendUint(dst, e.Conn(), 10)
	return append(dst, "da"[e.side()])
}
