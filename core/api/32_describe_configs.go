package api

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/config"
)

// DescribeConfigs serves API key 32, v0-4: every setting of the table in core/config with value, source, synonyms (v1),
// type and documentation (v3). A broker resource names this broker, or none for what is set for all brokers. A resource
// that is named again is answered once: a few bytes of request must not ask for the whole table over and over.
func DescribeConfigs(c *Context) {
	req := c.Request.(*kmsg.DescribeConfigsRequest)
	resp := kmsg.NewPtrDescribeConfigsResponse()
	c.Response = resp
	type resource struct {
		kind kmsg.ConfigResourceType
		name string
	}
	seen := make(map[resource]bool, len(req.Resources))
	for i := range req.Resources {
		want := &req.Resources[i]
		key := resource{want.ResourceType, want.ResourceName}
		if seen[key] {
			continue
		}
		seen[key] = true
		r := kmsg.NewDescribeConfigsResponseResource()
		r.ResourceType, r.ResourceName = want.ResourceType, want.ResourceName
		r.Configs = []kmsg.DescribeConfigsResponseResourceConfig{}
		described, code, why := describeResource(c, want)
		if code != core.NoError {
			r.ErrorCode, r.ErrorMessage = int16(code), &why
		}
		for j := range described {
			r.Configs = append(r.Configs, describedConfig(&described[j], req))
		}
		resp.Resources = append(resp.Resources, r)
	}
}

func describeResource(c *Context, want *kmsg.DescribeConfigsRequestResource) (described []config.Described,
	code core.ErrorCode, why string) {
	switch want.ResourceType {
	case kmsg.ConfigResourceTypeTopic:
		if !validTopicName(want.ResourceName) {
			return nil, core.InvalidTopicException, "The topic name is not valid."
		}
		if c.Cluster.Image.TopicByName(want.ResourceName) == nil {
			return nil, core.UnknownTopicOrPartition, core.UnknownTopicOrPartition.Description()
		}
		return config.DescribeTopic(c.Cluster.Layers(want.ResourceName), want.ConfigNames), core.NoError, ""
	case kmsg.ConfigResourceTypeBroker:
		if want.ResourceName == "" {
			return config.DescribeCluster(c.Cluster.Layers(""), want.ConfigNames), core.NoError, ""
		}
		if want.ResourceName != strconv.Itoa(int(c.Cluster.Self)) {
			return nil, core.InvalidRequest, "Unexpected broker id, expected " + strconv.Itoa(int(c.Cluster.Self)) +
				" or empty string, but received " + want.ResourceName
		}
		return config.DescribeBroker(c.Cluster.Layers(""), want.ConfigNames), core.NoError, ""
	case kmsg.ConfigResourceTypeBrokerLogger:
		if want.ResourceName != strconv.Itoa(int(c.Cluster.Self)) {
			return nil, core.InvalidRequest, "Unexpected broker id for the loggers of broker " +
				strconv.Itoa(int(c.Cluster.Self))
		}
		return nil, core.NoError, ""
	case kmsg.ConfigResourceTypeClientMetrics, kmsg.ConfigResourceTypeGroupConfig:
		if want.ResourceName == "" {
			return nil, core.InvalidRequest, "The resource name must not be empty."
		}
		return nil, core.NoError, ""
	}
	return nil, core.InvalidRequest, "Unsupported resource type."
}

func describedConfig(d *config.Described, req *kmsg.DescribeConfigsRequest) kmsg.DescribeConfigsResponseResourceConfig {
	rc := kmsg.NewDescribeConfigsResponseResourceConfig()
	rc.Name, rc.ReadOnly, rc.IsSensitive = d.Name, d.ReadOnly, d.Sensitive
	rc.IsDefault = d.Source == config.FromDefault
	rc.Source, rc.ConfigType = kmsg.ConfigSource(d.Source), kmsg.ConfigType(d.Type)
	if !d.Null {
		rc.Value = &d.Value
	}
	if req.IncludeDocumentation {
		rc.Documentation = &d.Documentation
	}
	if !req.IncludeSynonyms {
		return rc
	}
	for i := range d.Synonyms {
		y := &d.Synonyms[i]
		ry := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
		ry.Name, ry.Source = y.Name, kmsg.ConfigSource(y.Source)
		if !y.Null {
			ry.Value = &y.Value
		}
		rc.ConfigSynonyms = append(rc.ConfigSynonyms, ry)
	}
	return rc
}
