package sim

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/broker"
	"ottla.dev/core/log"
	"ottla.dev/core/metadata"
	"ottla.dev/core/partition"
	"ottla.dev/core/wire"
	"ottla.dev/sim/cover"
)

// cells counts what comes to machines by the state that they are in just before. Only a world that is watched has one:
// it looks at everything, which costs time.
type cells struct {
	world *World
	times map[cell]uint64
	asked map[sent]wire.Key // requests under way on links, by correlation id
}

// cell is an event of a matrix in a state.
type cell struct{ matrix, state, event string }

// sent is a request on a link of a machine.
type sent struct {
	actor *actor
	link  core.LinkID
	corr  int32
}

// Watch has the world count which events come in which states, for Coverage.
func (w *World) Watch() {
	w.cells = &cells{world: w, times: map[cell]uint64{}, asked: map[sent]wire.Key{}}
}

func (c *cells) count(matrix, state, event string) { c.times[cell{matrix, state, event}]++ }

// matrices gives the counts as those of one simulation.
func (c *cells) matrices() map[string]map[string]map[string]*cover.Count {
	if c == nil {
		return nil
	}
	all := cover.NewMatrices()
	//core:unordered each goes to a place of its own
	for at, n := range c.times {
		if row := all[at.matrix][at.state]; row != nil && row[at.event] != nil {
			*row[at.event] = cover.Count{Times: n, Seeds: 1}
			continue
		}
		panic("sim: the matrix " + at.matrix + " has no place for " + at.event + " in " + at.state)
	}
	return all
}

// sends takes note of a request on a link, so that its answer will be known.
func (c *cells) sends(a *actor, op *core.LinkOp) {
	if c == nil || op.Kind != core.LinkSend || len(op.Bytes) < 4 {
		return
	}
	h, _, err := wire.ParseHeader(op.Bytes[4:], wire.ClassClient|wire.ClassBroker|wire.ClassRaft)
	if err == nil {
		c.asked[sent{a, op.Link, h.CorrelationID}] = h.Key
	}
}

// answered is the kind of request that a frame of a link answers.
func (c *cells) answered(a *actor, in *core.Input) (wire.Key, bool) {
	corr, ok := wire.ResponseCorrelation(in.Frame)
	if !ok {
		return 0, false
	}
	at := sent{a, in.Link, corr}
	key, ok := c.asked[at]
	delete(c.asked, at)
	return key, ok
}

// comes looks at an input before the machine gets it.
func (c *cells) comes(n *node, a *actor, in *core.Input) {
	if c == nil || n.proc.see == nil {
		return
	}
	switch a.address.Role {
	case core.RoleControl:
		c.control(n, a, in)
	case core.RoleShard:
		c.shard(n, a, in)
	case core.RoleSession:
	}
}

func (c *cells) shard(n *node, a *actor, in *core.Input) {
	see, index := n.proc.see, int(a.address.Index)
	replicas := see.InspectShard(index)
	all := func(event string, of func(*partition.Replica) bool) {
		for _, r := range replicas {
			if of(r) {
				c.count("partition", r.State().String(), event)
			}
		}
	}
	any := func(*partition.Replica) bool { return true }
	slot := func(slot uint32) func(*partition.Replica) bool {
		return func(r *partition.Replica) bool { return r.Log() != nil && r.Log().Slot() == slot }
	}
	switch in.Kind {
	case core.InputMessage:
		if op, ok := in.Message.(*api.GroupOp); ok {
			c.group(n, index, op)
			return
		}
		c.message(in.Message, replicas)
	case core.InputWritten, core.InputSynced:
		event := map[bool]string{true: "written", false: "synced"}[in.Kind == core.InputWritten]
		if in.Err != nil {
			event = map[bool]string{true: "write-failed", false: "sync-failed"}[in.Kind == core.InputWritten]
		}
		all(event, slot(in.Ticket.Log))
	case core.InputJobDone:
		if event, of, ok := jobOf(in.Job); ok {
			opens := func(r *partition.Replica) bool { return r.OpenedBy(in.Job) }
			all(event, map[bool]func(*partition.Replica) bool{true: opens, false: slot(of)}[event == "opened"])
		}
	case core.InputLinkFrame:
		if key, ok := c.answered(a, in); ok && key == wire.Fetch {
			all("fetch-answer", func(r *partition.Replica) bool { return !r.Leading() })
		}
	case core.InputLinkDown:
		all("link-down", func(r *partition.Replica) bool { return !r.Leading() })
	case core.InputTick:
		all("tick", any)
	default:
	}
}

// jobOf says what a job of a log is called, and which log's it is.
func jobOf(job core.Job) (event string, slot uint32, ok bool) {
	switch j := job.(type) {
	case *log.OpenJob:
		return "opened", j.Log, true
	case *log.LocateJob:
		return "located", j.Log, true
	case *log.TimestampJob:
		return "timestamp-found", j.Log, true
	case *log.TruncateJob:
		return "truncation-planned", j.Log, true
	case *log.SnapshotJob:
		return "snapshot-saved", j.Log, true
	case *log.CheckpointJob:
		return "epochs-saved", j.Log, true
	case *log.ScrubJob:
		return "scrubbed", j.Log, true
	}
	return "", 0, false
}

// message counts an operation for each partition that it names; what control says concerns all.
func (c *cells) message(m core.Message, replicas []*partition.Replica) {
	named := func(event string, id core.TopicIDPartition) {
		for _, r := range replicas {
			if r.ID() == id {
				c.count("partition", r.State().String(), event)
			}
		}
	}
	switch op := m.(type) {
	case *partition.ProduceOp:
		for i := range op.Items {
			named("produce", op.Items[i].ID)
		}
	case *partition.FetchOp:
		for i := range op.Items {
			named(map[bool]string{true: "replica-fetch", false: "fetch"}[op.Follower], op.Items[i].ID)
		}
	case *partition.CancelOp:
		for i := range op.Fetch.Items {
			named("cancel-fetch", op.Fetch.Items[i].ID)
		}
	case *partition.QueryOp:
		event := "other-query"
		switch op.Kind {
		case partition.QueryOffset:
			event = "list-offsets"
		case partition.QueryEpochEnd:
			event = "epoch-end"
		case partition.QueryDelete:
			event = "delete-records"
		default:
		}
		for i := range op.Items {
			named(event, op.Items[i].ID)
		}
	default:
		event := map[string]string{"News": "metadata", "Checkpoint": "checkpoint", "Shutdown": "shutdown"}[firstWord(m)]
		for _, r := range replicas {
			if event != "" {
				c.count("partition", r.State().String(), event)
			}
		}
	}
}

// firstWord is what a message calls itself in the trace.
func firstWord(m core.Message) string {
	text := m.AppendText(nil)
	for i, b := range text {
		if b == ' ' {
			return string(text[:i])
		}
	}
	return string(text)
}

// group counts a request in the state of each group that it names.
func (c *cells) group(n *node, shard int, op *api.GroupOp) {
	event, ids := groupsOf(op.Call.Request)
	for _, id := range ids {
		c.count("group", n.proc.see.InspectGroup(shard, op.Partition, id), event)
	}
}

func groupsOf(req kmsg.Request) (event string, ids []string) {
	switch r := req.(type) {
	case *kmsg.JoinGroupRequest:
		return "JoinGroup", []string{r.Group}
	case *kmsg.SyncGroupRequest:
		return "SyncGroup", []string{r.Group}
	case *kmsg.HeartbeatRequest:
		return "Heartbeat", []string{r.Group}
	case *kmsg.LeaveGroupRequest:
		return "LeaveGroup", []string{r.Group}
	case *kmsg.OffsetCommitRequest:
		return "OffsetCommit", []string{r.Group}
	case *kmsg.OffsetDeleteRequest:
		return "OffsetDelete", []string{r.Group}
	case *kmsg.OffsetFetchRequest:
		if r.Group != "" {
			ids = append(ids, r.Group)
		}
		for i := range r.Groups {
			ids = append(ids, r.Groups[i].Group)
		}
		return "OffsetFetch", ids
	case *kmsg.DescribeGroupsRequest:
		return "DescribeGroups", r.Groups
	case *kmsg.DeleteGroupsRequest:
		return "DeleteGroups", r.Groups
	}
	return "", nil
}

func (c *cells) control(n *node, a *actor, in *core.Input) {
	see := n.proc.see
	c.count("broker", broker.Phases()[see.InspectPhase()], inputName(in.Kind))
	p := see.InspectControl()
	if op, ok := in.Message.(*api.ControlOp); ok && op.Direct && p.Controller {
		c.registration(p.Image, op.Request)
	}
	if p.Quorum == nil {
		return
	}
	state := p.Quorum.Role().String()
	if p.Quorum.Recalling() {
		state = "recalling"
	}
	if event, ok := c.quorumEvent(a, in); ok {
		c.count("quorum", state, event)
	}
}

// quorumEvent says what an input is to the quorum's replica.
func (c *cells) quorumEvent(a *actor, in *core.Input) (string, bool) {
	switch in.Kind {
	case core.InputMessage:
		if op, ok := in.Message.(*api.QuorumOp); ok {
			return kmsg.NameForKey(op.Request.Key()), true
		}
		return "", false
	case core.InputLinkFrame:
		key, ok := c.answered(a, in)
		switch key {
		case wire.Vote, wire.BeginQuorumEpoch, wire.EndQuorumEpoch, wire.Fetch, wire.FetchSnapshot, wire.UpdateRaftVoter:
			return key.String() + "-answer", ok
		default:
			return "", false
		}
	case core.InputLinkDown, core.InputWritten, core.InputSynced, core.InputJobDone, core.InputTick, core.InputShutdown:
		return inputName(in.Kind), true
	default:
		return "", false
	}
}

// registration counts a broker's request to the controller in the state that the broker is in.
func (c *cells) registration(image *metadata.Image, req kmsg.Request) {
	var id int32
	event := kmsg.NameForKey(req.Key())
	switch r := req.(type) {
	case *kmsg.BrokerRegistrationRequest:
		id = r.BrokerID
	case *kmsg.BrokerHeartbeatRequest:
		id = r.BrokerID
		switch {
		case len(r.OfflineLogDirs) > 0:
			event += "-directory-failed"
		case r.WantShutdown:
			event += "-want-shutdown"
		case r.WantFence:
			event += "-want-fence"
		}
	case *kmsg.UnregisterBrokerRequest:
		id = r.BrokerID
	case *kmsg.AlterPartitionRequest:
		id = r.BrokerID
	case *kmsg.AllocateProducerIDsRequest:
		id = r.BrokerID
	case *kmsg.AssignReplicasToDirsRequest:
		id = r.BrokerID
	default:
		return
	}
	state := "unknown"
	switch b := image.Broker(core.BrokerID(id)); {
	case b == nil:
	case b.Fenced && b.InControlledShutdown:
		state = "fenced-shutting-down"
	case b.Fenced:
		state = "fenced"
	case b.InControlledShutdown:
		state = "shutting-down"
	default:
		state = "active"
	}
	c.count("registration", state, event)
}
