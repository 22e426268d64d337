package broker

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/config"
	"ottla.dev/core/metadata"
	"ottla.dev/core/partition"
	"ottla.dev/core/record"
	"ottla.dev/core/wire"
)

// joinCluster tells the set of partitions who it is among the brokers.
func (s *Shard) joinCluster(m *begin) {
	s.replicated = m.replicated
	if !m.replicated {
		return
	}
	self := m.cluster.Self
	s.links.clientID = "broker-" + strconv.Itoa(int(self)) + "-fetcher-" + strconv.Itoa(int(s.index))
	r := partition.DefaultReplication(self, m.epoch)
	set := m.cluster.Settings.Replication
	r.LagMax = time.Duration(set.LagMaxMs) * time.Millisecond
	r.FetchWait = time.Duration(set.FetchWaitMs) * time.Millisecond
	r.FetchBackoff = time.Duration(set.FetchBackoffMs) * time.Millisecond
	r.FetchMinBytes, r.FetchMaxBytes, r.FetchTotalBytes = set.FetchMinBytes, set.FetchMaxBytes, set.FetchTotalBytes
	r.FetchRequestsFor = wire.Newest(wire.Fetch)
	s.replication = r
	s.set.Replicate(r)
	s.meetPeers()
}

// reincarnate has all fetches and proposals from now on carry the broker's new epoch.
func (s *Shard) reincarnate(m *incarnation) {
	if s.replicated {
		s.replication.BrokerEpoch = m.epoch
		s.set.Replicate(s.replication)
	}
}

// meetPeers tells the set which brokers may be in ISRs.
func (s *Shard) meetPeers() {
	if !s.replicated {
		return
	}
	var peers []partition.Peer
	for _, b := range s.cluster.Image.Brokers() {
		if b.Active() {
			peers = append(peers, partition.Peer{ID: b.ID, Epoch: b.Epoch, Rack: b.Rack, LogDirs: b.LogDirs})
		}
	}
	s.set.SetPeers(s.now, peers, &s.out)
}

// appoint makes a replica what the metadata say that it is.
func (s *Shard) appoint(r *partition.Replica, p *metadata.Partition) {
	switch {
	case !s.replicated:
		s.set.SetLeaderEpoch(r, p.LeaderEpoch, &s.out)
		return
	case p.Leader == s.cluster.Self:
		s.set.Lead(s.now, r, partition.Leadership{Epoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch,
			Replicas: p.Replicas, Directories: p.Directories, ISR: p.ISR, ELR: p.ELR,
			Recovery: p.RecoveryState}, &s.out)
	default:
		s.set.Follow(s.now, r, partition.Following{Epoch: p.LeaderEpoch, Leader: p.Leader}, &s.out)
	}
	s.set.SetStanding(s.now, r, s.lost(p), &s.out)
}

// fetchTimeout is how long a leader may keep a fetch beyond the wait that it was granted.
const fetchTimeout = 5 * time.Second

// replicate sends what the set has for other brokers: fetches to leaders, proposals to the controller.
func (s *Shard) replicate() {
	if !s.replicated {
		return
	}
	for _, f := range s.set.Fetchers() {
		for f.Wants(s.now) {
			if !s.fetch(f) {
				break
			}
		}
		if s.set.Presses(s.now, f) {
			s.press(f)
		}
	}
	if len(s.set.Proposals) > 0 && s.closing == nil {
		proposals := s.set.Proposals
		s.set.Proposals = nil
		s.out.Send(core.Control(), alteration(s.index, proposals))
	}
	s.doubt()
}

// fetch asks a leader for what is followed there, and reports whether another fetch may follow at once.
func (s *Shard) fetch(f *partition.Fetcher) bool {
	req := s.set.NextFetch(s.now, f)
	if req == nil {
		return false
	}
	address, ok := s.reach(f.Leader())
	if !ok {
		s.set.FetchLost(s.now, f)
		return false
	}
	timeout := time.Duration(req.MaxWaitMillis)*time.Millisecond + fetchTimeout
	o := s.links.send(s.now, &s.out, address, laneReplica, req, timeout, func(kmsg.Response, bool) {
		s.set.FetchLost(s.now, f)
	})
	if o == nil {
		return false
	}
	o.frame = func(resp kmsg.Response, frame []byte) {
		s.set.Fetched(s.now, f, resp.(*kmsg.FetchResponse), frame, &s.out)
	}
	return true
}

// press has a leader answer the fetch that it keeps waiting: any request behind a replica's fetch ends that one's wait.
// ApiVersions is the smallest. A broker that does not know the rule answers both when it would have answered the fetch.
func (s *Shard) press(f *partition.Fetcher) {
	if address, ok := s.reach(f.Leader()); ok {
		req := kmsg.NewPtrApiVersionsRequest() // of version 0
		s.links.send(s.now, &s.out, address, laneReplica, req, fetchTimeout, func(kmsg.Response, bool) {})
	}
}

// peerAddress is where a broker is reached, as long as its registration is this one.
type peerAddress struct {
	broker  *metadata.Broker
	address string
}

// reach is interBrokerAddress of a leader. It remembers what it has found, since it is asked with each fetch.
func (s *Shard) reach(id core.BrokerID) (string, bool) {
	b := s.cluster.Image.Broker(id)
	for i := range s.addresses {
		if b != nil && s.addresses[i].broker == b {
			return s.addresses[i].address, true
		}
	}
	address, ok := interBrokerAddress(b, s.cluster.Static)
	if !ok {
		return "", false
	}
	s.addresses = slices.DeleteFunc(s.addresses, func(a peerAddress) bool { return a.broker.ID == id })
	s.addresses = append(s.addresses, peerAddress{b, address})
	return address, true
}

// interBrokerAddress is where brokers reach a broker: on inter.broker.listener.name, on PLAINTEXT, or on what there is.
func interBrokerAddress(b *metadata.Broker, static map[string]string) (string, bool) {
	if b == nil || len(b.Endpoints) == 0 {
		return "", false
	}
	name, _ := config.BrokerText(config.Layers{Static: static}, "inter.broker.listener.name")
	if name == "" {
		name = "PLAINTEXT"
	}
	e, ok := b.Endpoint(strings.ToUpper(name))
	if !ok {
		e = b.Endpoints[0]
	}
	return addressOf(record.Endpoint{Host: e.Host, Port: e.Port}), true
}

// alteration puts proposals into a message for control.
func alteration(shard uint32, proposals []*partition.Proposal) *alterPartition {
	return &alterPartition{shard: shard, proposals: proposals, topics: alterations(proposals)}
}

// alterations is what a request says of proposals.
func alterations(proposals []*partition.Proposal) []kmsg.AlterPartitionRequestTopic {
	var topics []kmsg.AlterPartitionRequestTopic
	for _, p := range proposals {
		i := slices.IndexFunc(topics, func(t kmsg.AlterPartitionRequestTopic) bool {
			return core.UUID(t.TopicID) == p.ID.Topic
		})
		if i < 0 {
			t := kmsg.NewAlterPartitionRequestTopic()
			t.TopicID = p.ID.Topic
			i, topics = len(topics), append(topics, t)
		}
		x := kmsg.NewAlterPartitionRequestTopicPartition()
		x.Partition, x.LeaderEpoch = int32(p.ID.Partition), int32(p.LeaderEpoch)
		x.PartitionEpoch, x.LeaderRecoveryState = int32(p.PartitionEpoch), int8(p.Recovery)
		for k, id := range p.ISR {
			e := kmsg.NewAlterPartitionRequestTopicPartitionNewEpochISR()
			e.BrokerID, e.BrokerEpoch = int32(id), int64(p.Epochs[k])
			x.NewEpochISR = append(x.NewEpochISR, e)
		}
		topics[i].Partitions = append(topics[i].Partitions, x)
	}
	return topics
}

// altered tells the set what the controller made of its proposals.
func (s *Shard) altered(m *alterPartition) {
	for _, p := range m.proposals {
		code, d := m.code, partition.Decided{}
		if code == core.NoError {
			code, d = decidedOf(m.response, p.ID)
		}
		s.set.ISRAnswered(s.now, p, code, d, &s.out)
	}
}

// decidedOf finds a partition in the controller's answer.
func decidedOf(resp *kmsg.AlterPartitionResponse, id core.TopicIDPartition) (core.ErrorCode, partition.Decided) {
	for i := range resp.Topics {
		if core.UUID(resp.Topics[i].TopidID) != id.Topic {
			continue
		}
		for j := range resp.Topics[i].Partitions {
			p := &resp.Topics[i].Partitions[j]
			if core.PartitionID(p.Partition) != id.Partition {
				continue
			}
			d := partition.Decided{LeaderEpoch: core.LeaderEpoch(p.LeaderEpoch),
				PartitionEpoch: core.PartitionEpoch(p.PartitionEpoch)}
			for _, b := range p.ISR {
				d.ISR = append(d.ISR, core.BrokerID(b))
			}
			return core.ErrorCode(p.ErrorCode), d
		}
	}
	return core.RequestTimedOut, partition.Decided{}
}
