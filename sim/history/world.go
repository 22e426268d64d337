package history

import (
	"ottla.dev/core"
	lin "ottla.dev/linearizability"
	"ottla.dev/sim/check"
)

// The names of faults. PowerCut takes what was not synced, also where a failed sync has left it in the page cache
// alone.
const (
	PowerCut = "power-cut"
	KillName = "kill"
)

// Fault notes that something is done to the broker.
func (h *Recorder) Fault(name string) {
	op := h.op(lin.Fault, len(h.plan.Clients)+1)
	op.Name = name
	h.moment(op)
}

// Topic notes that a client asks to make a topic or to delete it.
func (h *Recorder) Topic(client int, name string, create bool, p *check.Partition) int {
	kind := lin.DeleteTopic
	if create {
		kind = lin.CreateTopic
	}
	op := h.op(kind, client)
	op.Partition.Topic, op.Attempts = name, 1
	if log := h.logs[p]; log != nil {
		op.Partition.TopicID = log.id.TopicID
	}
	return h.r.Call(op)
}

// TopicDone notes the answer. That a topic is not there is as definite an answer as that it is. But in a cluster the
// broker asks the controller, and asks again when the answer was lost with its connection: then it may be told of what
// its own first question has done.
func (h *Recorder) TopicDone(id int, code int16) {
	h.Done(id, code)
	switch core.ErrorCode(code) {
	case core.UnknownTopicOrPartition, core.TopicAlreadyExists:
		outcome := lin.Failed
		if h.plan.Clustered() {
			outcome = lin.Unknown
		}
		h.r.History().Ops[id].Outcome = outcome
	default:
	}
}

// History returns what was recorded. Without the end of the simulation nobody knows how far retention has come.
func (h *Recorder) History(complete bool) *lin.History {
	all := h.r.History()
	all.Allow.Lost = nil
	for _, log := range h.order {
		if log.retained || complete && log.started == 0 {
			continue
		}
		lost := lin.LostRange{Topic: log.id.Topic, Partition: log.id.Index, Reason: "retention"}
		if complete {
			lost.To = int64(log.started)
		}
		all.Allow.Lost = append(all.Allow.Lost, lost)
	}
	return all
}
