package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/controller"
	"ottla.dev/core/metadata"
	"ottla.dev/core/raft"
)

// KRaftVersion is the feature whose level the quorum keeps, and not the metadata.
const KRaftVersion = raft.KRaftVersion

// bootstrapFeatures are the features that a new cluster begins with, beside metadata.version.
func bootstrapFeatures() []metadata.Feature {
	return []metadata.Feature{{Name: "eligible.leader.replicas.version", Level: 1}}
}

// SupportedFeatures are the levels that a new cluster may begin with.
func SupportedFeatures() []metadata.FeatureRange {
	list := []metadata.FeatureRange{
		{Name: metadata.MetadataVersion, Min: metadata.MaxMetadataVersion, Max: metadata.MaxMetadataVersion},
		{Name: KRaftVersion, Max: raft.MaxKRaftVersion},
	}
	for _, f := range bootstrapFeatures() {
		list = append(list, metadata.FeatureRange{Name: f.Name, Max: f.Level})
	}
	return list
}

// updateFeatures decides UpdateFeatures as the active controller. The level of kraft.version is the quorum's, whose
// record comes before those of the others: if the leader fails in between, that may be all that comes to pass, and the
// client is told that the outcome is unknown.
func (c *Control) updateFeatures(req *kmsg.UpdateFeaturesRequest) controller.Decision {
	isQuorums := func(u kmsg.UpdateFeaturesRequestFeatureUpdate) bool { return u.Feature == KRaftVersion }
	others := *req
	others.FeatureUpdates = slices.DeleteFunc(slices.Clone(req.FeatureUpdates), isQuorums)
	d := c.controller.Decide(c.now, c.lead.draft, &others)
	at := slices.IndexFunc(req.FeatureUpdates, isQuorums)
	if at < 0 || d.Response.(*kmsg.UpdateFeaturesResponse).ErrorCode != 0 {
		return d
	}
	code, why := c.quorum.Upgrade(c.now, req.FeatureUpdates[at].MaxVersionLevel, req.ValidateOnly, &c.out)
	if code != core.NoError {
		return controller.Decision{Response: controller.FeaturesRefused(req, code, why)}
	}
	d.Response = controller.FeaturesUpdated(req)
	return d
}
