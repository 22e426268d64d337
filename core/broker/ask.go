package broker

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/probe"
	"ottla.dev/core/wire"
)

// How long what this node wants from the controller may take.
const (
	askBackoff   = 50 * time.Millisecond // between two tries
	askBroker    = time.Second           // for an answer on laneBroker, before the connection is given up
	askForward   = 5 * time.Second       // for an answer on laneForward
	askVoters    = 35 * time.Second      // for a change of voters, which waits for the new one to catch up
	forwardBound = 10 * time.Second      // for a client's request, from its arrival
	reflectBound = 5 * time.Second       // for what it has changed to be seen here
)

// question is a request of this node, or of one of its clients, to the active controller, whichever node that is.
type question struct {
	req      kmsg.Request
	internal bool
	once     bool // it is not repeated when the controller may have taken it
	lane     lane
	until    time.Duration // when it is given up
	at       time.Duration // of the next try
	flying   bool
	// cancelled says that nobody waits for the answer any more.
	cancelled bool
	then      func(kmsg.Response, core.ErrorCode)
}

// ask asks the active controller and calls then once: with a response, or with NotController or RequestTimedOut when
// the question was given up.
func (c *Control) ask(q *question) {
	c.questions = append(c.questions, q)
	c.try(q)
}

func (c *Control) try(q *question) {
	switch {
	case forQuorum(q.req) && c.quorum.Leader() == c.settings.NodeID:
		q.flying = true
		c.askReplica(q.req, func(resp kmsg.Response) {
			code := core.NotController
			if resp != nil {
				code = passing(resp)
			}
			c.answered(q, resp, code)
		})
	case c.leads() && !forQuorum(q.req):
		q.flying = true
		c.resolve(q.req, q.internal, func(resp kmsg.Response, code core.ErrorCode) { c.answered(q, resp, code) })
	case c.quorum.Leader() == core.NoBroker || c.quorum.Leader() == c.settings.NodeID:
		q.at = c.now.Mono + askBackoff
	default:
		e, ok := c.quorum.LeaderEndpoint()
		if !ok {
			q.at = c.now.Mono + askBackoff
			return
		}
		q.flying = true
		timeout := askForward
		switch q.lane {
		case laneBroker:
			timeout = askBroker
		case laneConfirm:
			timeout = askConfirmOnce
		case laneVoters:
			timeout = askVoters
		}
		c.links.send(c.now, &c.out, addressOf(e), q.lane, q.req, timeout, func(resp kmsg.Response, sent bool) {
			code := core.NoError
			switch {
			case resp != nil:
				code = passing(resp)
			case sent:
				code = core.RequestTimedOut
			default:
				code = core.NotController
			}
			c.answered(q, resp, code)
		})
	}
}

// answered ends a question, or puts its next try off.
func (c *Control) answered(q *question, resp kmsg.Response, code core.ErrorCode) {
	if q.flying = false; q.cancelled {
		return
	}
	again := code == core.NotController || code == core.RequestTimedOut && !q.once
	if again && !c.now.Reached(q.until) && c.phase <= leaving {
		c.out.Sometimes(probe.QuestionRepeated)
		q.at = c.now.Mono + askBackoff
		return
	}
	c.drop(q)
	if again {
		resp = nil
	}
	if resp != nil {
		code = core.NoError
	}
	q.then(resp, code)
}

func (c *Control) drop(q *question) {
	for i := range c.questions {
		if c.questions[i] == q {
			c.questions = append(c.questions[:i], c.questions[i+1:]...)
			return
		}
	}
}

// askAgain tries what waits at once: there is a new leader.
func (c *Control) askAgain() {
	for _, q := range append([]*question(nil), c.questions...) {
		if !q.flying {
			c.try(q)
		}
	}
}

// tickQuestions tries what is due again and gives up what took too long.
func (c *Control) tickQuestions() {
	for _, q := range append([]*question(nil), c.questions...) {
		switch {
		case q.flying:
		case c.now.Reached(q.until):
			c.out.Sometimes(probe.QuestionGivenUp)
			c.drop(q)
			q.then(nil, core.NotController)
		case c.now.Reached(q.at):
			c.try(q)
		}
	}
	c.reflect()
}

// reflect answers those whose change is seen here by now, or who have waited long enough.
func (c *Control) reflect() {
	kept := c.reflections[:0]
	for _, r := range c.reflections {
		seen := c.published != nil && reflects(c.published, r.op)
		if !seen && c.now.Reached(r.until) {
			c.out.Sometimes(probe.AnswerNotReflected)
		}
		if seen || c.now.Reached(r.until) {
			r.then()
		} else {
			kept = append(kept, r)
		}
	}
	clear(c.reflections[len(kept):])
	c.reflections = kept
}

// dropQuestions gives up what waits: the node stops. What was decided here is answered when it is committed, and what
// is under way to another node until the links are closed.
func (c *Control) dropQuestions() {
	for _, q := range append([]*question(nil), c.questions...) {
		if !q.flying {
			c.drop(q)
			q.then(nil, core.NotController)
		}
	}
	for _, r := range c.reflections {
		r.then()
	}
	c.reflections = nil
}

func (c *Control) askDeadline() time.Duration {
	at := core.Never
	for _, q := range c.questions {
		if !q.flying {
			at = min(at, q.at, q.until)
		}
	}
	for _, r := range c.reflections {
		at = min(at, r.until)
	}
	return at
}

// reflection is an answer that waits until its change is seen here, so that a client reads its own writes.
type reflection struct {
	op    *api.ControlOp
	until time.Duration
	then  func()
}

// forward asks the controller for a client.
func (c *Control) forward(op *api.ControlOp, reply func(kmsg.Response, core.ErrorCode)) {
	q := &question{req: op.Request, internal: op.Internal, once: changes(op.Request), lane: laneForward,
		until: c.now.Mono + forwardBound}
	if forQuorum(op.Request) && q.once {
		q.lane = laneVoters
	}
	q.then = func(resp kmsg.Response, code core.ErrorCode) {
		op.Response = resp
		if resp == nil || reflects(c.published, op) {
			reply(resp, code)
			return
		}
		c.reflections = append(c.reflections, reflection{op: op, until: c.now.Mono + reflectBound,
			then: func() { reply(resp, code) }})
	}
	c.ask(q)
}

// changes reports whether a client's request changes anything.
func changes(req kmsg.Request) bool {
	switch req.(type) {
	case *kmsg.ListPartitionReassignmentsRequest, *kmsg.DescribeQuorumRequest:
		return false
	}
	return true
}

// passing finds NotController and RequestTimedOut in a response: what concerns the request as a whole and not what it
// asks for.
func passing(resp kmsg.Response) core.ErrorCode {
	code := core.NoError
	first := func(n int, of func() int16) {
		if n > 0 {
			code = core.ErrorCode(of())
		}
	}
	switch r := resp.(type) {
	case *kmsg.DescribeQuorumResponse:
		code = leaderless(r.ErrorCode)
	case *kmsg.AddRaftVoterResponse:
		code = leaderless(r.ErrorCode)
	case *kmsg.RemoveRaftVoterResponse:
		code = leaderless(r.ErrorCode)
	case *kmsg.BrokerRegistrationResponse:
		code = core.ErrorCode(r.ErrorCode)
	case *kmsg.BrokerHeartbeatResponse:
		code = core.ErrorCode(r.ErrorCode)
	case *kmsg.AllocateProducerIDsResponse:
		code = core.ErrorCode(r.ErrorCode)
	case *kmsg.AlterPartitionResponse:
		code = core.ErrorCode(r.ErrorCode)
	case *kmsg.UpdateFeaturesResponse:
		code = leaderless(r.ErrorCode)
	case *kmsg.AssignReplicasToDirsResponse:
		code = core.ErrorCode(r.ErrorCode)
	case *kmsg.UnregisterBrokerResponse:
		code = core.ErrorCode(r.ErrorCode)
	case *kmsg.AlterPartitionAssignmentsResponse:
		code = core.ErrorCode(r.ErrorCode)
	case *kmsg.ListPartitionReassignmentsResponse:
		code = core.ErrorCode(r.ErrorCode)
	case *kmsg.CreateTopicsResponse:
		first(len(r.Topics), func() int16 { return r.Topics[0].ErrorCode })
	case *kmsg.DeleteTopicsResponse:
		first(len(r.Topics), func() int16 { return r.Topics[0].ErrorCode })
	case *kmsg.CreatePartitionsResponse:
		first(len(r.Topics), func() int16 { return r.Topics[0].ErrorCode })
	case *kmsg.AlterConfigsResponse:
		first(len(r.Resources), func() int16 { return r.Resources[0].ErrorCode })
	case *kmsg.IncrementalAlterConfigsResponse:
		first(len(r.Resources), func() int16 { return r.Resources[0].ErrorCode })
	case *kmsg.ElectLeadersResponse:
		code = core.ErrorCode(r.ErrorCode)
		if code == core.NoError && len(r.Topics) > 0 {
			first(len(r.Topics[0].Partitions), func() int16 { return r.Topics[0].Partitions[0].ErrorCode })
		}
	}
	if code == core.NotController || code == core.RequestTimedOut {
		return code
	}
	return core.NoError
}

// leaderless takes the quorum's word for a node that does not lead it as the controller's.
func leaderless(code int16) core.ErrorCode {
	if core.ErrorCode(code) == core.NotLeaderOrFollower {
		return core.NotController
	}
	return core.ErrorCode(code)
}

// setNewest gives a request the newest version that is served.
func setNewest(req kmsg.Request) { req.SetVersion(wire.Newest(wire.Key(req.Key()))) }
