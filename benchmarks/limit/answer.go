package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// sendPieces writes a Fetch response of a version below the flexible ones.
func (p *peer) sendPieces(version int16, pieces []piece, total int64) error {
	b := binary.BigEndian
	out := b.AppendUint32(p.out, 0) // throttle
	if version >= 7 {
		out = b.AppendUint32(b.AppendUint16(out, 0), 0) // error, session
	}
	headers := make([]int, 0, len(pieces)) // where the header of each piece ends in out
	out = b.AppendUint32(out, uint32(len(p.fetch.Topics)))
	for i, f := range pieces {
		t := &p.fetch.Topics[f.topic]
		if f.partition == 0 {
			out = b.AppendUint16(out, uint16(len(t.Topic)))
			out = b.AppendUint32(append(out, t.Topic...), uint32(len(t.Partitions)))
		}
		out = b.AppendUint16(b.AppendUint32(out, uint32(t.Partitions[f.partition].Partition)), 0)
		out = b.AppendUint64(b.AppendUint64(out, uint64(f.next)), uint64(f.next)) // high watermark, last stable
		if version >= 5 {
			out = b.AppendUint64(out, 0) // log start
		}
		out = b.AppendUint32(out, 0) // aborted transactions
		if version >= 11 {
			out = b.AppendUint32(out, ^uint32(0)) // preferred replica
		}
		out = b.AppendUint32(out, uint32(pieces[i].size))
		headers = append(headers, len(out))
	}
	p.out = out
	b.PutUint32(out, uint32(int64(len(out)-4)+total))
	return p.sendAll(pieces, headers)
}

// admin answers what clients ask besides producing and fetching.
func (p *peer) admin(key, version int16, body []byte) (kmsg.Response, error) {
	request := kmsg.RequestForKey(key)
	if key == 18 && version > 2 {
		response := kmsg.NewPtrApiVersionsResponse() // of version 0, which tells the client to ask again
		response.ErrorCode, response.ApiKeys = 35, served
		return response, nil
	}
	if request == nil {
		return nil, fmt.Errorf("a request with key %d", key)
	}
	request.SetVersion(version)
	if err := request.ReadFrom(body); err != nil {
		return nil, err
	}
	switch r := request.(type) {
	case *kmsg.ApiVersionsRequest:
		response := r.ResponseKind().(*kmsg.ApiVersionsResponse)
		response.ApiKeys = served
		return response, nil
	case *kmsg.MetadataRequest:
		return p.metadata(r), nil
	case *kmsg.CreateTopicsRequest:
		return p.create(r)
	case *kmsg.ListOffsetsRequest:
		return p.offsets(r)
	case *kmsg.InitProducerIDRequest:
		response := r.ResponseKind().(*kmsg.InitProducerIDResponse)
		response.ProducerID, response.ProducerEpoch = 1, 0
		return response, nil
	}
	return nil, fmt.Errorf("a request with key %d", key)
}

func (p *peer) metadata(r *kmsg.MetadataRequest) kmsg.Response {
	response := r.ResponseKind().(*kmsg.MetadataResponse)
	host, port, _ := net.SplitHostPort(p.conn.LocalAddr().String())
	number, _ := strconv.Atoi(port)
	broker := kmsg.NewMetadataResponseBroker()
	broker.NodeID, broker.Host, broker.Port = 1, host, int32(number)
	response.Brokers = append(response.Brokers, broker)
	response.ControllerID = 1
	wanted := map[string]bool{}
	for _, t := range r.Topics {
		wanted[*t.Topic] = true
	}
	for _, t := range p.store.all() {
		if r.Topics != nil && !wanted[t.name] {
			continue
		}
		found := kmsg.NewMetadataResponseTopic()
		found.Topic = &t.name
		for i := range t.partitions {
			part := kmsg.NewMetadataResponseTopicPartition()
			part.Partition, part.Leader = int32(i), 1
			part.Replicas, part.ISR = []int32{1}, []int32{1}
			found.Partitions = append(found.Partitions, part)
		}
		response.Topics = append(response.Topics, found)
		delete(wanted, t.name)
	}
	for name := range wanted {
		missing := kmsg.NewMetadataResponseTopic()
		missing.Topic, missing.ErrorCode = &name, 3
		response.Topics = append(response.Topics, missing)
	}
	return response
}

func (p *peer) create(r *kmsg.CreateTopicsRequest) (kmsg.Response, error) {
	response := r.ResponseKind().(*kmsg.CreateTopicsResponse)
	for _, t := range r.Topics {
		if err := p.store.create(t.Topic, int(t.NumPartitions)); err != nil {
			return nil, err
		}
		made := kmsg.NewCreateTopicsResponseTopic()
		made.Topic = t.Topic
		response.Topics = append(response.Topics, made)
	}
	return response, nil
}

func (p *peer) offsets(r *kmsg.ListOffsetsRequest) (kmsg.Response, error) {
	response := r.ResponseKind().(*kmsg.ListOffsetsResponse)
	for _, t := range r.Topics {
		answered := kmsg.NewListOffsetsResponseTopic()
		answered.Topic = t.Topic
		for _, asked := range t.Partitions {
			from := p.store.find(t.Topic, asked.Partition)
			if from == nil {
				return nil, fmt.Errorf("no partition %d of %s", asked.Partition, t.Topic)
			}
			a := kmsg.NewListOffsetsResponseTopicPartition()
			a.Partition, a.Timestamp, a.LeaderEpoch = asked.Partition, -1, 0
			if _, _, next := from.locate(1<<62, 0); asked.Timestamp == -1 {
				a.Offset = next
			} else {
				a.Offset = 0
			}
			answered.Partitions = append(answered.Partitions, a)
		}
		response.Topics = append(response.Topics, answered)
	}
	return response, nil
}
