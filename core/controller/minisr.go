package controller

import (
	"strconv"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
	"ottla.dev/core/probe"
)

// minInSyncReplicas is the configuration that eligible leader replicas hang on.
const minInSyncReplicas = "min.insync.replicas"

// Takeover gives what a new leadership appends before its first decision: the end of a metadata transaction that its
// predecessor did not finish, and the min.insync.replicas of this controller's file for the whole cluster, if there are
// eligible leader replicas and no value that all brokers share. A partition's leader commits by its own value; were it
// lower than the controller's, replicas would be called eligible that lack what was committed.
func (c *Controller) Takeover(img *metadata.Image) []metadata.Record {
	var records []metadata.Record
	if img.InTransaction() {
		c.Reached.Add(probe.TransactionAborted)
		reason := "failover"
		records = append(records, &metadata.AbortTransactionRecord{Reason: &reason})
		img = img.Stable()
	}
	if img.FeatureLevel(eligibleLeaderReplicas) > 0 {
		records = append(records, c.sharedMinISR(img)...)
	}
	return records
}

// sharedMinISR gives the record that makes min.insync.replicas one value for all brokers, if there is none.
func (c *Controller) sharedMinISR(img *metadata.Image) []metadata.Record {
	cluster := metadata.Resource{Type: metadata.ResourceBroker}
	if _, set := img.Configs(cluster).Get(minInSyncReplicas); set {
		return nil
	}
	value := strconv.Itoa(max(1, c.configs.MinInSyncReplicas(img, "")))
	return []metadata.Record{configRecord(cluster, minInSyncReplicas, &value)}
}

// refuseMinISR keeps min.insync.replicas the same for all brokers while there are eligible leader replicas (Kafka:
// ConfigurationControlManager).
func refuseMinISR(img *metadata.Image, r metadata.Resource, records []metadata.Record) *refusal {
	if r.Type != metadata.ResourceBroker || img.FeatureLevel(eligibleLeaderReplicas) == 0 {
		return nil
	}
	for _, record := range records {
		config := record.(*metadata.ConfigRecord)
		switch {
		case config.Name != minInSyncReplicas:
		case r.Name != "":
			return refuse(core.InvalidConfig, "Broker-level %s cannot be altered while ELR is enabled.", config.Name)
		case config.Value == nil:
			return refuse(core.InvalidConfig, "Cluster-level %s cannot be removed while ELR is enabled.", config.Name)
		}
	}
	return nil
}

// followMinISR changes the partitions that a change of min.insync.replicas concerns, given its records.
//
// If the minimum sinks, eligible leader replicas go where the ISR is large enough to commit without them. Kafka
// clears all of them, those of partitions without a leader too, where nothing is committed and nobody else may lead.
//
// If it rises, each partition's epoch rises. Replicas become eligible by the new minimum from here on, so the leader
// must not go on by the old one: it might shrink the ISR, hear that this was accepted before it hears of the minimum,
// and commit without those who were called eligible. With the old partition epoch it is refused. Kafka does not do
// this.
func (c *Controller) followMinISR(img *metadata.Image, records []metadata.Record) []metadata.Record {
	touched := false
	for _, record := range records {
		touched = touched || record.(*metadata.ConfigRecord).Name == minInSyncReplicas
	}
	if !touched || img.FeatureLevel(eligibleLeaderReplicas) == 0 {
		return nil
	}
	next := after(img, records)
	var changes []metadata.Record
	for t := range next.Topics() {
		before, now := c.rulesOf(img, t.Name), c.rulesOf(next, t.Name)
		for _, p := range t.Partitions {
			switch {
			case p.Leader == core.NoBroker:
			case now.minISR > before.minISR:
				c.Reached.Add(probe.MinISRRaised)
				change := metadata.NewPartitionChange(t.ID, p.ID)
				change.ISR = p.ISR
				changes = append(changes, change)
			case len(p.ELR) > 0:
				c.Reached.Add(probe.MinISRLowered)
				if change := c.run(newTransition(next, t.ID, p, now)); change != nil {
					changes = append(changes, change)
				}
			}
		}
	}
	return changes
}
