package main

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/tools/admin"
)

// topicView is what describe shows of a topic; its JSON is for scripts, so that names stay.
type topicView struct {
	Name     string `json:"name"`
	ID       string `json:"id"`
	Internal bool   `json:"internal"`
	// Configs are the settings of the topic's own.
	Configs    map[string]string `json:"configs,omitempty"`
	MinISR     int               `json:"minInsyncReplicas"`
	Partitions []partitionView   `json:"partitions"`
}

type partitionView struct {
	Partition   int32   `json:"partition"`
	Leader      int32   `json:"leader"`
	LeaderEpoch int32   `json:"leaderEpoch"`
	Replicas    []int32 `json:"replicas"`
	ISR         []int32 `json:"isr"`
	ELR         []int32 `json:"elr"`
	Adding      []int32 `json:"adding"`
	Removing    []int32 `json:"removing"`
	// Start and End are nil when no leader told them. End is the high watermark.
	Start           *int64 `json:"startOffset"`
	End             *int64 `json:"endOffset"`
	Offline         bool   `json:"offline"`
	UnderReplicated bool   `json:"underReplicated"`
	UnderMinISR     bool   `json:"underMinIsr"`
}

// state is the partition's condition in words.
func (p partitionView) state() string {
	var words []string
	if p.Offline {
		words = append(words, "offline")
	}
	if p.UnderMinISR {
		words = append(words, "under min ISR")
	}
	if p.UnderReplicated {
		var away []int32
		for _, r := range p.Replicas {
			if !slices.Contains(p.ISR, r) {
				away = append(away, r)
			}
		}
		words = append(words, "under-replicated, not in sync: "+ids(away))
	}
	if len(p.Adding)+len(p.Removing) > 0 {
		moving := "moving"
		if len(p.Adding) > 0 {
			moving += " to " + ids(p.Adding)
		}
		if len(p.Removing) > 0 {
			moving += " from " + ids(p.Removing)
		}
		words = append(words, moving)
	}
	if !p.Offline && len(p.Replicas) > 0 && p.Leader != p.Replicas[0] {
		words = append(words, "leader moved")
	}
	if len(words) == 0 {
		return "ok"
	}
	return strings.Join(words, "; ")
}

// topicSummary is what list shows of a topic.
type topicSummary struct {
	Name            string `json:"name"`
	ID              string `json:"id"`
	Internal        bool   `json:"internal"`
	Partitions      int    `json:"partitions"`
	Replicas        int    `json:"replicas"`
	Offline         int    `json:"offline"`
	UnderReplicated int    `json:"underReplicated"`
	UnderMinISR     int    `json:"underMinIsr"`
}

func (t topicView) summary() topicSummary {
	s := topicSummary{Name: t.Name, ID: t.ID, Internal: t.Internal, Partitions: len(t.Partitions)}
	for _, p := range t.Partitions {
		s.Replicas = max(s.Replicas, len(p.Replicas)-len(p.Adding))
		if p.Offline {
			s.Offline++
		}
		if p.UnderReplicated {
			s.UnderReplicated++
		}
		if p.UnderMinISR {
			s.UnderMinISR++
		}
	}
	return s
}

// readMinISR asks for the topics' settings, and marks the partitions with too few replicas in sync.
func readMinISR(ctx context.Context, c *admin.Client, topics []topicView) error {
	if len(topics) == 0 {
		return nil
	}
	byName := map[string]*topicView{}
	var names []string
	for i := range topics {
		byName[topics[i].Name] = &topics[i]
		names = append(names, topics[i].Name)
	}
	described, err := c.DescribeTopicConfigs(ctx, names...)
	if err != nil {
		return admin.Shards(err)
	}
	for _, r := range described {
		t := byName[r.Name]
		if t == nil || r.Err != nil { // deleted in between
			continue
		}
		t.Configs = map[string]string{}
		for _, config := range r.Configs {
			if config.Source == kmsg.ConfigSourceDynamicTopicConfig {
				t.Configs[config.Key] = config.MaybeValue()
			}
			if config.Key == "min.insync.replicas" {
				t.MinISR, _ = strconv.Atoi(config.MaybeValue())
			}
		}
	}
	for _, t := range topics {
		for i := range t.Partitions {
			p := &t.Partitions[i]
			// Kafka counts a partition of fewer replicas as complete when all of them are there.
			p.UnderMinISR = len(p.ISR) < min(t.MinISR, len(p.Replicas))
		}
	}
	return nil
}

// offsetsWithin bounds the wait for offsets: a leader that has just died is no reason to show nothing.
const offsetsWithin = 3 * time.Second

// readTopicDetails adds offsets, eligible leaders and reassignments. A cluster that cannot tell them is shown without.
func readTopicDetails(ctx context.Context, c *admin.Client, topics []topicView) error {
	at := map[string]map[int32]*partitionView{}
	var set kadm.TopicsSet
	for _, t := range topics {
		at[t.Name] = map[int32]*partitionView{}
		for i := range t.Partitions {
			p := &t.Partitions[i]
			at[t.Name][p.Partition] = p
			set.Add(t.Name, p.Partition)
		}
	}
	if len(topics) == 0 {
		return nil
	}
	moves, err := c.ListPartitionReassignments(ctx, set)
	if err != nil {
		return err
	}
	moves.Each(func(m kadm.ListPartitionReassignmentsResponse) {
		if p := at[m.Topic][m.Partition]; p != nil {
			p.Adding, p.Removing = m.AddingReplicas, m.RemovingReplicas
			p.UnderReplicated = len(p.ISR) < len(p.Replicas)-len(p.Adding)
		}
	})
	readELR(ctx, c, at)
	ctx, cancel := context.WithTimeout(ctx, offsetsWithin)
	defer cancel()
	const earliest, latest = -2, -1
	readOffsets(ctx, c, at, earliest, func(p *partitionView, offset int64) { p.Start = &offset })
	readOffsets(ctx, c, at, latest, func(p *partitionView, offset int64) { p.End = &offset })
	return nil
}

func readELR(ctx context.Context, c *admin.Client, at map[string]map[int32]*partitionView) {
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	for _, name := range sortedKeys(at) {
		t := kmsg.NewDescribeTopicPartitionsRequestTopic()
		t.Topic = name
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, c.Raw)
	if err != nil {
		return // Kafka before 3.7
	}
	for _, t := range resp.Topics {
		if t.Topic == nil {
			continue
		}
		for _, rp := range t.Partitions {
			if p := at[*t.Topic][rp.Partition]; p != nil {
				p.ELR = rp.EligibleLeaderReplicas
			}
		}
	}
}

// readOffsets asks the leaders; partitions without one are left out, for which the client would wait.
func readOffsets(ctx context.Context, c *admin.Client, at map[string]map[int32]*partitionView, timestamp int64,
	found func(*partitionView, int64)) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	for _, name := range sortedKeys(at) {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = name
		for _, p := range at[name] {
			if p.Offline {
				continue
			}
			rp := kmsg.NewListOffsetsRequestTopicPartition()
			rp.Partition, rp.Timestamp, rp.CurrentLeaderEpoch = p.Partition, timestamp, -1
			t.Partitions = append(t.Partitions, rp)
		}
		if len(t.Partitions) > 0 {
			req.Topics = append(req.Topics, t)
		}
	}
	for _, shard := range c.Raw.RequestSharded(ctx, req) {
		resp, ok := shard.Resp.(*kmsg.ListOffsetsResponse)
		if !ok || shard.Err != nil {
			continue
		}
		for _, t := range resp.Topics {
			for _, rp := range t.Partitions {
				if p := at[t.Topic][rp.Partition]; p != nil && rp.ErrorCode == 0 {
					found(p, rp.Offset)
				}
			}
		}
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// kafkaFlagNames lets people use the names that Kafka's tools have for the same flags.
func kafkaFlagNames(flags *pflag.FlagSet, names map[string]string) {
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if ours, ok := names[name]; ok {
			name = ours
		}
		return pflag.NormalizedName(name)
	})
}
