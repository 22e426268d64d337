package check

import (
	"strconv"

	"ottla.dev/core"
)

// StartsAlike says which replica does not begin where its leader does; nothing if all do. It is for the end, and for
// partitions from which only requests delete: each replica looks by itself for what is too old, and a follower takes
// over what a request has deleted (KIP-107). A replica may begin later than its leader if it led itself when it was
// asked to delete, and was deposed before the others had taken it over: whoever asked was not told that it is done, and
// the replica does not have the records any more.
func (c *Cluster) StartsAlike() string {
	if c.images.latest == nil {
		return ""
	}
	for t := range c.images.latest.Topics() {
		for _, part := range t.Partitions {
			p := c.ledger.Partition(core.TopicPartition{Topic: t.Name, Partition: part.ID})
			leader := c.replicas[replicaKey{int(part.Leader) - 1, core.TopicIDPartition{Topic: t.ID, Partition: part.ID}}]
			if p == nil || !p.Retained() || leader == nil {
				continue
			}
			for _, b := range part.Replicas {
				r := c.replicas[replicaKey{int(b) - 1, leader.ID}]
				if r == nil || r.Told == leader.Told {
					continue
				}
				if unfinished := r.Told > leader.Told && r.Told <= p.deleted && leader.Told >= p.gone; !unfinished {
					return " " + p.Name.String() + " begins at " + offsetText(r.Told) + " on broker " + strconv.Itoa(int(b)) +
						" and at " + offsetText(leader.Told) + " on its leader;"
				}
			}
		}
	}
	return ""
}
