package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// Endpoint types of DescribeCluster (KIP-919).
const (
	endpointBrokers     = 1
	endpointControllers = 2

	mismatchedEndpoint core.ErrorCode = 114
)

// DescribeCluster serves API key 60, v0-2. v1 can ask for controllers instead of brokers, which the controllers'
// listeners answer; v2 can ask for fenced brokers too (KIP-1073).
func DescribeCluster(c *Context) {
	req := c.Request.(*kmsg.DescribeClusterRequest)
	resp := kmsg.NewPtrDescribeClusterResponse()
	c.Response = resp
	resp.EndpointType = req.EndpointType
	resp.ClusterAuthorizedOperations = notAsked
	if code, why := refuseEndpointType(c, req.EndpointType); code != core.NoError {
		resp.ErrorCode, resp.ErrorMessage = int16(code), &why
		return
	}
	resp.ClusterID = c.Cluster.ID
	if c.Direct {
		describeControllers(c, resp)
		return
	}
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

func refuseEndpointType(c *Context, asked int8) (core.ErrorCode, string) {
	switch {
	case c.Version < 1 || asked == endpointBrokers && !c.Direct || asked == endpointControllers && c.Direct:
		return core.NoError, ""
	case asked == endpointBrokers:
		return mismatchedEndpoint, "The request was sent to a controller, not to a broker."
	case asked == endpointControllers:
		return mismatchedEndpoint, "The request was sent to a broker, not to a controller."
	}
	return core.UnsupportedEndpointType, "There is no such endpoint type."
}

// describeControllers tells of the voters in the place of brokers.
func describeControllers(c *Context, resp *kmsg.DescribeClusterResponse) {
	resp.ControllerID = int32(c.Cluster.Leader)
	for i := range c.Cluster.Controllers {
		v := &c.Cluster.Controllers[i]
		if len(v.Endpoints) > 0 {
			rb := kmsg.NewDescribeClusterResponseBroker()
			rb.NodeID, rb.Host, rb.Port = int32(v.ID), v.Endpoints[0].Host, int32(v.Endpoints[0].Port)
			resp.Brokers = append(resp.Brokers, rb)
		}
	}
}
