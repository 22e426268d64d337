package api

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/partition"
)

// DescribeLogDirs serves API key 35, v0-5 (KIP-113): the size of each partition's log in each data folder. Null topics
// ask for all. A folder that has failed is listed with KAFKA_STORAGE_ERROR and without partitions. v4 asks for the
// volume's total and usable bytes, which the broker does not measure and answers as -1.
func DescribeLogDirs(c *Context) {
	req := c.Request.(*kmsg.DescribeLogDirsRequest)
	resp := kmsg.NewPtrDescribeLogDirsResponse()
	c.Response = resp
	for _, dir := range c.Cluster.LogDirs {
		d := kmsg.NewDescribeLogDirsResponseDir()
		d.Dir = dir.Path
		if dir.Offline != nil {
			d.ErrorCode = int16(core.KafkaStorageError)
		}
		resp.Dirs = append(resp.Dirs, d)
	}
	asked := askedLogDirs(req)
	for i := range c.Cluster.Shards {
		op := &partition.QueryOp{Kind: partition.QueryLogDirectory, All: true, Reply: c.Self, Call: c.Call}
		c.Send(core.Shard(i), op, func(core.Message) {
			for j := range op.Items {
				addLogDir(c, asked, resp, &op.Items[j])
			}
			if c.Done() {
				sortLogDirs(resp)
			}
		})
	}
}

func addLogDir(c *Context, asked map[core.TopicPartition]bool, resp *kmsg.DescribeLogDirsResponse,
	it *partition.QueryItem) {
	t := c.Cluster.Image.TopicByID(it.ID.Topic)
	if t == nil || it.Code != core.NoError {
		return
	}
	if asked != nil && !asked[core.TopicPartition{Topic: t.Name, Partition: it.ID.Partition}] {
		return
	}
	p := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
	p.Partition, p.Size = int32(it.ID.Partition), it.Size
	for i := range resp.Dirs {
		d := &resp.Dirs[i]
		if d.Dir != it.Dir || d.ErrorCode != 0 {
			continue
		}
		for j := range d.Topics {
			if d.Topics[j].Topic == t.Name {
				d.Topics[j].Partitions = append(d.Topics[j].Partitions, p)
				return
			}
		}
		rt := kmsg.NewDescribeLogDirsResponseDirTopic()
		rt.Topic, rt.Partitions = t.Name, append(rt.Partitions, p)
		d.Topics = append(d.Topics, rt)
		return
	}
}

// askedLogDirs is the set of partitions that a request asks for, nil for all.
func askedLogDirs(req *kmsg.DescribeLogDirsRequest) map[core.TopicPartition]bool {
	if req.Topics == nil {
		return nil
	}
	asked := map[core.TopicPartition]bool{}
	for i := range req.Topics {
		for _, p := range req.Topics[i].Partitions {
			asked[core.TopicPartition{Topic: req.Topics[i].Topic, Partition: core.PartitionID(p)}] = true
		}
	}
	return asked
}

func sortLogDirs(resp *kmsg.DescribeLogDirsResponse) {
	for i := range resp.Dirs {
		topics := resp.Dirs[i].Topics
		slices.SortStableFunc(topics, func(a, b kmsg.DescribeLogDirsResponseDirTopic) int {
			return strings.Compare(a.Topic, b.Topic)
		})
		for j := range topics {
			slices.SortStableFunc(topics[j].Partitions, func(a, b kmsg.DescribeLogDirsResponseDirTopicPartition) int {
				return int(a.Partition - b.Partition)
			})
		}
	}
}
