package controller

import (
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// alteration is what a request does to the configurations of one resource.
type alteration struct {
	resource metadata.Resource
	ops      []configOp
	// replace drops all configurations that ops do not set: the rule of AlterConfigs, which KIP-339 replaced.
	replace bool
}

type configOp struct {
	name  string
	op    kmsg.IncrementalAlterConfigOp
	value *string
}

func (c *Controller) alterConfigs(img *metadata.Image, req *kmsg.AlterConfigsRequest) Decision {
	resp := req.ResponseKind().(*kmsg.AlterConfigsResponse)
	alterations := make([]alteration, len(req.Resources))
	for i, r := range req.Resources {
		a := alteration{resource: resourceOf(r.ResourceType, r.ResourceName), replace: true}
		for _, config := range r.Configs {
			a.ops = append(a.ops, configOp{config.Name, kmsg.IncrementalAlterConfigOpSet, config.Value})
		}
		alterations[i] = a
	}
	records, refused := c.alter(img, alterations)
	for i, r := range req.Resources {
		out := kmsg.NewAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = r.ResourceType, r.ResourceName
		out.ErrorCode, out.ErrorMessage = refused[i].fields()
		resp.Resources = append(resp.Resources, out)
	}
	if req.ValidateOnly {
		records = nil
	}
	return Decision{records, resp}
}

func (c *Controller) incrementalAlterConfigs(img *metadata.Image, req *kmsg.IncrementalAlterConfigsRequest) Decision {
	resp := req.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	alterations := make([]alteration, len(req.Resources))
	for i, r := range req.Resources {
		a := alteration{resource: resourceOf(r.ResourceType, r.ResourceName)}
		for _, config := range r.Configs {
			a.ops = append(a.ops, configOp{config.Name, config.Op, config.Value})
		}
		alterations[i] = a
	}
	records, refused := c.alter(img, alterations)
	for i, r := range req.Resources {
		out := kmsg.NewIncrementalAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = r.ResourceType, r.ResourceName
		out.ErrorCode, out.ErrorMessage = refused[i].fields()
		resp.Resources = append(resp.Resources, out)
	}
	if req.ValidateOnly {
		records = nil
	}
	return Decision{records, resp}
}

func resourceOf(t kmsg.ConfigResourceType, name string) metadata.Resource {
	return metadata.Resource{Type: metadata.ResourceType(t), Name: name}
}

// alter decides alterations one by one, each wholly or not at all. It returns a refusal, or nil, for each.
func (c *Controller) alter(img *metadata.Image, alterations []alteration) ([]metadata.Record, []*refusal) {
	again := repeated(alterations, func(a alteration) metadata.Resource { return a.resource })
	refused := make([]*refusal, len(alterations))
	var records []metadata.Record
	for i, a := range alterations {
		if again[a.resource] {
			refused[i] = refuse(core.InvalidRequest, "Each resource must appear at most once.")
			continue
		}
		var altered []metadata.Record
		if altered, refused[i] = c.alterOne(img, a); refused[i] == nil {
			records = append(records, altered...)
		}
	}
	if len(records) > MaxRecordsPerRequest {
		records = nil
		for i := range refused {
			refused[i] = tooManyRecords()
		}
	}
	return append(records, c.followMinISR(img, records)...), refused
}

func (c *Controller) alterOne(img *metadata.Image, a alteration) ([]metadata.Record, *refusal) {
	if r := a.refuse(); r != nil {
		return nil, r
	}
	current := img.Configs(a.resource)
	var records []metadata.Record
	for _, op := range a.ops {
		before, had := current.Get(op.name)
		after, r := c.value(a.resource, op, before, had)
		if r != nil {
			return nil, r
		}
		if after != nil {
			if r := c.refuseValue(a.resource, op.name, *after); r != nil {
				return nil, r
			}
		}
		// Brokers reload a configuration when its record comes, so for them a record is made even if nothing changes:
		// a value may name a file that has changed (KAFKA-14136).
		changed := had != (after != nil) || had && before != *after
		if changed || a.resource.Type == metadata.ResourceBroker {
			records = append(records, configRecord(a.resource, op.name, after))
		}
	}
	if a.replace {
		records = append(records, dropped(a, current)...)
	}
	if r := c.refuseTogether(img, a.resource, records); r != nil {
		return nil, r
	}
	if r := refuseMinISR(img, a.resource, records); r != nil {
		return nil, r
	}
	return records, refuseMissing(img, a.resource)
}

// refuseTogether checks what a topic's configurations come to once the records are applied.
func (c *Controller) refuseTogether(img *metadata.Image, r metadata.Resource, records []metadata.Record) *refusal {
	if r.Type != metadata.ResourceTopic {
		return nil
	}
	after := img.Configs(r)
	for _, record := range records {
		config := record.(*metadata.ConfigRecord)
		after = after.With(config.Name, config.Value)
	}
	if err := c.configs.CheckTopic(img, after.All()); err != nil {
		return refuse(core.InvalidConfig, "%s", err.Error())
	}
	return nil
}

// dropped deletes what is set on the resource and not in the alteration.
func dropped(a alteration, current *metadata.ConfigSet) []metadata.Record {
	keep := make(map[string]bool, len(a.ops))
	for _, op := range a.ops {
		keep[op.name] = true
	}
	var records []metadata.Record
	for _, config := range current.All() {
		if !keep[config.Name] {
			records = append(records, configRecord(a.resource, config.Name, nil))
		}
	}
	return records
}

func configRecord(r metadata.Resource, name string, value *string) metadata.Record {
	return &metadata.ConfigRecord{ResourceType: r.Type, ResourceName: r.Name, Name: name, Value: value}
}

// refuse checks an alteration's form.
func (a alteration) refuse() *refusal {
	again := repeated(a.ops, func(op configOp) string { return op.name })
	for _, op := range a.ops {
		switch {
		case again[op.name]:
			return refuse(core.InvalidRequest, "Error due to duplicate config keys")
		case op.op < kmsg.IncrementalAlterConfigOpSet || op.op > kmsg.IncrementalAlterConfigOpSubtract:
			return refuse(core.InvalidRequest, "Unknown operations type %d", op.op)
		case op.value == nil && op.op != kmsg.IncrementalAlterConfigOpDelete:
			return refuse(core.InvalidRequest, "Null value not supported for : %s", quote(op.name))
		}
		if r := refuseLength(op.name, ""); r != nil {
			return r
		}
	}
	return refuseResource(a.resource)
}

// refuseResource checks the resource's type and the form of its name.
func refuseResource(r metadata.Resource) *refusal {
	switch r.Type {
	case metadata.ResourceTopic:
		if r.Name == "" {
			return refuse(core.InvalidRequest, "Default topic resources are not allowed.")
		}
		return refuseTopicName(r.Name)
	case metadata.ResourceBroker:
		return refuseBrokerName(r.Name)
	case metadata.ResourceBrokerLogger, metadata.ResourceClientMetrics, metadata.ResourceGroup:
		return refuse(core.InvalidRequest, "Configurations of resource type %s are not implemented yet", r.Type)
	case metadata.ResourceUnknown:
	}
	return refuse(core.InvalidRequest, "Unknown resource type %d", r.Type)
}

func refuseBrokerName(name string) *refusal {
	if name == "" {
		return nil // all brokers
	}
	id, err := strconv.ParseInt(name, 10, 32)
	switch {
	case err != nil:
		return refuse(core.InvalidRequest, "Unable to parse broker name as a base 10 number.")
	case id < 0:
		return refuse(core.InvalidRequest, "Invalid negative broker ID.")
	case strconv.FormatInt(id, 10) != name:
		// "+1" and "01" would be configurations that broker 1 never reads.
		return refuse(core.InvalidRequest, "Broker name %s is not written as %d.", quote(name), id)
	}
	return nil
}

// refuseMissing refuses resources that do not exist. Kafka looks at the values first.
func refuseMissing(img *metadata.Image, r metadata.Resource) *refusal {
	switch {
	case r.Type == metadata.ResourceTopic && img.TopicByName(r.Name) == nil:
		return refuse(core.UnknownTopicOrPartition, "The topic %s does not exist.", quote(r.Name))
	case r.Type == metadata.ResourceBroker && r.Name != "":
		id, err := strconv.ParseInt(r.Name, 10, 32)
		if err != nil {
			panic("controller: a broker's name was not checked")
		}
		if img.Broker(core.BrokerID(id)) == nil {
			return refuse(core.BrokerIDNotRegistered, "No broker with id %d found.", id)
		}
	}
	return nil
}

// value gives what a configuration is after an operation, nil for none.
func (c *Controller) value(r metadata.Resource, op configOp, before string, had bool) (*string, *refusal) {
	switch op.op {
	case kmsg.IncrementalAlterConfigOpSet:
		return op.value, nil
	case kmsg.IncrementalAlterConfigOpDelete:
		return nil, nil
	}
	if !c.configs.IsList(r.Type, op.name) {
		verb := "APPEND"
		if op.op == kmsg.IncrementalAlterConfigOpSubtract {
			verb = "SUBTRACT"
		}
		return nil, refuse(core.InvalidConfig, "Can't %s to key %s because its type is not LIST.", verb, quote(op.name))
	}
	if !had {
		before, _ = c.configs.Default(r.Type, op.name)
	}
	list := words(before)
	for _, word := range words(*op.value) {
		i := slices.Index(list, word)
		switch {
		case op.op == kmsg.IncrementalAlterConfigOpSubtract && i >= 0:
			list = slices.Delete(list, i, i+1)
		case op.op == kmsg.IncrementalAlterConfigOpAppend && i < 0:
			list = append(list, word)
		}
	}
	after := strings.Join(list, ",")
	return &after, nil
}

// words splits a list value, leaving empty words out.
func words(value string) []string {
	return slices.DeleteFunc(strings.Split(value, ","), func(word string) bool { return word == "" })
}

// refuseValue checks a value that is about to be set. A bad broker configuration is an invalid request rather than an
// invalid configuration, which Kafka keeps for compatibility (KAFKA-13609).
func (c *Controller) refuseValue(r metadata.Resource, name, value string) *refusal {
	if refused := refuseLength(name, value); refused != nil {
		return refused
	}
	err := c.configs.Check(r, name, value)
	switch {
	case err == nil:
		return nil
	case r.Type == metadata.ResourceBroker:
		return refuse(core.InvalidRequest, "%s", err.Error())
	}
	return refuse(core.InvalidConfig, "%s", err.Error())
}

// refuseLength refuses what a record cannot hold.
func refuseLength(name, value string) *refusal {
	if len(name) > metadata.MaxStringLength {
		return refuse(core.InvalidConfig, "A configuration's name is longer than %d bytes.", metadata.MaxStringLength)
	}
	if len(value) > metadata.MaxStringLength {
		return refuse(core.InvalidConfig, "The value of %s is longer than %d bytes.", quote(name),
			metadata.MaxStringLength)
	}
	return nil
}
