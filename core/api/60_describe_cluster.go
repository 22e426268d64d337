package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// DescribeCluster serves API key 60, v0-2. v1 can ask for controllers instead of brokers, which have no listener that
// clients may use; v2 can ask for fenced brokers too (KIP-1073).
func DescribeCluster(c *Context) {
	const brokers = 1
	req := c.Request.(*kmsg.DescribeClusterRequest)
	resp := kmsg.NewPtrDescribeClusterResponse()
	c.Response = resp
	resp.EndpointType = req.EndpointType
	resp.ClusterAuthorizedOperations = notAsked
	if c.Version >= 1 && req.EndpointType != brokers {
		code, why := core.UnsupportedEndpointType, "This endpoint type is not served by a broker's listener."
		if req.EndpointType == 2 {
			code, why = core.ErrorCode(114), "The request was sent to a broker, not to a controller."
		}
		resp.ErrorCode, resp.ErrorMessage = int16(code), &why
		return
	}
	resp.ClusterID = c.Cluster.ID
	resp.ControllerID = int32(c.Cluster.Controller())
	if req.IncludeClusterAuthorizedOperations {
		resp.ClusterAuthorizedOperations = clusterOperations
	}
	for _, b := range c.Cluster.Image.Brokers() {
		if b.Fenced && !req.IncludeFencedBrokers {
			continue
		}
		rb := kmsg.NewDescribeClusterResponseBroker()
		rb.NodeID, rb.Rack, rb.IsFenced = int32(b.ID), rack(b), b.Fenced
		rb.Host, rb.Port = endpoint(b)
		resp.Brokers = append(resp.Brokers, rb)
	}
}
