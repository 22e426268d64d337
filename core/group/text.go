package group

import "strconv"

// AppendText appends one line for each group in the order of their ids: what a trace, a failure report or an invariant
// over a simulated cluster wants to see of a coordinator.
//
//	orders Stable generation=3 type=consumer protocol=range leader=a-1 members=[a-1 b-1] pending=0 offsets=4
func (m *Machine) AppendText(dst []byte) []byte {
	for _, id := range m.groupIDs() {
		dst = append(m.groups[id].appendText(dst), '\n')
	}
	return dst
}

func (g *Group) appendText(dst []byte) []byte {
	dst = append(append(append(dst, g.id...), ' '), g.state.String()...)
	dst = strconv.AppendInt(append(dst, " generation="...), int64(g.generation), 10)
	dst = append(append(dst, " type="...), g.protocolType...)
	dst = append(dst, " protocol="...)
	if g.protocol != nil {
		dst = append(dst, *g.protocol...)
	}
	dst = append(append(dst, " leader="...), g.leader...)
	dst = append(dst, " members=["...)
	for i, mem := range g.members {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, mem.id...)
	}
	offsets := 0
	for _, topic := range g.offsets.topics() {
		offsets += len(g.offsets[topic])
	}
	dst = strconv.AppendInt(append(dst, "] pending="...), int64(len(g.pending)), 10)
	return strconv.AppendInt(append(dst, " offsets="...), int64(offsets), 10)
}
