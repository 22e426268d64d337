package workload

import (
	"strconv"

	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/group"
)

// hearsay is what an answer is judged by that tells how things are, without anything being committed for it: a broker
// gives it only when it has been told, after it was asked, that it leads the partition still.
type hearsay struct {
	broker int
	part   core.TopicPartition
	count  uint64 // how often it had been told when it was asked
	ok     bool   // there is something to go by
	// service is which time it was that the broker coordinated the group, and serving whether it did.
	service uint64
	serving bool
}

// asks notes how a request to the client's aim is going to be judged.
func (c *client) asks() hearsay {
	h := hearsay{broker: c.route.at, part: c.route.aim.part}
	if g := c.route.aim.group; g != "" {
		h.part = core.TopicPartition{Topic: api.ConsumerOffsetsTopic,
			Partition: core.PartitionID(group.PartitionFor(g, c.plan.OffsetsPartitions()))}
		h.service, h.serving = c.net.Serves(h.broker, h.part)
	}
	if c.plan.Clustered() {
		h.count, h.ok = c.net.Confirmations(h.broker, h.part)
	}
	return h
}

// served reports whether the answer that has just come is one of a coordinator that has served all the time since it
// was asked.
func (c *client) served() bool {
	h := &c.heard
	service, serving := c.net.Serves(h.broker, h.part)
	return h.serving && serving && service == h.service
}

// hears judges an answer that tells how things are.
func (c *client) hears(request string, code int16) {
	h := &c.heard
	if !h.ok {
		return
	}
	if count, ok := c.net.Confirmations(h.broker, h.part); ok && count == h.count {
		c.wrong("unconfirmed", request+" is answered "+core.ErrorCode(code).String()+" by broker "+
			strconv.Itoa(h.broker+1)+", which leads "+h.part.String()+" for all that it knows, and has not asked whether it "+
			"does since the request came")
	}
}

// judgesGroup reports whether a code tells a member something of its group that another coordinator may know better.
func judgesGroup(code int16) bool {
	switch core.ErrorCode(code) {
	case core.UnknownMemberID, core.IllegalGeneration, core.FencedInstanceID, core.GroupMaxSizeReached,
		core.GroupIDNotFound:
		return true
	}
	return false
}
