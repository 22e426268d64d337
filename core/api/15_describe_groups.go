package api

import "github.com/twmb/franz-go/pkg/kmsg"

// DescribeGroups serves API key 15, v0-6: each group is described by its own coordinator.
func DescribeGroups(c *Context) {
	req := c.Request.(*kmsg.DescribeGroupsRequest)
	resp := kmsg.NewPtrDescribeGroupsResponse()
	resp.Groups = make([]kmsg.DescribeGroupsResponseGroup, len(req.Groups))
	c.Response = resp
	for i, name := range req.Groups {
		one := kmsg.NewPtrDescribeGroupsRequest()
		one.Version, one.IncludeAuthorizedOperations = req.Version, req.IncludeAuthorizedOperations
		one.Groups = []string{name}
		coordinates(c, name, one, func(answer kmsg.Response) {
			resp.Groups[i] = answer.(*kmsg.DescribeGroupsResponse).Groups[0]
		})
	}
}
