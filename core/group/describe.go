package group

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

const (
	// describeUnknownVersion is from where DescribeGroups says GROUP_ID_NOT_FOUND (KIP-1043). Before, a group that is
	// not there is Dead and no error.
	describeUnknownVersion = 6
	// groupType is the type of groups here, as ListGroups says it (KIP-848).
	groupType = "classic"
)

func refuseDescribe(c *Call, req *kmsg.DescribeGroupsRequest, code core.ErrorCode) {
	resp := c.answer().(*kmsg.DescribeGroupsResponse)
	resp.Groups = make([]kmsg.DescribeGroupsResponseGroup, 0, len(req.Groups))
	for _, id := range req.Groups {
		d := kmsg.NewDescribeGroupsResponseGroup()
		d.Group, d.ErrorCode = id, int16(code)
		resp.Groups = append(resp.Groups, d)
	}
}

func (m *Machine) describeGroups(t turn, c *Call, req *kmsg.DescribeGroupsRequest) {
	resp := c.answer().(*kmsg.DescribeGroupsResponse)
	resp.Groups = make([]kmsg.DescribeGroupsResponseGroup, 0, len(req.Groups))
	for _, id := range req.Groups {
		resp.Groups = append(resp.Groups, describe(m.groups[id], id, req.Version))
	}
	t.Answer(c)
}

func describe(g *Group, id string, version int16) kmsg.DescribeGroupsResponseGroup {
	d := kmsg.NewDescribeGroupsResponseGroup()
	d.Group, d.State = id, Dead.String()
	if g == nil {
		if version >= describeUnknownVersion {
			message := "Group " + id + " not found."
			d.ErrorCode, d.ErrorMessage = int16(core.GroupIDNotFound), &message
		}
		return d
	}
	d.State, d.ProtocolType = g.state.String(), g.protocolType
	if g.state == Stable {
		d.Protocol = *g.protocol
	}
	d.Members = make([]kmsg.DescribeGroupsResponseGroupMember, 0, len(g.members))
	for _, mem := range g.members {
		out := kmsg.DescribeGroupsResponseGroupMember{
			MemberID: mem.id, InstanceID: mem.instance, ClientID: mem.clientID, ClientHost: mem.clientHost,
			MemberAssignment: mem.assignment,
		}
		if g.state == Stable {
			out.ProtocolMetadata = mem.metadata(*g.protocol)
		}
		d.Members = append(d.Members, out)
	}
	return d
}

// listGroups lists the groups of this partition; whoever routes the request gathers all partitions.
func (m *Machine) listGroups(t turn, c *Call, req *kmsg.ListGroupsRequest) {
	resp := c.answer().(*kmsg.ListGroupsResponse)
	resp.ErrorCode, resp.Groups = 0, nil
	for _, id := range m.groupIDs() {
		g := m.groups[id]
		if passes(req.StatesFilter, g.state.isNamed) && passes(req.TypesFilter, isClassic) {
			resp.Groups = append(resp.Groups, kmsg.ListGroupsResponseGroup{
				Group: id, ProtocolType: g.protocolType, GroupState: g.state.String(), GroupType: groupType,
			})
		}
	}
	t.Answer(c)
}

func isClassic(filter string) bool { return strings.EqualFold(filter, groupType) }

// passes reports whether one of the filters matches, or there are none.
func passes(filters []string, match func(string) bool) bool {
	for _, f := range filters {
		if match(f) {
			return true
		}
	}
	return len(filters) == 0
}
