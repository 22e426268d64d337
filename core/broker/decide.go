package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/config"
	"ottla.dev/core/controller"
	"ottla.dev/core/metadata"
)

// decide answers a request to the controller when its records are committed. While the broker stops there is no
// controller.
func (c *Control) decide(op *api.ControlOp) {
	if c.phase < joining || c.phase > serving {
		op.Code = core.NotController
		c.out.Send(op.Reply, op)
		return
	}
	if req, ok := op.Request.(*kmsg.InitProducerIDRequest); ok {
		c.initProducerID(op, req)
		return
	}
	var d controller.Decision
	if req, ok := op.Request.(*kmsg.CreateTopicsRequest); ok && op.Internal {
		d = c.controller.CreateInternalTopics(c.draft, req)
	} else {
		d = c.controller.Decide(c.now, c.draft, op.Request)
	}
	op.Response = d.Response
	c.propose(d.Records, func() { c.out.Send(op.Reply, op) })
}

// propose appends records to the metadata log and runs then when they are committed and everybody was told. Without
// records it waits for what was proposed before: a decision may have looked at that.
func (c *Control) propose(records []metadata.Record, then func()) {
	last := c.draft.Offset()
	if len(records) > 0 {
		for _, batch := range controller.Batches(records) {
			values := make([][]byte, len(batch))
			for i, r := range batch {
				values[i] = metadata.AppendRecord(nil, r)
			}
			last = c.quorum.Propose(c.now, values, &c.out)
		}
		next, err := c.draft.Apply(last, c.quorum.Epoch(), records...)
		if err != nil {
			panic("broker: the controller decided records that do not apply: " + err.Error())
		}
		c.draft = next
	}
	c.pending = append(c.pending, decided{last: last, image: c.draft, then: then})
}

// commit moves the committed image to the quorum's high watermark: everybody is told the new metadata, then those who
// asked for the changes are answered.
func (c *Control) commit() {
	n := 0
	for n < len(c.pending) && c.pending[n].last < c.quorum.HighWatermark() {
		c.committed = c.pending[n].image
		n++
	}
	if n == 0 {
		return
	}
	done := append([]decided(nil), c.pending[:n]...)
	c.pending = append(c.pending[:0], c.pending[n:]...)
	if c.phase >= loading {
		c.publish(c.committed.Stable())
	}
	for _, d := range done {
		d.then()
	}
	c.commit() // continuations may have proposed what is committed already
}

// publish tells shards, then sessions, what has changed.
func (c *Control) publish(image *metadata.Image) {
	if image == c.published {
		return
	}
	first := c.published == nil
	before := c.published
	if first {
		before = metadata.NewImage(c.clusterID)
	}
	delta := metadata.Diff(before, image)
	c.published = image
	if !first && delta.Empty() {
		return
	}
	c.cluster = c.view(image)
	c.settings = *c.cluster.Settings
	c.controller.Settings = controllerSettings(c.settings)
	m := &news{cluster: c.cluster, delta: delta}
	if !first {
		for i := range c.cfg.Shards {
			c.out.Send(core.Shard(uint32(i)), m)
		}
	}
	for _, s := range c.sessions {
		c.out.Send(s, m)
	}
}

func (c *Control) view(image *metadata.Image) *api.Cluster {
	v := &api.Cluster{ID: c.clusterID, Self: c.settings.NodeID, Shards: uint32(c.cfg.Shards), Image: image,
		Static: c.cfg.Static, LogDirs: c.cfg.LogDirs}
	settings := config.ResolveBroker(v.Layers(""))
	v.Settings = &settings
	return v
}

// producerBlock is the block of producer ids that the broker hands out of (KIP-730).
type producerBlock struct {
	next, end core.ProducerID
	asking    bool
	waiting   []*api.ControlOp
}

// initProducerID gives out an id of the block, or gets a block first. Ids are given out only of committed blocks, so
// that no restart gives one out twice.
func (c *Control) initProducerID(op *api.ControlOp, req *kmsg.InitProducerIDRequest) {
	b := &c.block
	b.waiting = append(b.waiting, op)
	c.giveProducerIDs()
}

func (c *Control) giveProducerIDs() {
	b := &c.block
	for len(b.waiting) > 0 && b.next < b.end {
		op := b.waiting[0]
		b.waiting = b.waiting[1:]
		resp := op.Request.ResponseKind().(*kmsg.InitProducerIDResponse)
		resp.ProducerID, resp.ProducerEpoch = int64(b.next), 0
		b.next++
		op.Response = resp
		c.out.Send(op.Reply, op)
	}
	switch {
	case len(b.waiting) == 0 || b.asking:
		return
	case c.phase > serving: // the metadata log takes no more records
		c.failProducerIDs(core.NotController)
		return
	}
	b.asking = true
	req := kmsg.NewPtrAllocateProducerIDsRequest()
	req.Version = req.MaxVersion()
	req.BrokerID, req.BrokerEpoch = int32(c.settings.NodeID), int64(c.epoch)
	d := c.controller.Decide(c.now, c.draft, req)
	resp := d.Response.(*kmsg.AllocateProducerIDsResponse)
	c.propose(d.Records, func() {
		b.asking = false
		if code := core.ErrorCode(resp.ErrorCode); code != core.NoError {
			c.failProducerIDs(code)
			return
		}
		b.next = core.ProducerID(resp.ProducerIDStart)
		b.end = b.next + core.ProducerID(resp.ProducerIDLen)
		c.giveProducerIDs()
	})
}

func (c *Control) failProducerIDs(code core.ErrorCode) {
	for _, op := range c.block.waiting {
		resp := op.Request.ResponseKind().(*kmsg.InitProducerIDResponse)
		resp.ErrorCode, resp.ProducerID, resp.ProducerEpoch = int16(code), -1, -1
		op.Response = resp
		c.out.Send(op.Reply, op)
	}
	c.block.waiting = nil
}
