package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// ElectLeaders serves API key 43, v0-2: preferred elections (KIP-183), and from v1 on unclean ones (KIP-460). Null
// topics mean all partitions.
func ElectLeaders(c *Context) { Controls(c) }

// refuseElections refuses a request as a whole; version 0 has room for that only in the partitions.
func refuseElections(req *kmsg.ElectLeadersRequest, code core.ErrorCode) kmsg.Response {
	resp := kmsg.NewPtrElectLeadersResponse()
	resp.ErrorCode = int16(code)
	for _, in := range req.Topics {
		out := kmsg.NewElectLeadersResponseTopic()
		out.Topic = in.Topic
		for _, id := range in.Partitions {
			p := kmsg.NewElectLeadersResponseTopicPartition()
			p.Partition, p.ErrorCode = id, int16(code)
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}
