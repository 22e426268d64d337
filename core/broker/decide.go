package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/config"
	"ottla.dev/core/controller"
	"ottla.dev/core/metadata"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// leadership is what control has while it is the active controller.
//
// Invariant: draft is the image with all that was appended in this leadership, committed or not; pending are its
// decisions in order, the ones that are committed left out.
type leadership struct {
	active  bool
	epoch   core.LeaderEpoch
	draft   *metadata.Image
	pending []decided
}

// decided is a decision that is not committed yet. Decisions without records wait for those before them. Then is told
// whether it was committed; if it was not, nobody knows whether it will be.
type decided struct {
	last core.Offset
	then func(committed bool)
}

// leads reports whether this node decides now.
func (c *Control) leads() bool {
	return c.lead.active && c.quorum.Active() && c.quorum.Epoch() == c.lead.epoch
}

// mayPropose reports whether this node decides by itself what nobody has asked for. When it stops, its metadata log is
// closed while it still leads: a session that ends then, or a broker that is gone, is its successor's business.
func (c *Control) mayPropose() bool { return c.leads() && !c.quorum.closed }

// takeLead begins to decide, once all that is in the log is committed and known.
func (c *Control) takeLead() {
	m := c.quorum
	if c.lead.active || !m.Active() || m.closed || m.reading || c.committed.Offset()+1 != m.LogEndOffset() {
		return
	}
	if c.unfounded != nil && len(c.committed.Features()) == 0 {
		c.halt(c.unfounded.Error() + ". It says with what the cluster's metadata begin, and this node is the first to lead " +
			"them. The folder holds nothing else yet: empty it, and format it again (ottla storage format).")
		return
	}
	c.lead = leadership{active: true, epoch: m.Epoch(), draft: c.committed}
	c.controller.Activate(c.now, c.committed)
	if !m.sole() {
		c.out.Note(core.Info, "This node is the active controller.")
	}
	if len(c.committed.Features()) == 0 {
		first := c.first
		if len(first) == 0 {
			first = bootstrapRecords(nil)
		}
		c.propose(first, func(bool) {})
	}
	if records := c.controller.Takeover(c.lead.draft); len(records) > 0 {
		c.propose(records, func(bool) {})
	}
	c.askAgain()
}

// stepDown ends that: what was decided and is not committed may be lost with the leadership, or be committed by the
// next leader.
func (c *Control) stepDown() {
	if !c.lead.active || c.leads() {
		return
	}
	pending := c.lead.pending
	c.lead = leadership{}
	c.controller.Deactivate()
	c.out.Note(core.Info, "This node is not the active controller any more.")
	for _, d := range pending {
		c.out.Sometimes(probe.ControllerDeposed)
		d.then(false)
	}
}

// decide takes a request to the controller: from a client, or from a session of a listener of the controller, where
// other brokers' requests come in too.
func (c *Control) decide(op *api.ControlOp) {
	reply := func(resp kmsg.Response, code core.ErrorCode) {
		op.Response, op.Code = resp, code
		c.out.Send(op.Reply, op)
	}
	producer, isProducer := op.Request.(*kmsg.InitProducerIDRequest)
	serving := c.phase >= joining && c.phase <= leaving
	switch {
	case c.quorum == nil || c.phase > leaving || !op.Direct && !serving || isProducer && !serving:
		reply(nil, core.NotController)
	case isProducer:
		c.initProducerID(op, producer)
	case op.Direct && !c.leads():
		reply(nil, core.NotController)
	case op.Direct:
		c.resolve(op.Request, op.Internal || internalTopics(op.Request), reply)
		if beat, ok := op.Request.(*kmsg.BrokerHeartbeatRequest); ok {
			c.controller.Came(core.BrokerID(beat.BrokerID), core.BrokerEpoch(beat.BrokerEpoch), op.Reply)
		}
	default:
		c.forward(op, reply)
	}
}

// internalTopics reports whether a request that came from a broker is to create topics of the brokers' own.
func internalTopics(req kmsg.Request) bool {
	create, ok := req.(*kmsg.CreateTopicsRequest)
	if !ok {
		return false
	}
	for i := range create.Topics {
		if !api.IsInternal(create.Topics[i].Topic) {
			return false
		}
	}
	return len(create.Topics) > 0
}

// resolve decides a request as the active controller and calls then when the decision is committed; or else with
// NotController, if nothing of it can come to pass, and with RequestTimedOut if it can.
func (c *Control) resolve(req kmsg.Request, internal bool, then func(kmsg.Response, core.ErrorCode)) {
	c.catchUp()
	var d controller.Decision
	create, isCreate := req.(*kmsg.CreateTopicsRequest)
	features, isFeatures := req.(*kmsg.UpdateFeaturesRequest)
	switch {
	case isCreate && internal:
		d = c.controller.CreateInternalTopics(c.lead.draft, create)
	case isFeatures:
		d = c.updateFeatures(features)
	default:
		d = c.controller.Decide(c.now, c.lead.draft, req)
	}
	records := d.Records
	if len(records) == 0 && aboutState(req) && !c.quorum.sole() {
		records = []metadata.Record{&metadata.NoOpRecord{}}
	}
	c.propose(records, func(committed bool) {
		switch {
		case committed:
			then(d.Response, core.NoError)
		case len(d.Records) > 0:
			then(nil, core.RequestTimedOut)
		default:
			then(nil, core.NotController)
		}
	})
}

// aboutState reports whether somebody asks for a change, so that an answer without one tells it how things are: the
// topic exists already, or there is none. Such an answer has to be committed like a change. Who leads in an older epoch
// without knowing it would say how things were, until no majority has fetched for long enough: another controller
// creates a topic and answers, then this one is asked to delete it, and knows of none. With a record that says nothing
// a majority confirms that there is no later leader when the record is appended (Raft, section 8); records appended
// before the request would not do, whose acknowledgements may have been under way since before there was a later
// leader. Kafka answers at once (QuorumController.ControllerWriteEvent).
//
// A leader that asks for the ISR that there is wants to know whether it leads still, see [partition.Doubt].
func aboutState(req kmsg.Request) bool {
	switch req.(type) {
	case *kmsg.CreateTopicsRequest, *kmsg.DeleteTopicsRequest, *kmsg.CreatePartitionsRequest, *kmsg.AlterConfigsRequest,
		*kmsg.IncrementalAlterConfigsRequest, *kmsg.ElectLeadersRequest, *kmsg.AlterPartitionAssignmentsRequest,
		*kmsg.UnregisterBrokerRequest, *kmsg.UpdateFeaturesRequest, *kmsg.AlterPartitionRequest:
		return true
	}
	return false
}

// catchUp moves the draft past what the quorum itself has appended, such as new voters: the next records come there.
func (c *Control) catchUp() {
	last := c.quorum.LogEndOffset() - 1
	if c.lead.draft.Offset() == last {
		return
	}
	next, err := c.lead.draft.Apply(last, c.lead.epoch)
	if err != nil {
		panic("broker: the quorum's own records do not apply: " + err.Error())
	}
	c.lead.draft = next
}

// propose appends records to the metadata log and runs then when they are committed and everybody was told. Without
// records, as most heartbeats are, it waits for what was proposed before: a decision may have looked at that.
func (c *Control) propose(records []metadata.Record, then func(committed bool)) {
	if !c.leads() {
		then(false)
		return
	}
	c.catchUp()
	last := c.lead.draft.Offset()
	if len(records) > 0 {
		for _, batch := range controller.Batches(records) {
			values := make([][]byte, len(batch))
			for i, r := range batch {
				values[i] = metadata.AppendRecord(nil, r)
			}
			last = c.quorum.Propose(c.now, values, &c.out)
		}
		next, err := c.lead.draft.Apply(last, c.lead.epoch, records...)
		if err != nil {
			panic("broker: the controller decided records that do not apply: " + err.Error())
		}
		c.lead.draft = next
	}
	c.lead.pending = append(c.lead.pending, decided{last: last, then: then})
}

// commit tells everybody the new metadata, then answers those who asked for the changes. It reports whether it did
// anything.
func (c *Control) commit() bool {
	told := c.publish(c.committed.Stable())
	n := 0
	for n < len(c.lead.pending) && c.lead.pending[n].last <= c.committed.Offset() {
		n++
	}
	done := append([]decided(nil), c.lead.pending[:n]...)
	c.lead.pending = append(c.lead.pending[:0], c.lead.pending[n:]...)
	for _, d := range done {
		d.then(true)
	}
	if told {
		c.reflect()
	}
	return told || n > 0
}

// publish tells shards, then sessions, what has changed, and reports whether anything has.
func (c *Control) publish(image *metadata.Image) bool {
	if c.phase < loading {
		return false
	}
	moved := c.cluster != nil && (c.dirsMoved || c.cluster.Leader != c.leaderSeen() ||
		c.cluster.KRaftVersion != c.quorum.Version() || !sameVoters(c.cluster.Controllers, c.quorum.Voters()))
	if image == c.published && !moved {
		return false
	}
	first := c.published == nil
	before := c.published
	if first {
		before = metadata.NewImage(c.clusterID)
	}
	delta := metadata.Diff(before, image)
	c.published = image
	if !first && !moved && delta.Empty() {
		return true
	}
	c.cluster, c.dirsMoved = c.view(image), false
	c.settings = *c.cluster.Settings
	c.controller.Settings = controllerSettings(c.settings)
	m := &news{cluster: c.cluster, delta: delta}
	if !first {
		for i := range c.shards() {
			c.out.Send(core.Shard(uint32(i)), m)
		}
	}
	for _, s := range c.sessions {
		c.out.Send(s, m)
	}
	return true
}

// sameVoters compares voters, which are never changed in place.
func sameVoters(a, b []record.Voter) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// leaderSeen is the quorum's leader as others are told: a short time without one is not worth telling.
func (c *Control) leaderSeen() core.BrokerID {
	leader := c.quorum.Leader()
	if leader == core.NoBroker && c.cluster != nil {
		return c.cluster.Leader
	}
	return leader
}

func (c *Control) view(image *metadata.Image) *api.Cluster {
	v := &api.Cluster{ID: c.clusterID, Self: c.settings.NodeID, Shards: uint32(c.cfg.Shards), Image: image,
		Leader: c.leaderSeen(), Controllers: c.quorum.Voters(), KRaftVersion: c.quorum.Version(),
		Static: c.cfg.Static, LogDirs: c.viewDirs()}
	if was := c.cluster; was != nil && sameConfigs(was.Image, image, v.Self) {
		v.Settings = was.Settings
		return v
	}
	settings := config.ResolveBroker(v.Layers(""))
	v.Settings = &settings
	return v
}

// sameConfigs reports whether two images have set the same for a broker: sets are never changed.
func sameConfigs(a, b *metadata.Image, id core.BrokerID) bool {
	self, all := metadata.BrokerResource(id), metadata.Resource{Type: metadata.ResourceBroker}
	return a.Configs(self) == b.Configs(self) && a.Configs(all) == b.Configs(all)
}
