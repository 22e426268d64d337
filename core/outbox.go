package core

import "ottla.dev/core/probe"

// Outbox collects the effects of a machine's steps. A driver hands it to Drain, executes it, resets it, and uses it
// again; its slices are reused, so that a step that produces, fetches or beats allocates nothing.
//
// The driver executes Files first, in order, then starts Jobs, then delivers Sends in order, then Links, Answers,
// Releases, Resume and Close. Nothing in Sends or Answers depends on Files of the same outbox being durable or even
// done: what must wait for a completion is emitted by the step that gets the completion.
type Outbox struct {
	Files    []FileOp
	Jobs     []Job
	Sends    []Send
	Links    []LinkOp
	Answers  []Answer
	Parts    []Part
	Releases [][]byte

	// Resume lets a session's driver read the next request. It reads one, then waits for the next Resume.
	Resume bool
	// Close ends the session's connection once the answers before it have left. The first Close after the session has
	// taken [InputDisconnected] is its last word: the driver may forget it.
	Close bool
	// Listen opens the broker for clients: all its logs are loaded.
	Listen bool
	// ListenQuorum opens the listeners of the controller: the node takes part in the metadata quorum, which has to come
	// about before anything else does.
	ListenQuorum bool
	// Stopped says that a clean shutdown is complete.
	Stopped bool
	// Halt, when not empty, is why the broker must stop at once without another effect: storage can no longer be
	// trusted. A driver ends the process with this sentence.
	Halt string
	// Offline are log directories that the broker does not use any more.
	Offline []string
	// Notes are sentences for the operator's log.
	Notes []Note
	// Reached are the probes that were passed. They ask for nothing: a driver counts them or leaves it.
	Reached probe.Set
}

// Send delivers Message to another machine of this broker. Messages between two machines arrive in order.
type Send struct {
	To      Address
	Message Message
}

// Answer sends Parts[From:To] of its outbox on the session's connection, after all earlier answers. When the last byte
// has left, or the connection is gone, the driver tells the session by [InputAnswered] with Token.
type Answer struct {
	Token    uint64
	From, To int
}

// Part is a piece of an answer: bytes that belong to the session until the answer is done, or a range of a file of the
// machine Owner, which the session has pinned there.
type Part struct {
	Bytes []byte
	Owner Address
	File  FileID
	Pos   int64
	Len   int64
}

// Severity grades a [Note].
type Severity uint8

// The severities of notes.
const (
	Info Severity = iota + 1
	Warn
	Fail
)

// Note is a sentence for the operator's log. It never holds a secret or a record's content.
type Note struct {
	Severity Severity
	Text     string
}

// Write emits an [OpWrite].
func (o *Outbox) Write(file FileID, pos int64, data []byte, ticket Ticket) {
	o.Files = append(o.Files, FileOp{Kind: OpWrite, File: file, Pos: pos, Data: data, Ticket: ticket})
}

// Sync emits an [OpSync].
func (o *Outbox) Sync(file FileID, ticket Ticket) {
	o.Files = append(o.Files, FileOp{Kind: OpSync, File: file, Ticket: ticket})
}

// File emits any file operation.
func (o *Outbox) File(op FileOp) { o.Files = append(o.Files, op) }

// Run emits a job.
func (o *Outbox) Run(job Job) { o.Jobs = append(o.Jobs, job) }

// Send emits a message.
func (o *Outbox) Send(to Address, m Message) { o.Sends = append(o.Sends, Send{To: to, Message: m}) }

// Note emits a sentence for the operator.
func (o *Outbox) Note(s Severity, text string) {
	o.Notes = append(o.Notes, Note{Severity: s, Text: text})
}

// Sometimes says that a probe was passed.
func (o *Outbox) Sometimes(p probe.Point) { o.Reached.Add(p) }

// Answer emits an answer of the given parts, which are copied (not the bytes they refer to).
func (o *Outbox) Answer(token uint64, parts ...Part) {
	from := len(o.Parts)
	o.Parts = append(o.Parts, parts...)
	o.Answers = append(o.Answers, Answer{Token: token, From: from, To: len(o.Parts)})
}

// Release gives a request's frame back to the driver.
func (o *Outbox) Release(frame []byte) { o.Releases = append(o.Releases, frame) }

// Empty reports whether there is nothing to execute. Probes are not.
func (o *Outbox) Empty() bool {
	return len(o.Files)+len(o.Jobs)+len(o.Sends)+len(o.Links)+len(o.Answers)+len(o.Releases)+len(o.Notes)+
		len(o.Offline) == 0 &&
		!o.Resume && !o.Close && !o.Listen && !o.ListenQuorum && !o.Stopped && o.Halt == ""
}

// Reset empties the outbox and keeps its memory. References are cleared so that what was sent can be collected.
func (o *Outbox) Reset() {
	clear(o.Files)
	clear(o.Jobs)
	clear(o.Sends)
	clear(o.Links)
	clear(o.Parts)
	clear(o.Releases)
	// One by one: to set them all at once would go through the collector's write barriers, after every step.
	o.Files, o.Jobs, o.Sends, o.Links = o.Files[:0], o.Jobs[:0], o.Sends[:0], o.Links[:0]
	o.Answers, o.Parts, o.Releases = o.Answers[:0], o.Parts[:0], o.Releases[:0]
	o.Notes, o.Offline = o.Notes[:0], o.Offline[:0]
	o.Resume, o.Close, o.Listen, o.ListenQuorum, o.Stopped = false, false, false, false, false
	o.Halt = ""
	o.Reached = probe.Set{}
}
