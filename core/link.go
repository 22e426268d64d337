package core

import "errors"

// LinkID names a connection that a machine has opened to another broker or controller. Machines allot ids, never 0 and
// never twice, from a counter of their own.
type LinkID uint32

// LinkOpKind says what a [LinkOp] does.
type LinkOpKind uint8

// The operations on links.
const (
	// LinkOpen connects to Address (host:port). It is answered by [InputLinkUp] or, now or any time later,
	// [InputLinkDown]. Frames may be sent at once: they leave when the connection stands.
	LinkOpen LinkOpKind = iota + 1
	// LinkSend sends Bytes, a whole request with its length prefix, after those sent before. The driver has copied the
	// bytes when the operation was executed.
	LinkSend
	// LinkClose ends the connection. Nothing is heard of the link any more, except frames that were on their way.
	LinkClose
)

// LinkOp is one effect on links. A driver executes those of one machine in order.
type LinkOp struct {
	Kind    LinkOpKind
	Link    LinkID
	Address string
	Bytes   []byte
}

// ErrRefused is wrapped by the error of an [InputLinkDown] when the peer's host has said that nobody listens at the
// address (ECONNREFUSED). A driver that cannot tell never says so.
var ErrRefused = errors.New("connection refused")

// Link emits an operation on a link.
func (o *Outbox) Link(op LinkOp) { o.Links = append(o.Links, op) }
