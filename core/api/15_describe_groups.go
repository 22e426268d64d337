package api

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// DescribeGroups serves API key 15, v0-6: each group is described by its own coordinator. A group that is named again
// is described once.
func DescribeGroups(c *Context) {
	req := c.Request.(*kmsg.DescribeGroupsRequest)
	resp := kmsg.NewPtrDescribeGroupsResponse()
	groups := distinct(req.Groups)
	resp.Groups = make([]kmsg.DescribeGroupsResponseGroup, len(groups))
	c.Response = resp
	for i, name := range groups {
		if i >= maxGroups {
			resp.Groups[i].Default()
			resp.Groups[i].Group, resp.Groups[i].ErrorCode = name, int16(core.InvalidRequest)
			continue
		}
		one := kmsg.NewPtrDescribeGroupsRequest()
		one.Version, one.IncludeAuthorizedOperations = req.Version, req.IncludeAuthorizedOperations
		one.Groups = []string{name}
		coordinates(c, name, one, func(answer kmsg.Response) {
			resp.Groups[i] = answer.(*kmsg.DescribeGroupsResponse).Groups[0]
		})
	}
}

// distinct leaves the first of equal names, in place.
func distinct(names []string) []string {
	seen := make(map[string]bool, len(names))
	return slices.DeleteFunc(names, func(name string) bool {
		again := seen[name]
		seen[name] = true
		return again
	})
}
