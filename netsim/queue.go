package netsim

import "time"

// packetKind tells payloads from what the network adds to them.
type packetKind uint8

const (
	packetData   packetKind = iota
	packetAccept            // the dialer's acknowledgement that makes the connection exist for the acceptor
	packetClose             // nothing follows
	packetReset             // a reset that came after everything before it
)

// packet is something under way.
type packet[P any] struct {
	payload P
	departs time.Duration
	arrives time.Duration
	size    int
	bytes   int // less than size: only a part of it arrives
	kind    packetKind
}

// queue is a ring of packets.
type queue[P any] struct {
	ring  []packet[P] // a power of two
	first int
	n     int
}

func (q *queue[P]) at(i int) *packet[P] { return &q.ring[(q.first+i)&(len(q.ring)-1)] }

func (q *queue[P]) head() *packet[P] { return q.at(0) }

// push returns the new last packet, to be filled.
func (q *queue[P]) push() *packet[P] {
	if q.n == len(q.ring) {
		ring := make([]packet[P], max(4, 2*q.n))
		for i := range q.n {
			ring[i] = *q.at(i)
		}
		q.ring, q.first = ring, 0
	}
	q.n++
	return q.at(q.n - 1)
}

func (q *queue[P]) pop() {
	*q.head() = packet[P]{}
	q.first = (q.first + 1) & (len(q.ring) - 1)
	q.n--
}

// drop removes the last packet.
func (q *queue[P]) drop() {
	*q.at(q.n - 1) = packet[P]{}
	q.n--
}
