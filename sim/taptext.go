package sim

import (
	"encoding/hex"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// partsShown is how many partitions of a request a line names.
const partsShown = 4

// words are appended to a line.
type words []byte

func (w words) num(name string, n int64) words {
	return strconv.AppendInt(append(append(append(w, ' '), name...), '='), n, 10)
}

func (w words) err(code int16) words {
	if code == 0 {
		return w
	}
	return append(append(w, " err="...), core.ErrorCode(code).String()...)
}

// part appends a partition, by its topic's name or id.
func (t *tap) part(w words, topic string, id [16]byte, partition int32) words {
	w = append(w, " part="...)
	if topic == "" {
		short := hex.EncodeToString(id[:4])
		if name, ok := t.names[short]; ok {
			topic = string(name)
		} else {
			topic = short
		}
	}
	return strconv.AppendInt(append(append(w, topic...), '-'), int64(partition), 10)
}

func (t *tap) appendRequest(text []byte, req kmsg.Request) []byte {
	w, shown := words(text), 0
	switch r := req.(type) {
	case *kmsg.ProduceRequest:
		w = w.num("acks", int64(r.Acks))
		for i := range r.Topics {
			for _, p := range r.Topics[i].Partitions {
				if shown++; shown <= partsShown {
					w = t.part(w, r.Topics[i].Topic, r.Topics[i].TopicID, p.Partition).num("bytes", int64(len(p.Records)))
				}
			}
		}
	case *kmsg.FetchRequest:
		for i := range r.Topics {
			for _, p := range r.Topics[i].Partitions {
				if shown++; shown <= partsShown {
					w = t.part(w, r.Topics[i].Topic, r.Topics[i].TopicID, p.Partition)
					w = w.num("epoch", int64(p.CurrentLeaderEpoch)).num("from", p.FetchOffset)
				}
			}
		}
	case *kmsg.ListOffsetsRequest:
		for i := range r.Topics {
			for _, p := range r.Topics[i].Partitions {
				if shown++; shown <= partsShown {
					w = t.part(w, r.Topics[i].Topic, [16]byte{}, p.Partition).num("timestamp", p.Timestamp)
				}
			}
		}
	case *kmsg.OffsetCommitRequest:
		w = append(append(w, " group="...), r.Group...).num("generation", int64(r.Generation))
		for i := range r.Topics {
			for _, p := range r.Topics[i].Partitions {
				if shown++; shown <= partsShown {
					w = t.part(w, r.Topics[i].Topic, r.Topics[i].TopicID, p.Partition).num("offset", p.Offset)
				}
			}
		}
	case *kmsg.AlterPartitionRequest:
		for i := range r.Topics {
			for _, p := range r.Topics[i].Partitions {
				if shown++; shown <= partsShown {
					w = t.part(w, r.Topics[i].Topic, r.Topics[i].TopicID, p.Partition).num("epoch", int64(p.LeaderEpoch))
					w = w.num("isr", int64(max(len(p.NewISR), len(p.NewEpochISR))))
				}
			}
		}
	case *kmsg.VoteRequest:
		for i := range r.Topics {
			for _, p := range r.Topics[i].Partitions {
				w = w.num("epoch", int64(p.CandidateEpoch)).num("candidate", int64(p.CandidateID)-1)
				w = w.num("last-epoch", int64(p.LastOffsetEpoch)).num("last", p.LastOffset)
				if p.PreVote {
					w = append(w, " pre-vote"...)
				}
			}
		}
	case *kmsg.BeginQuorumEpochRequest:
		for i := range r.Topics {
			for _, p := range r.Topics[i].Partitions {
				w = w.num("leader", int64(p.LeaderID)-1).num("epoch", int64(p.LeaderEpoch))
			}
		}
	}
	if shown > partsShown {
		w = w.num("more", int64(shown-partsShown))
	}
	return w
}

func (t *tap) appendResponse(text []byte, resp kmsg.Response) []byte {
	w, shown := words(text), 0
	switch r := resp.(type) {
	case *kmsg.FetchResponse:
		w = w.err(r.ErrorCode)
		for i := range r.Topics {
			for _, p := range r.Topics[i].Partitions {
				if shown++; shown <= partsShown {
					w = t.part(w, r.Topics[i].Topic, r.Topics[i].TopicID, p.Partition).err(p.ErrorCode)
					w = w.num("hw", p.HighWatermark).num("bytes", int64(len(p.RecordBatches)))
				}
			}
		}
	case *kmsg.ProduceResponse:
		for i := range r.Topics {
			for _, p := range r.Topics[i].Partitions {
				if shown++; shown <= partsShown {
					w = t.part(w, r.Topics[i].Topic, r.Topics[i].TopicID, p.Partition).err(p.ErrorCode)
					w = w.num("offset", p.BaseOffset)
				}
			}
		}
	case *kmsg.ListOffsetsResponse:
		for i := range r.Topics {
			for _, p := range r.Topics[i].Partitions {
				if shown++; shown <= partsShown {
					w = t.part(w, r.Topics[i].Topic, [16]byte{}, p.Partition).err(p.ErrorCode).num("offset", p.Offset)
				}
			}
		}
	case *kmsg.AlterPartitionResponse:
		w = w.err(r.ErrorCode)
		for i := range r.Topics {
			for _, p := range r.Topics[i].Partitions {
				if shown++; shown <= partsShown {
					w = t.part(w, r.Topics[i].Topic, r.Topics[i].TopidID, p.Partition).err(p.ErrorCode)
					w = w.num("epoch", int64(p.LeaderEpoch)).num("isr", int64(len(p.ISR)))
				}
			}
		}
	case *kmsg.VoteResponse:
		w = w.err(r.ErrorCode)
		for i := range r.Topics {
			for _, p := range r.Topics[i].Partitions {
				w = w.err(p.ErrorCode).num("epoch", int64(p.LeaderEpoch))
				w = append(w, map[bool]string{true: " granted", false: " refused"}[p.VoteGranted]...)
			}
		}
	case *kmsg.BrokerHeartbeatResponse:
		w = w.err(r.ErrorCode)
		if r.IsFenced {
			w = append(w, " fenced"...)
		}
	}
	if shown > partsShown {
		w = w.num("more", int64(shown-partsShown))
	}
	return w
}
