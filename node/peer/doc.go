// Package peer makes the connections that machines open to other brokers and controllers: it executes [core.LinkOp]
// and brings back what happens to links. Requests leave in order; frames come back in order; a link that is down
// stays down, and its owner opens another.
package peer
