package controller

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
	"ottla.dev/core/probe"
)

// failDirectories gives what a broker's report of failed log directories comes to (KIP-858; Kafka:
// handleDirectoriesOffline). Replicas there leave ISRs and leaderships, and are not eligible to lead either: what is on
// a failed disk is not to be relied on before it has been synced again. all tells that no directory is left, which no
// record can say: such a broker is to be fenced.
func (c *Controller) failDirectories(
	img *metadata.Image, b *metadata.Broker, offline [][16]byte,
) (records []metadata.Record, all bool) {
	failed := func(d core.UUID) bool { return slices.Contains(offline, [16]byte(d)) }
	left := slices.DeleteFunc(slices.Clone(b.LogDirs), failed)
	if len(left) == len(b.LogDirs) {
		return nil, false
	}
	c.Reached.Add(probe.DirectoryLost)
	o := removal(b.ID)
	o.lost, o.onlyLost = failed, true
	records = c.reelect(img, o)
	if len(left) > 0 {
		records = append(records, &metadata.BrokerRegistrationChangeRecord{Broker: b.ID, Epoch: b.Epoch, LogDirs: left})
	}
	return records, len(left) == 0
}

// lostTo tells which directories an incarnation with the given ones does not have.
func lostTo(directories []core.UUID) func(core.UUID) bool {
	return func(d core.UUID) bool {
		return d == metadata.LostDirectory() ||
			!metadata.ReservedDirectory(d) && len(directories) > 0 && !slices.Contains(directories, d)
	}
}

// assignReplicas decides where a broker says its replicas are (KIP-858; Kafka: handleAssignReplicasToDirs).
func (c *Controller) assignReplicas(img *metadata.Image, req *kmsg.AssignReplicasToDirsRequest) Decision {
	resp := req.ResponseKind().(*kmsg.AssignReplicasToDirsResponse)
	id := core.BrokerID(req.BrokerID)
	if code := c.refuseBrokerEpoch(img, id, core.BrokerEpoch(req.BrokerEpoch)); code != core.NoError {
		resp.ErrorCode = int16(code)
		return Decision{nil, resp}
	}
	b := img.Broker(id)
	d := c.draft(img)
	for _, dir := range req.Directories {
		outDir := kmsg.NewAssignReplicasToDirsResponseDirectory()
		outDir.ID = dir.ID
		for _, in := range dir.Topics {
			outTopic := kmsg.NewAssignReplicasToDirsResponseDirectoryTopic()
			outTopic.TopicID = in.TopicID
			topic := img.TopicByID(in.TopicID)
			var r rules
			if topic != nil {
				r = c.rulesOf(img, topic.Name)
			}
			for _, p := range in.Partitions {
				out := kmsg.NewAssignReplicasToDirsResponseDirectoryTopicPartition()
				out.Partition = p.Partition
				out.ErrorCode = int16(d.assign(topic, r, core.PartitionID(p.Partition), b, dir.ID))
				outTopic.Partitions = append(outTopic.Partitions, out)
			}
			outDir.Topics = append(outDir.Topics, outTopic)
		}
		resp.Directories = append(resp.Directories, outDir)
	}
	return Decision{d.records, resp}
}

func (d *draft) assign(
	t *metadata.Topic, r rules, id core.PartitionID, b *metadata.Broker, directory core.UUID,
) core.ErrorCode {
	if t == nil {
		return core.UnknownTopicID
	}
	p := d.partition(t, id)
	switch {
	case p == nil:
		return core.UnknownTopicOrPartition
	case !p.HasReplica(b.ID):
		return core.NotLeaderOrFollower
	}
	n := newTransition(d.img, t.ID, p, r)
	n.purpose, n.moved, n.directory = r.automatic(), b.ID, directory
	d.c.Reached.Add(probe.ReplicaPlaced)
	if !b.HasOnline(directory) {
		d.c.Reached.Add(probe.ReplicaLost)
		n.outage = removal(b.ID)
		n.outage.unclean = b.ID
		n.isr = without(p.ISR, b.ID)
	}
	d.change(n)
	return core.NoError
}
