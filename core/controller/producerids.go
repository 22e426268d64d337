package controller

import (
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
	"ottla.dev/core/probe"
)

// ProducerIDBlockSize is how many producer ids a broker gets at a time (Kafka: ProducerIdsBlock).
const ProducerIDBlockSize = 1000

func (c *Controller) allocateProducerIDs(img *metadata.Image, req *kmsg.AllocateProducerIDsRequest) Decision {
	resp := req.ResponseKind().(*kmsg.AllocateProducerIDsResponse)
	id, epoch := core.BrokerID(req.BrokerID), core.BrokerEpoch(req.BrokerEpoch)
	first := img.NextProducerID()
	code := c.refuseBrokerEpoch(img, id, epoch)
	if code == core.NoError && first > math.MaxInt64-ProducerIDBlockSize {
		code = core.UnknownServerError
	}
	if code != core.NoError {
		resp.ErrorCode = int16(code)
		return Decision{nil, resp}
	}
	resp.ProducerIDStart, resp.ProducerIDLen = int64(first), ProducerIDBlockSize
	record := &metadata.ProducerIDsRecord{Broker: id, Epoch: epoch, Next: first + ProducerIDBlockSize}
	return Decision{[]metadata.Record{record}, resp}
}

// refuseBrokerEpoch fences requests of brokers that are not registered, or not in this incarnation (KIP-903).
func (c *Controller) refuseBrokerEpoch(img *metadata.Image, id core.BrokerID, epoch core.BrokerEpoch) core.ErrorCode {
	if b := img.Broker(id); b == nil || b.Epoch != epoch {
		c.Reached.Add(probe.StaleBrokerRefused)
		return core.StaleBrokerEpoch
	}
	return core.NoError
}
