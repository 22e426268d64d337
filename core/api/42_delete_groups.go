package api

import "github.com/twmb/franz-go/pkg/kmsg"

// DeleteGroups serves API key 42, v0-3: each group is deleted by its own coordinator.
func DeleteGroups(c *Context) {
	req := c.Request.(*kmsg.DeleteGroupsRequest)
	resp := kmsg.NewPtrDeleteGroupsResponse()
	resp.Groups = make([]kmsg.DeleteGroupsResponseGroup, len(req.Groups))
	c.Response = resp
	for i, name := range req.Groups {
		one := kmsg.NewPtrDeleteGroupsRequest()
		one.Version, one.Groups = req.Version, []string{name}
		coordinates(c, name, one, func(answer kmsg.Response) {
			resp.Groups[i] = answer.(*kmsg.DeleteGroupsResponse).Groups[0]
		})
	}
}
