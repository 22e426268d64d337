package raft

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// Outbox is what the quorum has for other nodes and for its owner, beside the effects on files in [core.Outbox]. The
// owner takes it with [Quorum.Mail] after every input. Nothing in it depends on a vote or an epoch that is not on disk.
type Outbox struct {
	Requests  []Request
	Answers   []Answer
	Committed []record.View // batches in order, as they are committed: see Options.Deliver
	// Snapshot asks the owner to replace its state by the snapshot's before it takes later batches.
	Snapshot *SnapshotID
	Notes    []core.Note
}

// Reset empties the outbox and keeps its memory.
func (o *Outbox) Reset() {
	clear(o.Requests)
	clear(o.Answers)
	clear(o.Committed)
	*o = Outbox{Requests: o.Requests[:0], Answers: o.Answers[:0], Committed: o.Committed[:0], Notes: o.Notes[:0]}
}

// Request is a request to another node. The owner connects as it likes, and gives the answer, or nil if there will be
// none, to [Quorum.Respond] with the correlation. A fetch may be kept waiting by its receiver: requests of other
// kinds should not queue behind it on one connection.
type Request struct {
	To          core.BrokerID // NoBroker for a bootstrap server, whose id is not known
	Endpoints   []record.Endpoint
	Correlation uint64
	Request     kmsg.Request
}

// Answer answers the request that came with Token. A nil Response closes its connection.
type Answer struct {
	Token    uint64
	Response kmsg.Response
}

// maxWaiting bounds the requests that wait for the disk.
const maxWaiting = 1000

// letter is a request or a response that has arrived.
type letter struct {
	token    uint64
	request  kmsg.Request
	flight   *flight
	response kmsg.Response
	refused  bool
}

// flight is a request under way, or the rest of one: there is at most one to each node at a time.
type flight struct {
	to          core.BrokerID
	endpoint    string // of a bootstrap server
	key         Key
	correlation uint64 // 0: none under way
	request     kmsg.Request
	sent        time.Duration
	expires     time.Duration // when the one under way is given up
	again       time.Duration // when the next may leave
}

// flightTo returns the flight to a voter, or to whatever is at an endpoint if it has no id.
func (q *Quorum) flightTo(to core.BrokerID, endpoint string) *flight {
	for _, f := range q.flights {
		if f.to == to && f.endpoint == endpoint {
			return f
		}
	}
	f := &flight{to: to, endpoint: endpoint}
	q.flights = append(q.flights, f)
	return f
}

// ready reports whether a request may leave now.
func (f *flight) ready(now core.Instant) bool { return f.correlation == 0 && now.Reached(f.again) }

// send lets a request leave.
func (q *Quorum) send(now core.Instant, f *flight, key Key, at []record.Endpoint, req kmsg.Request,
	timeout time.Duration) {
	q.correlation++
	f.key, f.correlation, f.request, f.sent, f.expires = key, q.correlation, req, now.Mono, now.Mono+timeout
	r := Request{To: f.to, Endpoints: at, Correlation: f.correlation, Request: req}
	q.mail.Requests = append(q.mail.Requests, r)
}

// land ends a flight. After a failure the node is left alone for a while.
func (q *Quorum) land(now core.Instant, f *flight, failed bool) {
	f.correlation, f.request = 0, nil
	f.again = now.Mono
	if failed {
		f.again += q.between(q.settings.RetryBackoff, 2*q.settings.RetryBackoff)
	}
}

// ground forgets all flights: whatever is answered to them concerns a role that is over.
func (q *Quorum) ground() { q.flights = nil }

// expire gives up what was not answered in time.
func (q *Quorum) expire(now core.Instant) {
	for _, f := range q.flights {
		if f.correlation != 0 && now.Reached(f.expires) {
			q.land(now, f, true)
		}
	}
}

// Mail moves what the quorum has to say to m, which is empty or is added to. While a vote or an epoch is on its way
// to the disk, nothing that was said since leaves.
func (q *Quorum) Mail(m *Outbox) {
	q.release()
	q.ready.moveTo(m)
}

// release lets leave what was said up to now, if it is on disk.
func (q *Quorum) release() {
	if !q.unsaved() {
		q.mail.moveTo(&q.ready)
	}
}

func (o *Outbox) moveTo(m *Outbox) {
	m.Requests = append(m.Requests, o.Requests...)
	m.Answers = append(m.Answers, o.Answers...)
	m.Committed = append(m.Committed, o.Committed...)
	m.Notes = append(m.Notes, o.Notes...)
	if o.Snapshot != nil {
		m.Snapshot = o.Snapshot
	}
	o.Reset()
}

func (q *Quorum) answer(token uint64, resp kmsg.Response) {
	q.mail.Answers = append(q.mail.Answers, Answer{Token: token, Response: resp})
}

func (q *Quorum) note(s core.Severity, text string) {
	q.mail.Notes = append(q.mail.Notes, core.Note{Severity: s, Text: "quorum: " + text})
}

// Receive takes a request of another node or of a client: VOTE, BEGIN_QUORUM_EPOCH, END_QUORUM_EPOCH, FETCH and
// FETCH_SNAPSHOT of the metadata log, DESCRIBE_QUORUM, ADD_RAFT_VOTER, REMOVE_RAFT_VOTER, UPDATE_RAFT_VOTER. It
// belongs to the quorum from now on, which answers it once, in the end, by token.
func (q *Quorum) Receive(now core.Instant, token uint64, req kmsg.Request, out *core.Outbox) {
	if len(q.inbox) >= maxWaiting || q.closed || q.Failed() != nil {
		q.answer(token, nil)
		return
	}
	q.inbox = append(q.inbox, letter{token: token, request: req})
	q.Poll(now, out)
}

// Respond takes the answer to a request, or nil if it failed.
func (q *Quorum) Respond(now core.Instant, correlation uint64, resp kmsg.Response, out *core.Outbox) {
	q.landed(now, letter{token: correlation, response: resp}, out)
}

// Refused takes the failure of a request because nobody takes connections where it was to go to: the process there has
// most probably ended. See [Quorum.presume].
func (q *Quorum) Refused(now core.Instant, correlation uint64, out *core.Outbox) {
	q.landed(now, letter{token: correlation, refused: true}, out)
}

func (q *Quorum) landed(now core.Instant, l letter, out *core.Outbox) {
	for _, f := range q.flights {
		if f.correlation == l.token {
			l.flight = f
			q.inbox = append(q.inbox, l)
			break
		}
	}
	q.Poll(now, out)
}

// open reads one letter.
func (q *Quorum) open(now core.Instant, l letter, out *core.Outbox) {
	if l.flight != nil {
		if l.flight.correlation == l.token {
			q.responded(now, l, out)
		}
		return
	}
	switch req := l.request.(type) {
	case *kmsg.VoteRequest:
		q.answer(l.token, q.vote(now, req))
	case *kmsg.BeginQuorumEpochRequest:
		q.answer(l.token, q.begin(now, req))
	case *kmsg.EndQuorumEpochRequest:
		q.answer(l.token, q.end(now, req))
	case *kmsg.FetchRequest:
		q.fetched(now, l.token, req, out)
	case *kmsg.FetchSnapshotRequest:
		q.snapshotFetched(now, l.token, req, out)
	case *kmsg.DescribeQuorumRequest:
		q.answer(l.token, q.describe(now, req))
	case *kmsg.AddRaftVoterRequest:
		q.addVoter(now, l.token, req)
	case *kmsg.RemoveRaftVoterRequest:
		q.removeVoter(now, l.token, req, out)
	case *kmsg.UpdateRaftVoterRequest:
		q.updateVoter(now, l.token, req, out)
	default:
		panic("raft: a request that is not the quorum's")
	}
}

// responded takes an answer to its handler.
func (q *Quorum) responded(now core.Instant, l letter, out *core.Outbox) {
	f := l.flight
	if l.response == nil {
		q.land(now, f, true)
		if l.refused && q.role == Follower && f.to == q.state.Leader {
			q.presume(now)
		}
		return
	}
	switch r := l.response.(type) {
	case *kmsg.VoteResponse:
		q.voted(now, f, r)
	case *kmsg.BeginQuorumEpochResponse:
		q.begun(now, f, r)
	case *kmsg.EndQuorumEpochResponse:
		q.ended(now, f, r)
	case *kmsg.FetchResponse:
		q.fetch(now, f, r, out)
	case *kmsg.FetchSnapshotResponse:
		q.chunk(now, f, r, out)
	case *kmsg.UpdateRaftVoterResponse:
		q.land(now, f, r.ErrorCode != 0)
	default:
		q.land(now, f, true)
	}
}
