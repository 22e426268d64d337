package workload

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/sim/check"
	"ottla.dev/sim/fault"
	"ottla.dev/sim/history"
)

// Net is a client's network and clock.
type Net interface {
	Now() time.Duration
	Wall() core.Timestamp
	// Dial opens a connection to a broker, counted from 0; Connected or Closed follows.
	Dial(to int)
	// Send sends bytes on the open connection.
	Send(b []byte)
	// Hang ends the connection, without Closed: in order, after what was sent before, or by a reset.
	Hang(reset bool)
	After(d time.Duration, f func())
	// Fired counts something that was to happen and has.
	Fired(what string)
	// Directory is the id of a node's data folder, VotersChange tells that somebody may be changing the voters.
	Directory(id core.BrokerID) core.UUID
	VotersChange(d time.Duration)
	// Damaged reports whether a machine, or nobody's number for any, has files that are damaged, or had when an answer
	// left that arrives now.
	Damaged(machine int) bool
	// Answered tells that a broker has answered a request of an API.
	Answered(broker int, api int16)
	// Confirmations counts how often a broker was told that it leads a partition still, false if there is nothing to go
	// by.
	Confirmations(broker int, p core.TopicPartition) (uint64, bool)
	// Short reports whether a partition has a leader, and a replica that is not in sync.
	Short(p core.TopicPartition) bool
	// Serves counts how often a broker has begun or ended to coordinate the groups of a partition, false while it does
	// not.
	Serves(broker int, p core.TopicPartition) (uint64, bool)
	// Epoch is the newest leader epoch of a replica that was seen on a broker, false if there is nothing to go by.
	Epoch(broker int, id core.TopicIDPartition) (core.LeaderEpoch, bool)
	// Bounds is what was seen last of a replica on a broker, false if there is nothing to go by.
	Bounds(broker int, id core.TopicIDPartition) (check.Bounds, bool)
}

// What clients do wrong, as [Net.Fired] counts it.
const (
	HungUp      = "client hangs up"
	SentGarbage = "client sends garbage"
	SentWrong   = "client sends a wrong batch"
	EpochsEnded = "producer has no epoch left"
	AskedOddly  = "client asks oddly"
)

// Actor is a client as the world sees it.
type Actor interface {
	Start()
	Connected()
	// Received brings one answer with its length prefix.
	Received(frame []byte)
	Closed()
	// Finish asks the client to end what it has begun and to begin nothing more.
	Finish()
	// Idle reports whether it has.
	Idle() bool
	// Doing says what the client waits for, for a failure's report.
	Doing() string
}

// answerWithin is how long a client waits for an answer before it gives up the connection.
const answerWithin = 20 * time.Second

// answerWithinCluster is that in a cluster, where the broker may be cut off.
const answerWithinCluster = 6 * time.Second

// client is what all clients have in common: one connection, and requests that are answered in order.
type client struct {
	net     Net
	index   int
	plan    *fault.Plan
	spec    fault.Client
	random  core.PRNG
	habits  core.PRNG // for what the client does beside its work
	ledger  *check.Ledger
	history *history.Recorder
	ids     map[string][16]byte // topic ids, from Metadata
	epochs  map[core.TopicIDPartition]core.LeaderEpoch
	format  *kmsg.RequestFormatter
	scratch []byte // where requests are put together
	up      bool
	dialing bool
	finish  bool
	conns   int
	route   route
	corr    int32
	pending []call
	heard   hearsay // what the answer is judged by that has just come
	// deletions counts what was odd to be deleted, and oddities what was odd to be appended.
	deletions int
	oddities  uint64
	opened    func() // the connection is open and the topics are known
	lost      func() // the connection is gone, with all pending calls
	// gone, if set, is told that the aim's topic is not there any more; true: the aim has been given up.
	gone func() bool
}

// call is a request without an answer.
type call struct {
	corr    int32
	version int16
	resp    kmsg.Response
	done    func(resp kmsg.Response)
	heard   hearsay
}

func newClient(net Net, index int, plan *fault.Plan, spec fault.Client, random core.PRNG, l *check.Ledger,
	h *history.Recorder) client {
	return client{net: net, index: index, plan: plan, spec: spec, random: random, habits: random.Fork(fault.Habits),
		ledger: l, history: h,
		ids: map[string][16]byte{}, epochs: map[core.TopicIDPartition]core.LeaderEpoch{},
		route:  route{wanted: nobody, near: nobody},
		format: kmsg.NewRequestFormatter(kmsg.FormatterClientID("sim-" + strconv.Itoa(index)))}
}

// version draws a version of an API between two bounds: the lower part for old clients.
func (c *client) version(lo, hi int16) int16 {
	mid := lo + (hi-lo)/2
	if c.spec.Old {
		return int16(c.random.Between(int64(lo), int64(mid)))
	}
	if c.random.Chance(1, 2) {
		return hi
	}
	return int16(c.random.Between(int64(mid), int64(hi)))
}

func (c *client) dial() {
	if c.up || c.dialing {
		return
	}
	c.dialing = true
	c.net.Dial(c.dialTo())
}

// Connected implements [Actor].
func (c *client) Connected() {
	c.dialing, c.up = false, true
	c.conns++
	if c.plan.Clustered() {
		c.steer()
		return
	}
	c.refresh(func() { c.opened() })
}

// refresh learns the ids of the plan's topics.
func (c *client) refresh(then func()) {
	if len(c.ids) == len(c.plan.Topics) {
		then()
		return
	}
	req := kmsg.NewPtrMetadataRequest()
	for _, t := range c.plan.Topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = kmsg.StringPtr(t.Name)
		req.Topics = append(req.Topics, rt)
	}
	c.request(req, 12, func(r kmsg.Response) {
		for _, t := range r.(*kmsg.MetadataResponse).Topics {
			if t.ErrorCode == 0 && t.Topic != nil {
				c.ids[*t.Topic] = t.TopicID
			}
		}
		then()
	})
}

// Closed implements [Actor].
func (c *client) Closed() {
	c.dialing, c.up = false, false
	c.pending = nil
	c.lost()
	c.redial()
}

func (c *client) redial() {
	c.net.After(c.wait(300*time.Millisecond), func() {
		c.dial()
	})
}

// wait draws a time around d.
func (c *client) wait(d time.Duration) time.Duration {
	return time.Duration(c.random.Between(int64(d/8), int64(d)))
}

// hang gives the connection up and opens another.
func (c *client) hang() {
	if !c.up {
		return
	}
	c.net.Hang(c.random.Chance(1, 2))
	c.up = false
	c.pending = nil
	c.lost()
	c.redial()
}

// request sends a request; done gets its answer, if one comes on this connection.
func (c *client) request(req kmsg.Request, version int16, done func(kmsg.Response)) {
	if !c.up {
		return
	}
	req.SetVersion(version)
	c.corr++
	resp := req.ResponseKind()
	resp.SetVersion(version)
	c.pending = append(c.pending, call{c.corr, version, resp, done, c.asks()})
	c.net.Send(c.frame(req))
	corr, conns := c.corr, c.conns
	within := answerWithin
	if c.plan.Clustered() {
		within = answerWithinCluster
	}
	if c.spec.Patience > 0 {
		within = c.spec.Patience
	}
	c.net.After(within, func() {
		if c.up && c.conns == conns && len(c.pending) > 0 && c.pending[0].corr <= corr {
			c.hang()
		}
	})
	if c.spec.Drop > 0 && !c.finish && c.random.Chance(1, uint64(c.spec.Drop)) {
		c.net.Fired(HungUp)
		c.net.After(c.wait(20*time.Millisecond), func() {
			if c.conns == conns {
				c.hang()
			}
		})
	}
}

// frame gives the bytes of a request, with its number.
func (c *client) frame(req kmsg.Request) []byte {
	c.scratch = c.format.AppendRequest(c.scratch[:0], req, c.corr)
	return bytes.Clone(c.scratch)
}

// Received implements [Actor].
func (c *client) Received(frame []byte) {
	if len(frame) < 8 || int(binary.BigEndian.Uint32(frame)) != len(frame)-4 {
		c.wrong("frame", "an answer whose length prefix is not its length")
		return
	}
	corr := int32(binary.BigEndian.Uint32(frame[4:]))
	if len(c.pending) == 0 || c.pending[0].corr != corr {
		c.wrong("answer-order", "an answer to request "+strconv.Itoa(int(corr))+", which is not the oldest without one")
		return
	}
	call := c.pending[0]
	c.pending = c.pending[1:]
	body := frame[8:]
	if call.resp.IsFlexible() && call.resp.Key() != int16(kmsg.ApiVersions) {
		if len(body) == 0 || body[0] != 0 {
			c.wrong("frame", "tagged fields in the header of an answer")
			return
		}
		body = body[1:]
	}
	if err := call.resp.ReadFrom(body); err != nil {
		c.wrong("frame", kmsg.NameForKey(call.resp.Key())+" version "+strconv.Itoa(int(call.version))+
			" cannot be decoded: "+err.Error())
		return
	}
	c.heard = call.heard
	call.done(call.resp)
	c.net.Answered(c.route.at, call.resp.Key())
	c.leaveIfStrayed()
}

func (c *client) wrong(name, text string) {
	c.ledger.Wrong(name, "client "+strconv.Itoa(c.index)+": "+text)
}

// unexpected reports an error code that nothing explains.
func (c *client) unexpected(api string, code int16) {
	c.wrong("error-code", api+" is answered "+core.ErrorCode(code).String())
}

// Finish implements [Actor].
func (c *client) Finish() { c.finish = true }

// retriable are the codes that say no more than "not now".
func retriable(code int16) bool {
	switch core.ErrorCode(code) {
	case core.LeaderNotAvailable, core.NotLeaderOrFollower, core.RequestTimedOut, core.KafkaStorageError,
		core.UnknownTopicOrPartition, core.UnknownTopicID, core.CoordinatorLoadInProgress, core.CoordinatorNotAvailable,
		core.NotCoordinator, core.NotEnoughReplicas, core.NotController, core.UnknownServerError, core.ReplicaNotAvailable,
		core.OffsetNotAvailable:
		return true
	}
	return false
}

// New returns the client that a plan describes.
func New(net Net, index int, plan *fault.Plan, random core.PRNG, l *check.Ledger, h *history.Recorder) Actor {
	c := newClient(net, index, plan, plan.Clients[index], random, l, h)
	switch c.spec.Kind {
	case fault.Producer:
		return newProducer(c)
	case fault.Consumer:
		return newConsumer(c)
	case fault.Member:
		return newMember(c)
	case fault.Committer:
		return newCommitter(c)
	case fault.Admin:
		return newAdmin(c)
	case fault.Garbage:
		return newGarbage(c)
	case fault.Operator:
		return newOperator(c)
	case fault.Stranger:
		return newStranger(c)
	}
	panic("workload: no such client")
}
