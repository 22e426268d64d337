package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// DeleteGroups serves API key 42, v0-3: each group is deleted by its own coordinator. A group that is named again is
// answered once.
func DeleteGroups(c *Context) {
	req := c.Request.(*kmsg.DeleteGroupsRequest)
	resp := kmsg.NewPtrDeleteGroupsResponse()
	groups := distinct(req.Groups)
	resp.Groups = make([]kmsg.DeleteGroupsResponseGroup, len(groups))
	c.Response = resp
	for i, name := range groups {
		if i >= maxGroups {
			resp.Groups[i].Group, resp.Groups[i].ErrorCode = name, int16(core.InvalidRequest)
			continue
		}
		one := kmsg.NewPtrDeleteGroupsRequest()
		one.Version, one.Groups = req.Version, []string{name}
		coordinates(c, name, one, func(answer kmsg.Response) {
			resp.Groups[i] = answer.(*kmsg.DeleteGroupsResponse).Groups[0]
		})
	}
}
