package metadata

import "ottla.dev/core"

// RegisterBrokerRecord registers an incarnation of a broker, or amends its registration.
type RegisterBrokerRecord struct {
	Broker               core.BrokerID
	MigratingZK          bool // version 2; always false since Kafka 4.0
	Incarnation          core.UUID
	Epoch                core.BrokerEpoch
	Endpoints            []Endpoint
	Features             []FeatureRange
	Rack                 *string // nil: no rack
	Fenced               bool
	InControlledShutdown bool        // version 1
	LogDirs              []core.UUID // version 3
}

// Type is TypeRegisterBroker.
func (*RegisterBrokerRecord) Type() RecordType { return TypeRegisterBroker }

func (r *RegisterBrokerRecord) fields(c *codec) {
	int32Field(c, &r.Broker)
	if c.version >= 2 {
		c.bool(&r.MigratingZK)
	}
	c.uuid(&r.Incarnation)
	int64Field(c, &r.Epoch)
	array(c, &r.Endpoints, 7, endpointFields)
	array(c, &r.Features, 6, featureRangeFields)
	c.nullableString(&r.Rack)
	c.bool(&r.Fenced)
	if c.version >= 1 {
		c.bool(&r.InControlledShutdown)
	}
	if c.version < 3 {
		c.tags()
		return
	}
	c.tags(tag{0, len(r.LogDirs) > 0, func(c *codec) { c.uuids(&r.LogDirs) }})
}

func endpointFields(c *codec, e *Endpoint) {
	c.string(&e.Name)
	c.string(&e.Host)
	c.uint16(&e.Port)
	c.int16(&e.SecurityProtocol)
	c.tags()
}

func featureRangeFields(c *codec, f *FeatureRange) {
	c.string(&f.Name)
	c.int16(&f.Min)
	c.int16(&f.Max)
	c.tags()
}

// UnregisterBrokerRecord removes a broker's registration.
type UnregisterBrokerRecord struct {
	Broker core.BrokerID
	Epoch  core.BrokerEpoch
}

// Type is TypeUnregisterBroker.
func (*UnregisterBrokerRecord) Type() RecordType { return TypeUnregisterBroker }

func (r *UnregisterBrokerRecord) fields(c *codec) {
	int32Field(c, &r.Broker)
	int64Field(c, &r.Epoch)
	c.tags()
}

// FenceBrokerRecord fences a broker. Kafka writes BrokerRegistrationChangeRecord instead since 3.3.
type FenceBrokerRecord struct {
	Broker core.BrokerID
	Epoch  core.BrokerEpoch
}

// Type is TypeFenceBroker.
func (*FenceBrokerRecord) Type() RecordType { return TypeFenceBroker }

func (r *FenceBrokerRecord) fields(c *codec) {
	int32Field(c, &r.Broker)
	int64Field(c, &r.Epoch)
	c.tags()
}

// UnfenceBrokerRecord unfences a broker. Kafka writes BrokerRegistrationChangeRecord instead since 3.3.
type UnfenceBrokerRecord struct {
	Broker core.BrokerID
	Epoch  core.BrokerEpoch
}

// Type is TypeUnfenceBroker.
func (*UnfenceBrokerRecord) Type() RecordType { return TypeUnfenceBroker }

func (r *UnfenceBrokerRecord) fields(c *codec) {
	int32Field(c, &r.Broker)
	int64Field(c, &r.Epoch)
	c.tags()
}

// Fencing is what a [BrokerRegistrationChangeRecord] does to the broker's fencing.
type Fencing int8

// The three changes (Kafka: BrokerRegistrationFencingChange).
const (
	Unfence          Fencing = -1
	FencingUnchanged Fencing = 0
	Fence            Fencing = 1
)

// BrokerRegistrationChangeRecord changes the state of a registered broker.
type BrokerRegistrationChangeRecord struct {
	Broker  core.BrokerID
	Epoch   core.BrokerEpoch
	Fencing Fencing
	// ControlledShutdown is 1 if the broker begins a controlled shutdown and 0 if nothing changes; only a new
	// registration ends one. Version 1.
	ControlledShutdown int8
	LogDirs            []core.UUID // empty: unchanged; version 2
}

// Type is TypeBrokerRegistrationChange.
func (*BrokerRegistrationChangeRecord) Type() RecordType { return TypeBrokerRegistrationChange }

func (r *BrokerRegistrationChangeRecord) fields(c *codec) {
	int32Field(c, &r.Broker)
	int64Field(c, &r.Epoch)
	tags := []tag{{0, r.Fencing != 0, func(c *codec) { c.int8((*int8)(&r.Fencing)) }}}
	if c.version >= 1 {
		tags = append(tags, tag{1, r.ControlledShutdown != 0, func(c *codec) { c.int8(&r.ControlledShutdown) }})
	}
	if c.version >= 2 {
		tags = append(tags, tag{2, len(r.LogDirs) > 0, func(c *codec) { c.uuids(&r.LogDirs) }})
	}
	c.tags(tags...)
}

// RegisterControllerRecord registers an incarnation of a controller (KIP-919).
type RegisterControllerRecord struct {
	Controller       core.BrokerID
	Incarnation      core.UUID
	ZKMigrationReady bool
	Endpoints        []Endpoint
	Features         []FeatureRange
}

// Type is TypeRegisterController.
func (*RegisterControllerRecord) Type() RecordType { return TypeRegisterController }

func (r *RegisterControllerRecord) fields(c *codec) {
	int32Field(c, &r.Controller)
	c.uuid(&r.Incarnation)
	c.bool(&r.ZKMigrationReady)
	array(c, &r.Endpoints, 7, endpointFields)
	array(c, &r.Features, 6, featureRangeFields)
	c.tags()
}
