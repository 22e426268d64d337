package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/wire"
)

// ApiVersions serves API key 18, v0-5: the rows of [wire.Table], the one table that also drives the dispatcher. A
// version above ours is answered in version 0 with UNSUPPORTED_VERSION and the table (KIP-511). From v3 on a client
// names its software, and a name outside Kafka's pattern is INVALID_REQUEST.
func ApiVersions(c *Context) {
	req := c.Request.(*kmsg.ApiVersionsRequest)
	resp := kmsg.NewPtrApiVersionsResponse()
	c.Response = resp
	if c.Version >= 3 && (!softwareName(req.ClientSoftwareName) || !softwareName(req.ClientSoftwareVersion)) {
		resp.ErrorCode = int16(core.InvalidRequest)
		return
	}
	fillVersions(resp, c.classes)
	if c.Version < 3 {
		return
	}
	addSupportedFeatures(resp, c)
	resp.FinalizedFeaturesEpoch = int64(c.Cluster.Image.Offset())
	for _, f := range c.Cluster.Image.Features() {
		ff := kmsg.NewApiVersionsResponseFinalizedFeature()
		ff.Name, ff.MinVersionLevel, ff.MaxVersionLevel = f.Name, f.Level, f.Level
		resp.FinalizedFeatures = append(resp.FinalizedFeatures, ff)
	}
	if level := c.Cluster.KRaftVersion; level > 0 { // it is not in the metadata (Kafka: KRaftMetadataCache.features)
		ff := kmsg.NewApiVersionsResponseFinalizedFeature()
		ff.Name, ff.MinVersionLevel, ff.MaxVersionLevel = "kraft.version", level, level
		resp.FinalizedFeatures = append(resp.FinalizedFeatures, ff)
	}
}

// addSupportedFeatures tells what levels the broker could run (KIP-584). Clients of v3 do not read a range that begins
// at 0, so it begins at 1 for them (KAFKA-17011).
func addSupportedFeatures(resp *kmsg.ApiVersionsResponse, c *Context) {
	self := c.Cluster.Image.Broker(c.Cluster.Self)
	if self == nil {
		return
	}
	for _, f := range self.Features {
		sf := kmsg.NewApiVersionsResponseSupportedFeature()
		sf.Name, sf.MinVersion, sf.MaxVersion = f.Name, f.Min, f.Max
		if c.Version < 4 {
			sf.MinVersion = max(1, f.Min)
		}
		if sf.MinVersion <= sf.MaxVersion {
			resp.SupportedFeatures = append(resp.SupportedFeatures, sf)
		}
	}
}

// UnsupportedApiVersions is the answer, in version 0, to an ApiVersions request of a version that the broker does not
// know.
func UnsupportedApiVersions(classes wire.Class) kmsg.Response {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.ErrorCode = int16(core.UnsupportedVersion)
	fillVersions(resp, classes)
	return resp
}

func fillVersions(resp *kmsg.ApiVersionsResponse, classes wire.Class) {
	for row := range wire.APIs(classes) {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MinVersion, k.MaxVersion = int16(row.Key), row.Min, row.Max
		resp.ApiKeys = append(resp.ApiKeys, k)
	}
}

// softwareName reports whether s fits Kafka's pattern [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?.
func softwareName(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		b := s[i]
		letter := b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
		inner := i > 0 && i < len(s)-1 && (b == '-' || b == '.')
		if !letter && !inner {
			return false
		}
	}
	return true
}
