package check

import (
	"bytes"
	"slices"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/metadata"
	"ottla.dev/core/partition"
	"ottla.dev/core/raft"
)

// damage is what a machine had promised when its files were damaged. Damage may take all of that away, but not in
// silence: whoever lacks what was committed is known to the controller to lack it, and a voter that has forgotten what
// it has voted knows that it has.
type damage struct {
	vouched map[core.TopicIDPartition]vouched
	files   map[string][]byte // the checkpoints of recovery points, by log directory
	state   []byte            // the election state
	life    int               // of the last process that the quorum was seen in
	promise *promise          // nil if there is nothing left to be kept
	held    map[core.TopicIDPartition]*held
	epoch   core.BrokerEpoch // the newest that was known
}

const electionState = "/" + raft.Topic + "-0/" + raft.StateFile

// vouched is what one replica had.
type vouched struct {
	dir  string      // the log directory
	end  core.Offset // everything below it was committed, synced, and called synced by the checkpoint
	lost bool        // the checkpoint was damaged as well
	// begin is where the log began, or was about to, and life the process in which it did: NoOffset if it goes on.
	begin core.Offset
	life  int
}

// promise is what a voter had.
type promise struct {
	saved     raft.ElectionState
	spoiled   bool        // the file of it is damaged
	vouched   core.Offset // as of a replica
	had       core.Offset // everything below it was committed, and synced here
	forgotten bool        // it knows that it does not have that any more
}

// promises finds what a machine has promised, before its files are damaged. Where log directories fail it is not
// followed which of them a replica is in.
func (c *Cluster) promises(node int) *damage {
	d := &damage{vouched: map[core.TopicIDPartition]vouched{}, files: map[string][]byte{},
		held: map[core.TopicIDPartition]*held{}, epoch: -1}
	if image := c.images.latest; image != nil {
		if b := image.Broker(core.BrokerID(node + 1)); b != nil {
			d.epoch = b.Epoch
		}
	}
	plan := c.ledger.plan
	if len(plan.DirFailures) > 0 {
		return d
	}
	points, starts := map[string]map[string]core.Offset{}, map[string]map[string]core.Offset{}
	for _, dir := range plan.DirNames() {
		d.files[dir], _ = c.disks[node].Bytes(dir + recoveryPoints)
		points[dir], starts[dir] = pointsIn(c.disks[node], dir+recoveryPoints), pointsIn(c.disks[node], dir+logStarts)
	}
	for _, key := range c.sortedReplicas(node) {
		seen, x := c.replicas[key], c.committed.of(key.id)
		if seen.Life == 0 || seen.dir == "" || seen.loose || seen.Caching || x.lossy || x.unclean != core.NoLeaderEpoch {
			continue
		}
		dir := seen.dir[:strings.LastIndexByte(seen.dir, '/')]
		committed := x.shared(seen.Epochs, seen.Start, min(x.end, seen.Synced))
		if end := min(points[dir][seen.Name.String()], committed); end > 0 {
			d.vouched[key.id] = vouched{dir: dir, end: end, life: seen.Life,
				begin: max(seen.Start, starts[dir][seen.Name.String()])}
			d.held[key.id] = &held{committed: committed, vouched: end, promised: c.promisedBy(key.id)}
		}
	}
	q := &c.brokers[node].quorum
	self := core.BrokerID(node + 1)
	if d.life = q.Life; q.Life > 0 && plan.Machines[node].Voter && !plan.Dynamic && slices.Contains(q.Voters, self) &&
		!q.Recalling {
		had := c.quorum.shared(q.Epochs, q.Start, min(c.quorum.end, q.Synced))
		d.promise = &promise{saved: q.Saved, had: had,
			vouched: min(had, points[plan.DirNames()[0]][raft.Topic+"-0"])}
		d.state, _ = c.disks[node].Bytes(plan.DirNames()[0] + electionState)
		if saved, err := raft.DecodeState(d.state); err == nil && saved.Epoch >= q.Saved.Epoch {
			d.promise.saved = saved // it was written, and the process ended before it heard of that
		}
	}
	return d
}

// Damaged notes that the files of a machine that is [Cluster.Rotten] are as the damage has left them.
func (c *Cluster) Damaged(node int) {
	d := c.brokers[node].damage
	for _, dir := range c.ledger.plan.DirNames() {
		if b, _ := c.disks[node].Bytes(dir + recoveryPoints); bytes.Equal(b, d.files[dir]) {
			continue
		}
		//core:unordered each is handled alone
		for id, v := range d.vouched {
			if v.dir == dir {
				v.lost = true
				d.vouched[id], d.held[id].vouched = v, 0
			}
		}
		if d.promise != nil && dir == c.ledger.plan.DirNames()[0] {
			d.promise.vouched = 0
		}
	}
	if b, _ := c.disks[node].Bytes(c.ledger.plan.DirNames()[0] + electionState); d.promise != nil {
		d.promise.spoiled = !bytes.Equal(b, d.state)
	}
	if c.likeNew(node) {
		d.promise = nil
	}
	if c.images.latest != nil {
		c.watchTold(c.images.latest)
	}
}

// likeNew reports whether damage has left a machine as one that has never promised anything: without election state,
// metadata log, snapshots, leader epochs, partitions, and checkpoints that name any of that. Nothing that a start
// believes tells it from a node that was stopped before it first voted.
func (c *Cluster) likeNew(node int) bool {
	disk := c.disks[node]
	for i, dir := range c.ledger.plan.DirNames() {
		if i == 0 {
			folder := dir + "/" + raft.Topic + "-0"
			_, saved := disk.Bytes(folder + "/" + raft.StateFile)
			b, _ := disk.Bytes(folder + "/" + log.EpochCheckpointName)
			epochs, err := log.ReadEpochCheckpoint(b)
			if saved || err == nil && len(epochs) > 0 || len(segments(disk, folder)) > 0 || snapshotEnd(disk, folder) > 0 {
				return false
			}
		}
		if len(pointsIn(disk, dir+recoveryPoints)) > 0 {
			return false
		}
		entries, _ := disk.List(dir)
		if slices.ContainsFunc(entries, func(e core.DirEntry) bool {
			return e.Dir && isPartition(e.Name) && !strings.HasPrefix(e.Name, raft.Topic)
		}) {
			return false
		}
	}
	return true
}

// watchTold forgets of damaged machines what the committed metadata do not expect of them: replicas that they call
// lost, and those that were taken away.
func (c *Cluster) watchTold(image *metadata.Image) {
	for node := range c.brokers {
		d := c.brokers[node].damage
		if d == nil {
			continue
		}
		self := core.BrokerID(node + 1)
		//core:unordered each is handled alone
		for id := range d.vouched {
			if p := partitionOf(image, id); p == nil || !p.HasReplica(self) || isLost(p, self) {
				delete(d.vouched, id)
			}
		}
	}
}

// watchSilence judges a replica of a damaged machine when its log has been opened. It may lack what was committed and
// had been synced only if the controller has been told: until then the damaged log may be all that there is, and may
// count as whole. Where the checkpoint is damaged as well, nobody can tell, and the replica must know that.
func (c *Cluster) watchSilence(was, s *Sighting, r *partition.Replica) {
	d := c.brokers[s.Node].damage
	if d == nil || was.Life == s.Life {
		return
	}
	v, ok := d.vouched[s.ID]
	if !ok {
		return
	}
	begin := v.begin
	if v.begin = core.NoOffset; begin != v.begin {
		d.vouched[s.ID] = v // it is judged once: in service the log may begin later and later
	}
	if s.Life != v.life && begin >= 0 && s.Start > begin && s.Start < s.End && r.Suspected() == nil {
		c.wrong("silent-damage", s.Node, s.Name.String()+": the log begins at "+offsetText(s.Start)+
			" after damage, and began at "+offsetText(begin)+" before; the controller was not told")
	}
	switch {
	case v.lost && r.Suspected() != nil:
		return
	case v.lost && s.Life != v.life:
		c.wrong("silent-damage", s.Node, s.Name.String()+": the checkpoint of its log directory is damaged, and it counts "+
			"as whole")
		return
	case s.End >= v.end || s.Start >= v.end:
		return
	}
	c.wrong("silent-damage", s.Node, s.Name.String()+": the log ends at "+offsetText(s.End)+" after damage, and offset "+
		offsetText(v.end-1)+" was committed and synced there; the controller was not told")
}

// watchForgotten judges a voter whose files were damaged. Either it has kept what it has promised, or it knows that it
// has not. Then nothing counts that it has before all others have told their epochs, and it votes no more before it has
// everything again that was committed with its help.
func (c *Cluster) watchForgotten(b *seenBroker, s *QuorumSighting) {
	d := b.damage
	if d == nil || d.promise == nil || s.Life == d.life {
		return
	}
	p := d.promise
	switch {
	case s.Recalling:
		p.forgotten = true
		if at := slices.IndexFunc(s.Voters, func(v core.BrokerID) bool {
			return int(v) != s.Node+1 && !slices.Contains(s.Asked, v)
		}); !s.Forgetful && at >= 0 {
			c.wrong("forgotten", s.Node, "it has forgotten its votes and takes part in epoch "+epochText(s.Epoch)+", and "+
				brokerText(s.Voters[at])+" has not told its epoch")
		}
		return
	case p.forgotten && s.Synced < p.had:
		c.wrong("forgotten", s.Node, "it votes again with metadata up to offset "+offsetText(s.Synced)+", and had, before "+
			"the damage, all that was committed up to "+offsetText(p.had))
	case p.forgotten:
	case s.Saved.Epoch < p.saved.Epoch, s.Saved.Epoch == p.saved.Epoch && p.saved.Voted != core.NoBroker &&
		s.Saved.Voted != p.saved.Voted:
		c.wrong("forgotten", s.Node, "its vote of epoch "+epochText(p.saved.Epoch)+" is gone, and it votes")
	case p.spoiled && s.Saved.Epoch > p.saved.Epoch:
		c.wrong("forgotten", s.Node, "it goes by an election state that was damaged, of epoch "+epochText(s.Saved.Epoch)+
			", and had saved one of epoch "+epochText(p.saved.Epoch))
	case s.End < p.vouched:
		c.wrong("forgotten", s.Node, "its metadata end at offset "+offsetText(s.End)+", and those up to "+
			offsetText(p.vouched)+" were committed and synced, and it votes")
	}
	d.promise = nil
}
