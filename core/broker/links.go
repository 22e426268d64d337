package broker

import (
	"bytes"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/wire"
)

// lane tells connections to one address apart, whose requests must not wait for each other: answers come in the order
// of the requests, and some take their time.
type lane uint8

const (
	laneQuorum  lane = iota // votes, epochs
	laneFetch               // of the metadata log, which the leader may keep
	laneBroker              // registration and heartbeats
	laneForward             // everything else that the controller decides
	laneConfirm             // confirmations of leaderships, for which clients wait
	laneVoters              // changes of the voters, which take their time
	laneReplica             // fetches of a shard's followers
)

// The time after which a connection is tried again, which doubles up to a bound.
const (
	reconnectFirst = 50 * time.Millisecond
	reconnectMost  = 300 * time.Millisecond // an election must not wait longer
)

// framesBlock is how many bytes are allocated at a time for requests.
const framesBlock = 4 << 10

// requestRoom is the size in bytes that most requests to other nodes do not exceed: fetches of a few partitions.
const requestRoom = 256

// links are control's connections to other nodes: one for each address and lane, made when it is needed.
type links struct {
	clientID string
	next     core.LinkID
	conns    []*conn
	knocks   []knock // in the order in which they expire
	frames   []byte  // memory for the next requests
}

// conn is a connection, or the memory of one that failed.
//
// Invariant: calls are in the order in which they were sent; without a link there are none.
type conn struct {
	address     string
	lane        lane
	link        core.LinkID // 0: none
	up          bool
	refused     bool // the last attempt to connect failed, at refusedAt
	refusedAt   time.Duration
	correlation int32
	calls       []*outgoing
	backoff     time.Duration
	retryAt     time.Duration
	used        time.Duration
}

// outgoing is a request under way.
type outgoing struct {
	correlation int32
	key         wire.Key
	version     int16
	expires     time.Duration
	then        func(resp kmsg.Response, sent bool)
	// frame, if it is set, takes the response in the place of then, together with the frame, which it releases.
	frame func(resp kmsg.Response, frame []byte)
}

// send sends a request in its own version and calls then once with the response; with nil if there will be none, and
// whether the other side may have got the request.
func (l *links) send(now core.Instant, out *core.Outbox, address string, ln lane, req kmsg.Request,
	timeout time.Duration, then func(resp kmsg.Response, sent bool)) *outgoing {
	c := l.conn(address, ln)
	if c.link == 0 {
		if !now.Reached(c.retryAt) {
			then(nil, false)
			return nil
		}
		l.next++
		c.link, c.up = l.next, false
		out.Link(core.LinkOp{Kind: core.LinkOpen, Link: c.link, Address: address})
	}
	c.correlation++
	c.used = now.Mono
	o := &outgoing{correlation: c.correlation, key: wire.Key(req.Key()), version: req.GetVersion(),
		expires: now.Mono + timeout, then: then}
	c.calls = append(c.calls, o)
	h := wire.Header{Key: o.key, Version: o.version, CorrelationID: o.correlation, ClientID: []byte(l.clientID)}
	out.Link(core.LinkOp{Kind: core.LinkSend, Link: c.link, Bytes: l.frame(h, req)})
	return o
}

// frame puts a request together. It belongs to the driver, which may take more steps before it sends anything: no byte
// is given out twice. What is allocated together leaves memory together.
func (l *links) frame(h wire.Header, req kmsg.Request) []byte {
	if cap(l.frames)-len(l.frames) < requestRoom {
		l.frames = make([]byte, 0, framesBlock)
	}
	from := len(l.frames)
	l.frames = wire.AppendRequest(l.frames, h, req)
	return l.frames[from:len(l.frames):len(l.frames)]
}

func (l *links) conn(address string, ln lane) *conn {
	for _, c := range l.conns {
		if c.address == address && c.lane == ln {
			return c
		}
	}
	c := &conn{address: address, lane: ln, backoff: reconnectFirst}
	l.conns = append(l.conns, c)
	return c
}

// input takes what the driver says about a link.
func (l *links) input(now core.Instant, in core.Input, out *core.Outbox) {
	if l.knocked(in, out) {
		return
	}
	var c *conn
	for _, x := range l.conns {
		if x.link == in.Link {
			c = x
		}
	}
	if c == nil {
		if in.Kind == core.InputLinkFrame {
			out.Release(in.Frame)
		}
		return // it was closed
	}
	switch in.Kind {
	case core.InputLinkUp:
		c.up, c.refused, c.backoff = true, false, reconnectFirst
	case core.InputLinkDown:
		if c.refused = !c.up; c.refused {
			c.refusedAt = now.Mono
		}
		c.fail(now)
	case core.InputLinkFrame:
		l.answer(now, c, in.Frame, out)
	}
}

// on reports whether a link stands that is a connection of the lane.
func (l *links) on(link core.LinkID, ln lane) bool {
	return slices.ContainsFunc(l.conns, func(c *conn) bool { return c.link == link && c.lane == ln && c.up })
}

// answer takes a response to the oldest request. Anything else ends the connection: what comes later on it could be
// taken for something that it is not.
func (l *links) answer(now core.Instant, c *conn, frame []byte, out *core.Outbox) {
	lent := frame
	defer func() {
		if lent != nil {
			out.Release(lent)
		}
	}()
	id, ok := wire.ResponseCorrelation(frame)
	if ok && len(c.calls) > 0 && c.calls[0].correlation == id {
		o := c.calls[0]
		if o.frame == nil && (o.key == wire.Fetch || o.key == wire.FetchSnapshot) {
			frame = bytes.Clone(frame) // the quorum keeps the batches
		}
		if _, resp, err := wire.DecodeResponse(o.key, o.version, frame); err == nil {
			c.calls = append(c.calls[:0], c.calls[1:]...)
			if o.frame != nil {
				lent = nil
				o.frame(resp, frame)
			} else {
				o.then(resp, true)
			}
			return
		}
	}
	out.Note(core.Warn, "A response from "+c.address+" cannot be read; the connection is closed.")
	out.Link(core.LinkOp{Kind: core.LinkClose, Link: c.link})
	c.fail(now)
}

// fail forgets the connection and fails what is under way on it.
func (c *conn) fail(now core.Instant) {
	calls, sent := c.calls, c.up
	c.calls, c.link, c.up = nil, 0, false
	c.retryAt = now.Mono + c.backoff
	c.backoff = min(2*c.backoff, reconnectMost)
	for _, o := range calls {
		o.then(nil, sent)
	}
}

// tick closes the connections on which a request was not answered in time: its peer may be gone without a word.
func (l *links) tick(now core.Instant, out *core.Outbox) {
	l.tickKnocks(now, out)
	for i := 0; i < len(l.conns); i++ {
		if c := l.conns[i]; c.late(now) {
			out.Link(core.LinkOp{Kind: core.LinkClose, Link: c.link})
			c.fail(now)
		}
	}
}

func (c *conn) late(now core.Instant) bool {
	for _, o := range c.calls {
		if now.Reached(o.expires) {
			return true
		}
	}
	return false
}

func (l *links) deadline() time.Duration {
	at := core.Never
	if len(l.knocks) > 0 {
		at = l.knocks[0].expires
	}
	for _, c := range l.conns {
		for _, o := range c.calls {
			at = min(at, o.expires)
		}
	}
	return at
}

// refused returns when an attempt to connect to an address failed last, if one has, and there is no connection.
func (l *links) refused(address string) (at time.Duration, refused bool) {
	for _, c := range l.conns {
		if c.address != address {
			continue
		}
		if c.up {
			return 0, false
		}
		if c.refused {
			at, refused = max(at, c.refusedAt), true
		}
	}
	return at, refused
}

// close ends all connections.
func (l *links) close(now core.Instant, out *core.Outbox) {
	for _, k := range l.knocks {
		out.Link(core.LinkOp{Kind: core.LinkClose, Link: k.link})
	}
	l.knocks = nil
	for _, c := range l.conns {
		if c.link != 0 {
			out.Link(core.LinkOp{Kind: core.LinkClose, Link: c.link})
		}
		c.fail(now)
	}
}
