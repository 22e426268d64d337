package check

import (
	"ottla.dev/core"
	"ottla.dev/core/raft"
	"ottla.dev/core/record"
	"ottla.dev/sim/disk"
)

// forgottenMarker is the file that says that a node has not got its metadata back yet.
const forgottenMarker = "/metadata-forgotten"

// watchRecalled is S2 of nodes whose metadata were damaged. One that does not have them back yet would not know that
// after a crash without its marker: it would vote by what it happens to have. It has them when it has all that was
// committed before it came back, which the leader of the newest epoch that any voter has told has. And nobody goes by
// a snapshot with bytes that are wrong: of what is behind it in the log there may be nothing.
func (c *Cluster) watchRecalled(b *seenBroker, s *QuorumSighting) {
	dir := c.ledger.plan.DirNames()[0]
	if s.Recalling {
		if _, marked := c.disks[s.Node].Bytes(dir + forgottenMarker); !marked {
			c.wrong("forgotten", s.Node, "it does not have its metadata back, and nothing on its disk says so: after a crash "+
				"it would vote")
		}
	}
	switch {
	case s.Recalling && !(b.quorum.Recalling && b.quorum.Life == s.Life):
		b.recall = c.quorum.end
	case s.Recalling:
	case b.quorum.Recalling && b.quorum.Life == s.Life && s.Synced < b.recall:
		c.wrong("forgotten", s.Node, "it votes again with metadata up to offset "+offsetText(s.Synced)+
			", and those up to "+offsetText(b.recall)+" were committed when it came back")
	}
	if s.Life == b.quorum.Life {
		return
	}
	if at, sound := soundSnapshot(c.disks[s.Node], dir+"/"+raft.Topic+"-0"); !sound {
		c.wrong("forgotten", s.Node, "it goes by its latest snapshot of the metadata, which ends at offset "+offsetText(at)+
			", and a batch of that is damaged")
	}
}

// soundSnapshot finds the last snapshot in a folder, and reports whether it is nothing but sound batches.
func soundSnapshot(d *disk.Disk, folder string) (core.Offset, bool) {
	var latest raft.SnapshotID
	entries, _ := d.List(folder)
	for _, e := range entries {
		if id, ok := raft.ParseSnapshotName(e.Name); ok && id.End > latest.End {
			latest = id
		}
	}
	if latest.End == 0 {
		return 0, true
	}
	b, _ := d.Bytes(folder + "/" + latest.Name() + raft.CheckpointSuffix)
	for len(b) > 0 {
		v, rest, err := record.Next(b)
		if err != nil || v.Check() != nil {
			return latest.End, false
		}
		b = rest
	}
	return latest.End, true
}
