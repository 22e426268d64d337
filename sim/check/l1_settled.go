package check

import (
	"strconv"

	"ottla.dev/core"
	"ottla.dev/core/broker"
	"ottla.dev/core/metadata"
)

// brokersText lists who has a partition.
func brokersText(p *metadata.Partition) string {
	list := func(name string, ids []core.BrokerID) string {
		for _, id := range ids {
			name += " " + strconv.Itoa(int(id))
		}
		return name
	}
	var lost []core.BrokerID
	for _, id := range p.Replicas {
		if dir, ok := p.Directory(id); ok && dir == metadata.LostDirectory() {
			lost = append(lost, id)
		}
	}
	return list("replicas", p.Replicas) + list(", ISR", p.ISR) + list(", ELR", p.ELR) +
		list(", last known", p.LastKnownELR) + list(", lost", lost)
}

// Settled says what stands in the way of a cluster at rest (L1), nothing if it has come to that.
func Settled(all []broker.Inspection) string {
	controllers := 0
	for i := range all {
		p := &all[i]
		who := " broker " + strconv.Itoa(i+1)
		if p.Controller {
			controllers++
		}
		if p.Image == nil || p.Image.Offset() != all[0].Image.Offset() {
			return who + " has other metadata than broker 1;"
		}
		for t := range p.Image.Topics() {
			for _, part := range t.Partitions {
				if part.Leader == core.NoBroker || len(part.ISR) != len(part.Replicas) {
					name := core.TopicPartition{Topic: t.Name, Partition: part.ID}.String()
					return " " + name + " is led by " + strconv.Itoa(int(part.Leader)) + " with " + strconv.Itoa(len(part.ISR)) +
						" of " + strconv.Itoa(len(part.Replicas)) + " replicas in sync (" + brokersText(part) + ");"
				}
			}
		}
	}
	if controllers != 1 {
		return " there are " + strconv.Itoa(controllers) + " controllers;"
	}
	return ""
}
