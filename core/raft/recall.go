package raft

import (
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// recall is what a voter does whose metadata log, snapshot or election state is damaged or gone: it has forgotten what
// it promised. Such a node neither votes nor stands for election, in three steps.
//
// First it reads what the leader has as somebody who is no replica, so that nothing is committed with its help. A vote
// that it has forgotten was asked for by a candidate, and a candidate keeps its epoch on disk before it asks: so once
// every other voter has told its epoch, the largest of them is at or above all epochs that this node has promised
// anything in. It enters that epoch. Without this step it might confirm to the leader of an older epoch what the winner
// of the forgotten vote does not have. Whom to ask it learns from the log, which it has to read for that: the voters of
// its configuration may have been replaced, and be gone. It asks those who are voters where the log is committed, and
// those of all later changes, since a change that is not committed may be in force elsewhere or not.
//
// Then it follows, and what it has on disk counts as everybody's does. It does not vote yet: of what it had confirmed,
// and has lost, a majority may have been made.
//
// When it has everything that the leader of its epoch has committed, a record of that epoch among it, it has again all
// that was ever committed with its help, and is a voter like the others. It cannot vote in this epoch, whose leader it
// knows, nor in the one after the largest that it was told: there it may have voted for itself without anybody having
// heard of it yet. Its request may still be under way, and he who gives it his vote gives it to whatever asks again in
// the name of this node. Beyond that epoch no vote of its own can be forgotten, since it takes pre-votes, and whoever
// gives one enters the epoch that it is asked in.
type recall struct {
	told  []core.BrokerID // voters who have told their epochs
	epoch core.LeaderEpoch
}

// ErrForgotten is the error of an [OpenJob] that found the metadata of a voter damaged. Nothing was removed.
var ErrForgotten = errors.New("damaged")

// forgotten marks an error as one of damaged bytes.
func forgotten(err error) error {
	var frame record.FrameError
	if err == nil || !(log.Damaged(err) || errors.Is(err, ErrSnapshot) || errors.As(err, &frame)) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrForgotten, err)
}

// Recalling reports whether the node is not to be relied on yet, because it has lost what it had.
func (q *Quorum) Recalling() bool { return q.recall != nil }

// Recalled lists, while the node is Recalling, who has told its epoch, and reports whether nothing that the node has
// counts yet. The list is the node's own.
func (q *Quorum) Recalled() (told []core.BrokerID, forgetful bool) {
	return q.recall.told, q.forgetful()
}

// Distrust says, before the first Poll, that the node has lost what it had. It must have other voters beside itself,
// and be told so again at each start until Recalling is false. A crash may come between that and the removal of the
// marker that has it told so, when it has voted again.
func (q *Quorum) Distrust() {
	q.Reached.Add(probe.PromisesForgotten)
	q.recall = &recall{}
	if q.role != Unattached && q.role != Voted { // a vote that is on the disk stays given
		q.become(Unattached, q.state.Epoch)
	}
	q.state.Leader = core.NoBroker
}

// forgetful reports whether the node must not help to commit or to elect anything yet.
func (q *Quorum) forgetful() bool { return q.recall != nil && len(q.untold()) > 0 }

// untold lists the voters who have not told their epochs, each once.
func (q *Quorum) untold() Voters {
	var list Voters
	for _, voters := range q.history.claims(max(q.highWatermark, q.follow.highWatermark)) {
		for _, v := range voters {
			if v.ID != q.self.ID && !slices.Contains(q.recall.told, v.ID) && list.byID(v.ID) == nil {
				list = append(list, v)
			}
		}
	}
	return list
}

// askEpochs asks all other voters in which epoch they are. A pre-vote changes nothing where it arrives.
func (q *Quorum) askEpochs(now core.Instant) {
	voters := q.untold()
	for i := range voters {
		v := &voters[i]
		if f := q.flightTo(v.ID, ""); f.ready(now) {
			req := q.voteRequest(v)
			req.Topics[0].Partitions[0].PreVote = true
			q.send(now, f, Key{v.ID, v.Directory}, v.Endpoints, req, q.patience())
		}
	}
}

// epochTold takes the answer of a voter.
func (q *Quorum) epochTold(now core.Instant, f *flight, resp *kmsg.VoteResponse) {
	if resp.ErrorCode != 0 || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 ||
		resp.Topics[0].Partitions[0].LeaderEpoch < 0 {
		q.land(now, f, true)
		return
	}
	q.land(now, f, false)
	p := &resp.Topics[0].Partitions[0]
	e := core.LeaderEpoch(p.LeaderEpoch)
	q.recall.epoch = max(q.recall.epoch, e)
	if e > q.state.Epoch {
		q.unattach(now, e)
	}
	if !slices.Contains(q.recall.told, f.to) {
		q.recall.told = append(q.recall.told, f.to)
	}
	q.again = true
	if !q.forgetful() {
		q.note(core.Info, "all voters have told their epochs; this node follows in epoch "+itoa(int64(q.state.Epoch))+
			" and does not vote before it has all that is committed")
	}
}

// remember ends the recall when the node has all that is committed.
func (q *Quorum) remember() {
	if q.recall == nil || q.forgetful() || q.role != Follower || q.lastEpoch() != q.state.Epoch || q.waitsForDisk() ||
		q.follow.download != nil {
		return
	}
	// An epoch that the log does not name begins within the snapshot. What the leader has committed behind that only an
	// answer to a fetch tells.
	begins := max(q.log.Start()-1, 0)
	for _, e := range q.log.Epochs().All() {
		if e.Epoch == q.state.Epoch {
			begins = e.Start
		}
	}
	if q.follow.highWatermark > begins && q.log.SyncedOffset() >= q.follow.highWatermark {
		q.spent = max(q.spent, q.recall.epoch+1)
		q.Reached.Add(probe.PromisesRecalled)
		q.recall = nil
		q.note(core.Info, "this node has all that is committed, and votes again")
	}
}
