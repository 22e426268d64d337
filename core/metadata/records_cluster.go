package metadata

import "ottla.dev/core"

// ConfigRecord sets one configuration of a resource, or deletes it.
type ConfigRecord struct {
	ResourceType ResourceType
	ResourceName string
	Name         string
	Value        *string // nil: deleted
}

// Type is TypeConfig.
func (*ConfigRecord) Type() RecordType { return TypeConfig }

func (r *ConfigRecord) fields(c *codec) {
	c.int8((*int8)(&r.ResourceType))
	c.string(&r.ResourceName)
	c.string(&r.Name)
	c.nullableString(&r.Value)
	c.tags()
}

// FeatureLevelRecord finalizes a feature at a level; level 0 turns it off (KIP-584). A metadata log and every snapshot
// begin with the level of metadata.version.
type FeatureLevelRecord struct {
	Name  string
	Level int16
}

// Type is TypeFeatureLevel.
func (*FeatureLevelRecord) Type() RecordType { return TypeFeatureLevel }

func (r *FeatureLevelRecord) fields(c *codec) {
	c.string(&r.Name)
	c.int16(&r.Level)
	c.tags()
}

// ProducerIDsRecord gives a block of producer ids to a broker.
type ProducerIDsRecord struct {
	Broker core.BrokerID
	Epoch  core.BrokerEpoch
	// Next is the first id after the block, where the next block starts.
	Next core.ProducerID
}

// Type is TypeProducerIDs.
func (*ProducerIDsRecord) Type() RecordType { return TypeProducerIDs }

func (r *ProducerIDsRecord) fields(c *codec) {
	int32Field(c, &r.Broker)
	int64Field(c, &r.Epoch)
	int64Field(c, &r.Next)
	c.tags()
}

// NoOpRecord says nothing; an active controller appends it so that the high watermark moves.
type NoOpRecord struct{}

// Type is TypeNoOp.
func (*NoOpRecord) Type() RecordType { return TypeNoOp }

func (r *NoOpRecord) fields(c *codec) { c.tags() }

// BeginTransactionRecord starts a group of records that take effect together at [EndTransactionRecord], or not at all
// at [AbortTransactionRecord] (KIP-868).
type BeginTransactionRecord struct {
	Name *string
}

// Type is TypeBeginTransaction.
func (*BeginTransactionRecord) Type() RecordType { return TypeBeginTransaction }

func (r *BeginTransactionRecord) fields(c *codec) {
	c.tags(tag{0, r.Name != nil, func(c *codec) { c.nullableString(&r.Name) }})
}

// EndTransactionRecord makes a metadata transaction take effect.
type EndTransactionRecord struct{}

// Type is TypeEndTransaction.
func (*EndTransactionRecord) Type() RecordType { return TypeEndTransaction }

func (r *EndTransactionRecord) fields(c *codec) { c.tags() }

// AbortTransactionRecord undoes a metadata transaction.
type AbortTransactionRecord struct {
	Reason *string
}

// Type is TypeAbortTransaction.
func (*AbortTransactionRecord) Type() RecordType { return TypeAbortTransaction }

func (r *AbortTransactionRecord) fields(c *codec) {
	c.tags(tag{0, r.Reason != nil, func(c *codec) { c.nullableString(&r.Reason) }})
}
