package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// InitProducerID serves API key 22, v0-5: a producer id for an idempotent producer (KIP-98), from a block that control
// has committed. Epochs are bumped by the client's asking for a new id (KIP-360). Transactional ids are refused until
// there is a transaction coordinator.
func InitProducerID(c *Context) {
	req := c.Request.(*kmsg.InitProducerIDRequest)
	refuse := func(code core.ErrorCode) {
		resp := kmsg.NewPtrInitProducerIDResponse()
		resp.ErrorCode, resp.ProducerID, resp.ProducerEpoch = int16(code), -1, -1
		c.Response = resp
	}
	switch {
	case req.TransactionalID != nil && *req.TransactionalID == "":
		refuse(core.InvalidRequest)
	case (req.ProducerID == -1) != (req.ProducerEpoch == -1):
		refuse(core.InvalidRequest)
	case req.TransactionalID != nil:
		refuse(core.TransactionalIDAuthFailed)
	default:
		Controls(c)
	}
}
