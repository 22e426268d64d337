package broker

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/api"
)

// producerBlock is the block of producer ids that the broker hands out of (KIP-730).
type producerBlock struct {
	next, end core.ProducerID
	asking    bool
	waiting   []*api.ControlOp
}

// askProducerIDs is how long clients wait for a block.
const askProducerIDs = 10 * time.Second

// initProducerID gives out an id of the block, or gets a block first. Ids are given out only of committed blocks, so
// that no restart gives one out twice.
func (c *Control) initProducerID(op *api.ControlOp, _ *kmsg.InitProducerIDRequest) {
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
	case c.phase > leaving: // the metadata log takes no more records
		c.failProducerIDs(core.NotController)
		return
	case c.epoch < 0:
		c.failProducerIDs(core.CoordinatorLoadInProgress) // clients ask again
		return
	}
	b.asking = true
	req := kmsg.NewPtrAllocateProducerIDsRequest()
	setNewest(req)
	req.BrokerID, req.BrokerEpoch = int32(c.settings.NodeID), int64(c.epoch)
	// A block that is allocated and not heard of is lost; there are enough.
	c.ask(&question{req: req, lane: laneForward, until: c.now.Mono + askProducerIDs,
		then: func(resp kmsg.Response, code core.ErrorCode) {
			b.asking = false
			r, _ := resp.(*kmsg.AllocateProducerIDsResponse)
			if r != nil {
				code = core.ErrorCode(r.ErrorCode)
			}
			if code != core.NoError {
				if code == core.StaleBrokerEpoch || code == core.BrokerIDNotRegistered {
					code = core.CoordinatorLoadInProgress // clients ask again; the broker registers anew
				}
				c.failProducerIDs(code)
				return
			}
			b.next = core.ProducerID(r.ProducerIDStart)
			b.end = b.next + core.ProducerID(r.ProducerIDLen)
			c.giveProducerIDs()
		}})
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
