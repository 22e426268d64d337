package controller

import (
	"strconv"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
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
		reason := "failover"
		records = append(records, &metadata.AbortTransactionRecord{Reason: &reason})
		img = img.Stable()
	}
	cluster := metadata.Resource{Type: metadata.ResourceBroker}
	_, set := img.Configs(cluster).Get(minInSyncReplicas)
	if img.FeatureLevel(eligibleLeaderReplicas) > 0 && !set {
		value := strconv.Itoa(max(1, c.configs.MinInSyncReplicas(img, "")))
		records = append(records, configRecord(cluster, minInSyncReplicas, &value))
	}
	return records
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

// outgrown takes the eligible leader replicas of partitions whose ISR is large enough to commit once the records have
// changed min.insync.replicas. Kafka clears all of them, those of partitions without a leader too, where nothing is
// committed and nobody else may lead.
func (c *Controller) outgrown(img *metadata.Image, records []metadata.Record) []metadata.Record {
	touched := false
	for _, record := range records {
		touched = touched || record.(*metadata.ConfigRecord).Name == minInSyncReplicas
	}
	if !touched || img.FeatureLevel(eligibleLeaderReplicas) == 0 {
		return nil
	}
	img = after(img, records)
	d := c.draft(img)
	for t := range img.Topics() {
		var r rules
		for _, p := range t.Partitions {
			if len(p.ELR) == 0 || p.Leader == core.NoBroker {
				continue
			}
			if r.minISR == 0 {
				r = c.rulesOf(img, t.Name)
			}
			d.change(newTransition(img, t.ID, p, r))
		}
	}
	return d.records
}
