package broker

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/partition"
	"ottla.dev/core/probe"
	"ottla.dev/core/wire"
)

// maxPipelined is how many produce requests of one connection may be under way at once. Their appends stay in order
// because a session's messages to a shard do; every other request waits until those before it are answered, as behind
// Kafka's muted channels.
const maxPipelined = 16

// maxOtherRequest is the largest request in bytes that is not Produce. Kafka lets all be as large as
// socket.request.max.bytes, which is there for records; a request without records becomes many times its size in memory
// when it is decoded and answered. A fetch of 100,000 partitions takes 4 MiB.
const maxOtherRequest = 16 << 20

// Session is the machine of one client connection.
//
// Invariant: calls are in the order of their requests, and only the first of them are anything but produce requests.
type Session struct {
	server   api.Server
	host     string
	out      core.Outbox
	calls    []*call
	leaving  []*call // answered calls whose bytes are the driver's
	free     []*call
	held     []byte // a frame that waits for the calls before it
	reading  bool   // the driver was told to read, and has not brought a frame since
	nextCall uint64
	gone     bool // the peer has disconnected
	ending   bool // a request was malformed: no more are read, and the connection ends when those before it are answered
	closing  bool // no more requests are served, and no more answers sent
	finished bool // control was told, and the driver may forget the session
}

// call is one request between its frame and the end of its answer.
type call struct {
	id      uint64
	header  wire.Header
	frame   []byte // nil once it was given back
	kind    callKind
	produce api.ProduceCall
	fetch   api.FetchCall
	context api.Context
	answer  []byte // of a context
	part    [1]core.Part
}

type callKind uint8

const (
	callProduce callKind = iota + 1
	callFetch
	callContext
)

func newSession(id uint32, classes wire.Class, early int, random core.PRNG) *Session {
	return &Session{server: api.Server{Self: core.Session(id), Classes: classes, EarlyBytes: early, Random: random}}
}

// Deadline is never: what a session waits for is timed by the shards.
func (s *Session) Deadline() (time.Duration, bool) { return 0, false }

// Drain implements [core.Machine].
func (s *Session) Drain(out *core.Outbox) { drain(&s.out, out) }

// Step implements [core.Machine].
func (s *Session) Step(now core.Instant, in core.Input) {
	s.server.Now, s.server.Out = now, &s.out
	switch in.Kind {
	case core.InputStart:
		s.host = "/" + in.Peer
		s.out.Send(core.Control(), &hello{from: s.server.Self})
		// What comes to the controller need not wait for metadata.
		if s.server.Classes&wire.ClassRaft != 0 {
			s.read()
		}
	case core.InputFrame:
		s.frame(in.Frame)
	case core.InputMessage:
		s.message(in.Message)
	case core.InputAnswered:
		s.answered(in.Token)
	case core.InputDisconnected:
		s.disconnected()
	case core.InputTick:
	default:
		panic("broker: a session got an input that is not its own")
	}
	s.finish()
}

func (s *Session) message(m core.Message) {
	switch m := m.(type) {
	case *news:
		first := s.server.Cluster == nil
		s.server.Use(m.cluster)
		if first && !s.gone && s.server.Classes&wire.ClassRaft == 0 {
			s.read()
		}
	case *partition.ProduceOp:
		c := s.find(m.Call)
		c.produce.Returned(m)
		s.releaseEarly(c)
	case *partition.ProduceTaken:
		c := s.find(m.Call)
		c.produce.Taken()
		s.releaseEarly(c)
	case *partition.FetchOp:
		c := s.find(m.Call)
		c.fetch.Returned(&s.server, m)
	case *partition.CancelOp:
		c := s.find(m.Call)
		c.fetch.Canceled(&s.server, m)
	case *partition.QueryOp:
		s.resume(m.Call, m)
	case *api.ControlOp:
		s.resume(m.Call, m)
	case *api.GroupOp:
		s.resume(m.Call.Slot, m)
	case *api.QuorumOp:
		s.resume(m.Call, m)
		s.ending = s.ending || m.Response == nil
	default:
		panic("broker: a session got a message that is not its own")
	}
	s.flush()
}

func (s *Session) resume(id uint64, m core.Message) {
	c := s.find(id)
	if !c.context.Returned(s.server.Now, s.server.Cluster, m) {
		panic("broker: an operation came back that its call does not wait for")
	}
}

func (s *Session) find(id uint64) *call {
	for _, c := range s.calls {
		if c.id == id {
			return c
		}
	}
	panic("broker: an operation came back to a call that is over")
}

// read lets the driver bring the next frame. It is told once for each.
func (s *Session) read() {
	if !s.reading {
		s.reading, s.out.Resume = true, true
	}
}

// frame takes one request, or holds it until those before it are answered.
func (s *Session) frame(frame []byte) {
	s.reading = false
	switch {
	case s.closing, s.ending:
		s.out.Release(frame)
	case s.held != nil:
		panic("broker: a frame although reading was not resumed")
	default:
		h, body, err := wire.ParseHeader(frame, s.server.Classes)
		if err == nil && s.server.Cluster == nil && api.NeedsMetadata(h.Key) && !s.quorumFetch(h) {
			s.held = frame
			return
		}
		if len(s.calls) > 0 && (err != nil || h.Key != wire.Produce || s.calls[0].kind != callProduce) {
			s.held = frame
			if len(s.calls) > 0 && s.calls[0].kind == callFetch {
				s.calls[0].fetch.Press(&s.server)
			}
			s.out.Sometimes(probe.RequestHeld)
			return
		}
		s.begin(frame, h, body, err)
		s.flush()
	}
}

// begin starts the call of a request.
func (s *Session) begin(frame []byte, h wire.Header, body []byte, err error) {
	if err == nil && h.Key != wire.Produce && len(frame) > maxOtherRequest {
		err = wire.ErrFrameSize
	}
	if err != nil && !errors.Is(err, wire.ErrApiVersionsVersion) {
		s.out.Sometimes(probe.RequestMalformed)
		s.out.Release(frame)
		s.hangUp()
		return
	}
	c := s.newCall(frame, h)
	if err != nil {
		s.out.Sometimes(probe.AnsweredUnsupported)
		c.kind = callContext
		s.server.Prepare(&c.context, h, nil, c.id, s.host)
		c.context.Response = api.UnsupportedApiVersions(s.server.Classes)
		return
	}
	req, err := s.decode(h, body)
	if err != nil {
		s.calls = s.calls[:len(s.calls)-1]
		s.recycle(c)
		s.out.Sometimes(probe.RequestMalformed)
		s.ending = true // the flush that follows every begin hangs up
		return
	}
	switch r := req.(type) {
	case *kmsg.ProduceRequest:
		if len(s.calls) > 1 {
			s.out.Sometimes(probe.RequestsOverlapped)
		}
		c.kind = callProduce
		c.produce.Start(&s.server, h, r, len(frame), c.id)
	case *kmsg.FetchRequest:
		if s.quorumFetch(h) {
			if !api.IsMetadataFetch(r) { // the controller has no other partition
				s.calls = s.calls[:len(s.calls)-1]
				s.recycle(c)
				s.ending = true
				return
			}
			c.kind = callContext
			s.server.Prepare(&c.context, h, req, c.id, s.host)
			api.Quorum(&c.context)
			break
		}
		c.kind = callFetch
		c.fetch.Start(&s.server, h, r, c.id)
		if c.fetch.Follower() && !s.gone {
			s.read() // what comes next ends the wait
		}
	default:
		c.kind = callContext
		s.server.Prepare(&c.context, h, req, c.id, s.host)
		handler := api.HandlerFor(h.Key)
		if handler == nil {
			panic("broker: the table serves " + h.Key.String() + ", and nothing handles it")
		}
		handler(&c.context)
	}
	if c.kind == callProduce && len(s.calls) < maxPipelined && !s.gone {
		s.read()
	}
}

// quorumFetch reports whether a request is a fetch that came to the controller.
func (s *Session) quorumFetch(h wire.Header) bool {
	return h.Key == wire.Fetch && s.server.Classes&wire.ClassRaft != 0
}

// decode decodes a request. What the quorum gets it may keep longer than the memory that others share lasts.
func (s *Session) decode(h wire.Header, body []byte) (kmsg.Request, error) {
	if !s.quorumFetch(h) {
		return s.server.Requests.Decode(h, body)
	}
	req := kmsg.NewPtrFetchRequest()
	return req, wire.Decode(h, body, req)
}

func (s *Session) newCall(frame []byte, h wire.Header) *call {
	var c *call
	if n := len(s.free); n > 0 {
		c, s.free = s.free[n-1], s.free[:n-1]
	} else {
		c = &call{}
	}
	s.nextCall++
	c.id, c.header, c.frame = s.nextCall, h, frame
	s.calls = append(s.calls, c)
	return c
}

// flush answers the calls that are complete, from the front, and starts what was held behind them.
func (s *Session) flush() {
	for len(s.calls) > 0 && s.calls[0].done() {
		c := s.calls[0]
		n := copy(s.calls, s.calls[1:])
		s.calls[n] = nil
		s.calls = s.calls[:n]
		resume := c.kind != callProduce || n == maxPipelined-1
		s.answer(c)
		if resume && s.held == nil && !s.closing && !s.ending {
			s.read()
		}
	}
	if s.ending && len(s.calls) == 0 {
		s.hangUp()
	}
	if s.held != nil && len(s.calls) == 0 && !s.closing {
		frame := s.held
		h, body, err := wire.ParseHeader(frame, s.server.Classes)
		if err == nil && s.server.Cluster == nil && api.NeedsMetadata(h.Key) && !s.quorumFetch(h) {
			return
		}
		s.held = nil
		s.begin(frame, h, body, err)
		s.flush()
	}
}

func (c *call) done() bool {
	switch c.kind {
	case callProduce:
		return c.produce.Done()
	case callFetch:
		return c.fetch.Done()
	}
	return c.context.Done()
}

// answer sends the answer of a complete call, unless it wants none or nobody is there to read it.
func (s *Session) answer(c *call) {
	if c.kind == callProduce && c.produce.Silent() {
		failed := c.produce.Failed()
		s.recycle(c)
		if failed {
			s.hangUp()
		}
		return
	}
	if s.closing {
		s.recycle(c)
		return
	}
	switch c.kind {
	case callProduce:
		c.part[0] = core.Part{Bytes: c.produce.Answer(&s.server)}
		s.out.Answer(c.id, c.part[:]...)
	case callFetch:
		s.out.Answer(c.id, c.fetch.Answer(&s.server)...)
	case callContext:
		if c.context.Response == nil && s.ending {
			s.recycle(c)
			return
		}
		if c.context.Response == nil {
			panic("broker: " + c.header.Key.String() + " ended without a response")
		}
		c.answer = wire.AppendResponse(c.answer[:0], c.header, c.context.Response)
		c.part[0] = core.Part{Bytes: c.answer}
		s.out.Answer(c.id, c.part[:]...)
	}
	s.leaving = append(s.leaving, c)
}

// answered takes back the bytes of an answer. Answers leave in order.
func (s *Session) answered(token uint64) {
	if len(s.leaving) == 0 || s.leaving[0].id != token {
		panic("broker: an answer left out of order")
	}
	c := s.leaving[0]
	n := copy(s.leaving, s.leaving[1:])
	s.leaving[n] = nil
	s.leaving = s.leaving[:n]
	s.recycle(c)
}

// maxFree is how many calls a session keeps for later requests: more than the five that clients have under way.
const maxFree = 8

// releaseEarly gives the frame of a request that waits for its answer back, if nothing looks at it any more.
func (s *Session) releaseEarly(c *call) {
	if c.frame != nil && c.produce.Free() {
		s.out.Release(c.frame)
		c.frame, c.header.ClientID = nil, nil
	}
}

// recycle gives the call's frame back, unless it was, and keeps its memory for another request.
func (s *Session) recycle(c *call) {
	if c.frame != nil {
		s.out.Release(c.frame)
	}
	c.frame, c.header, c.part[0] = nil, wire.Header{}, core.Part{}
	c.produce.Reset()
	c.fetch.Reset()
	c.context.Reset()
	if cap(c.answer) > maxKeptAnswer {
		c.answer = nil
	}
	if len(s.free) < maxFree {
		s.free = append(s.free, c)
	}
}

// maxKeptAnswer is the largest answer buffer in bytes that a call keeps for the next request.
const maxKeptAnswer = 16 << 10

// hangUp ends the connection after the answers that are on their way. What is under way is finished, in silence.
func (s *Session) hangUp() {
	if s.closing {
		return
	}
	s.closing = true
	s.out.Close = true
	s.dropHeld()
}

func (s *Session) disconnected() {
	s.gone, s.closing = true, true
	s.dropHeld()
	for _, c := range s.calls {
		s.out.Sometimes(probe.HungUpInFlight)
		if c.kind == callFetch {
			c.fetch.Abandon(&s.server)
		}
	}
	s.flush()
}

func (s *Session) dropHeld() {
	if s.held != nil {
		s.out.Release(s.held)
		s.held = nil
	}
}

// finish ends the session when the peer is gone and nothing of it is left.
func (s *Session) finish() {
	if s.gone && !s.finished && len(s.calls) == 0 && len(s.leaving) == 0 {
		s.finished = true
		s.out.Send(core.Control(), &bye{from: s.server.Self})
		s.out.Close = true
	}
}
