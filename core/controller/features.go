package controller

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// Types of an update (Kafka: FeatureUpdate.UpgradeType).
const (
	featureUpgrade         = 1
	featureSafeDowngrade   = 2
	featureUnsafeDowngrade = 3
)

// updateFeatures decides UpdateFeatures (API 57; KIP-584, KIP-778, KIP-1022): all of the updates, or none. What it says
// of kraft.version is the quorum's affair and has been taken out.
func (c *Controller) updateFeatures(img *metadata.Image, req *kmsg.UpdateFeaturesRequest) Decision {
	var records []metadata.Record
	for i := range req.FeatureUpdates {
		u := &req.FeatureUpdates[i]
		if why := refuseFeature(img, req.Version, u); why != "" {
			return Decision{nil, FeaturesRefused(req, core.InvalidUpdateVersion, fmt.Sprintf(
				"Invalid update version %d for feature %s. %s", u.MaxVersionLevel, u.Feature, why))}
		}
		if img.FeatureLevel(u.Feature) == u.MaxVersionLevel {
			continue
		}
		records = append(records, &metadata.FeatureLevelRecord{Name: u.Feature, Level: u.MaxVersionLevel})
		if u.Feature == eligibleLeaderReplicas && u.MaxVersionLevel > 0 {
			records = append(records, c.sharedMinISR(img)...)
		}
	}
	if req.ValidateOnly {
		records = nil
	}
	return Decision{records, FeaturesUpdated(req)}
}

// refuseFeature says what is against one update, "" if nothing is (Kafka: FeatureControlManager.updateFeature).
func refuseFeature(img *metadata.Image, version int16, u *kmsg.UpdateFeaturesRequestFeatureUpdate) string {
	kind := u.UpgradeType
	if version == 0 {
		if kind = featureUpgrade; u.AllowDowngrade {
			kind = featureSafeDowngrade
		}
	}
	level, now := u.MaxVersionLevel, img.FeatureLevel(u.Feature)
	low, high, known := supportedLevels(u.Feature)
	switch {
	case kind < featureUpgrade || kind > featureUnsafeDowngrade:
		return "The controller does not support the given upgrade type."
	case level < 0:
		return "A feature version cannot be less than 0."
	case !known:
		return "The controllers do not support this feature."
	case level < low || level > high:
		return fmt.Sprintf("The controllers only support versions %d-%d", low, high)
	case level < now && kind == featureUpgrade:
		return "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe " +
			"downgrade."
	case level > now && kind != featureUpgrade:
		return "Can't downgrade to a newer version."
	}
	for _, b := range img.Brokers() {
		if low, high := brokerLevels(b, u.Feature); level != 0 && (level < low || level > high) {
			return fmt.Sprintf("Broker %d only supports versions %d-%d", b.ID, low, high)
		}
	}
	return ""
}

// supportedLevels are the levels of a feature that this controller can work with. Metadata records are written for one
// level of metadata.version.
func supportedLevels(feature string) (low, high int16, known bool) {
	switch feature {
	case metadata.MetadataVersion:
		return metadata.MaxMetadataVersion, metadata.MaxMetadataVersion, true
	case eligibleLeaderReplicas:
		return 0, 1, true
	}
	return 0, 0, false
}

func brokerLevels(b *metadata.Broker, feature string) (low, high int16) {
	for _, f := range b.Features {
		if f.Name == feature {
			return f.Min, f.Max
		}
	}
	return 0, 0
}

// FeaturesUpdated is the answer to an UpdateFeatures request that was granted.
func FeaturesUpdated(req *kmsg.UpdateFeaturesRequest) *kmsg.UpdateFeaturesResponse {
	resp := req.ResponseKind().(*kmsg.UpdateFeaturesResponse)
	for i := range req.FeatureUpdates {
		r := kmsg.NewUpdateFeaturesResponseResult()
		r.Feature = req.FeatureUpdates[i].Feature
		resp.Results = append(resp.Results, r)
	}
	return resp
}

// FeaturesRefused is the answer to one that was refused.
func FeaturesRefused(req *kmsg.UpdateFeaturesRequest, code core.ErrorCode, why string) *kmsg.UpdateFeaturesResponse {
	resp := req.ResponseKind().(*kmsg.UpdateFeaturesResponse)
	why = "The update failed for all features since the following feature had an error: " + why
	resp.ErrorCode, resp.ErrorMessage = int16(code), &why
	return resp
}
