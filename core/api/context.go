package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/group"
	"ottla.dev/core/wire"
)

// Context is one request on its way through a session. A handler runs once; each operation that it sends names what to
// do with the result, and when no operation is outstanding the response is complete.
type Context struct {
	Now        core.Instant
	Cluster    *Cluster
	Version    int16
	ClientID   string
	ClientHost string // the client's address as Java writes it: /10.0.0.7
	Request    kmsg.Request
	// Response is what will be encoded. A handler sets it, at the latest in its last continuation.
	Response kmsg.Response
	// Self and Call go into every operation, so that its result finds back.
	Self core.Address
	Call uint64
	// Direct says that the request came to a listener of the controller: this node decides it, or refuses it.
	Direct bool

	out     *core.Outbox
	classes wire.Class
	waiting []continuation

	// Memory of a heartbeat, which is to cost none.
	beat     GroupOp
	beatResp kmsg.HeartbeatResponse
}

// continuation is what to do with an operation that comes back: without then, its response is the request's.
type continuation struct {
	message core.Message
	then    func(core.Message)
}

// Begin readies c for a request; out collects the operations that handlers send.
func (c *Context) Begin(out *core.Outbox) {
	c.out = out
	c.waiting = c.waiting[:0]
}

// Send sends an operation. Its machine sends the same struct back, and then runs with it.
func (c *Context) Send(to core.Address, m core.Message, then func(core.Message)) {
	c.waiting = append(c.waiting, continuation{m, then})
	c.out.Send(to, m)
}

// Returned runs the continuation of an operation that came back, with the metadata of now, which holds what the
// operation has changed. It reports false if m was not awaited.
func (c *Context) Returned(now core.Instant, cluster *Cluster, m core.Message) bool {
	for i := range c.waiting {
		if c.waiting[i].message == m {
			then := c.waiting[i].then
			c.waiting = append(c.waiting[:i], c.waiting[i+1:]...)
			c.Now, c.Cluster = now, cluster
			if then == nil {
				c.Response = m.(*GroupOp).Call.Response
			} else {
				then(m)
			}
			return true
		}
	}
	return false
}

// Reset forgets the request, and with it everything that aliases the frame.
func (c *Context) Reset() {
	clear(c.waiting)
	*c = Context{waiting: c.waiting[:0]}
}

// Done reports whether every operation has come back.
func (c *Context) Done() bool { return len(c.waiting) == 0 }

// Control sends a request to the controller and runs then with its response.
func (c *Context) Control(req kmsg.Request, then func(*ControlOp)) {
	c.control(&ControlOp{Reply: c.Self, Call: c.Call, Request: req, ClientID: c.ClientID,
		Direct: c.Direct}, then)
}

func (c *Context) control(op *ControlOp, then func(*ControlOp)) {
	c.Send(core.Control(), op, func(core.Message) { then(op) })
}

// ControlOp asks control to decide a request. The answer comes when the decision's records are committed and after the
// metadata that they made has been sent to shards and sessions, so that a client reads its own writes.
type ControlOp struct {
	Reply    core.Address
	Call     uint64
	ClientID string
	Request  kmsg.Request
	// Internal says that the broker asks on its own behalf, for a topic of its own.
	Internal bool
	// Direct says that the request is decided here or refused with NotController. Others go on to the controller.
	Direct bool

	Response kmsg.Response
	// Code is why there is no response: NotController, or a failed log.
	Code core.ErrorCode
}

// AppendText implements [core.Message].
func (op *ControlOp) AppendText(dst []byte) []byte {
	dst = append(dst, "Control "...)
	dst = append(dst, kmsg.NameForKey(op.Request.Key())...)
	if op.Code != core.NoError {
		dst = append(append(dst, ' '), op.Code.String()...)
	}
	return dst
}

// QuorumOp gives control's replica of the metadata quorum a request. It comes back with its response, or with none:
// then the connection ends.
type QuorumOp struct {
	Reply    core.Address
	Call     uint64
	Request  kmsg.Request
	Response kmsg.Response
}

// AppendText implements [core.Message].
func (op *QuorumOp) AppendText(dst []byte) []byte {
	return append(append(dst, "Quorum "...), kmsg.NameForKey(op.Request.Key())...)
}

// GroupOp asks the group coordinator that lives on one partition of __consumer_offsets. It comes back with the call's
// response.
type GroupOp struct {
	Reply     core.Address
	Partition core.PartitionID
	Call      group.Call
}

// AppendText implements [core.Message].
func (op *GroupOp) AppendText(dst []byte) []byte {
	dst = append(dst, "Group "...)
	if op.Call.Request == nil {
		return append(dst, "TopicsDeleted"...)
	}
	return append(dst, kmsg.NameForKey(op.Call.Request.Key())...)
}
