package api

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// ListConfigResources serves API key 74, v0-1 (KIP-1142): the names of what has settings. v0 lists client metrics
// subscriptions, of which there are none.
func ListConfigResources(c *Context) {
	req := c.Request.(*kmsg.ListConfigResourcesRequest)
	resp := kmsg.NewPtrListConfigResourcesResponse()
	c.Response = resp
	if c.Version == 0 {
		return
	}
	types := req.ResourceTypes
	if len(types) == 0 {
		types = []int8{int8(metadata.ResourceTopic), int8(metadata.ResourceBroker), int8(metadata.ResourceBrokerLogger),
			int8(metadata.ResourceClientMetrics), int8(metadata.ResourceGroup)}
	}
	add := func(t metadata.ResourceType, name string) {
		r := kmsg.NewListConfigResourcesResponseConfigResource()
		r.Name, r.Type = name, int8(t)
		resp.ConfigResources = append(resp.ConfigResources, r)
	}
	seen := map[int8]bool{}
	for _, number := range types {
		if seen[number] {
			continue
		}
		seen[number] = true
		switch t := metadata.ResourceType(number); t {
		case metadata.ResourceTopic:
			for topic := range c.Cluster.Image.Topics() {
				add(t, topic.Name)
			}
		case metadata.ResourceBroker, metadata.ResourceBrokerLogger:
			for _, b := range c.Cluster.Image.Brokers() {
				add(t, strconv.Itoa(int(b.ID)))
			}
		case metadata.ResourceClientMetrics, metadata.ResourceGroup:
		default:
			resp.ErrorCode = int16(core.UnsupportedVersion)
			resp.ConfigResources = nil
			return
		}
	}
}
