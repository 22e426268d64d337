package check

import (
	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// fence is what is known of the fencing of a machine's broker, over all its lives.
type fence struct {
	knows    core.Offset      // of the metadata that any of its processes has applied
	epoch    core.BrokerEpoch // in which it was seen unfenced
	unfenced core.Offset      // of the last metadata that show it so
}

// watchUnfencing is S7 of heartbeats: a broker that was fenced takes part again when it has said so knowing that, and
// not by what a process had sent before, which may be gone. The end of the metadata that fenced it is not known here:
// it is behind all that show the broker unfenced.
func (c *Cluster) watchUnfencing(node int, was, image *metadata.Image) {
	for _, b := range image.Brokers() {
		before, at := was.Broker(b.ID), int(b.ID)-1
		if before == nil || before.Epoch != b.Epoch || at < 0 || at >= len(c.fences) {
			continue
		}
		f := &c.fences[at]
		if !before.Fenced {
			f.epoch, f.unfenced = b.Epoch, was.Offset()
		}
		if before.Fenced && !b.Fenced && f.epoch == b.Epoch && f.unfenced > 0 && f.knows <= f.unfenced {
			c.wrong("unfenced", node, brokerText(b.ID)+" is unfenced by a heartbeat from before it was fenced: it has applied "+
				"the metadata up to offset "+offsetText(f.knows)+", and those at "+offsetText(f.unfenced)+" do not fence it yet")
		}
	}
}
