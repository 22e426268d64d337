package workload

import (
	"fmt"
	"slices"
	"sort"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// description is what the auditor is told of all topics when everything is at rest: page by page, and at once. Both
// answers are of one broker's metadata, in two APIs that share no code.
type description struct {
	over  bool
	pages []string // a line a partition
	next  *kmsg.DescribeTopicPartitionsResponseNextCursor
	tries int
}

const (
	// describedTogether is how many partitions a page has: so few that most clusters have several.
	describedTogether = 3
	// describedTries is how often the two may differ because something has changed in between.
	describedTries = 50
)

// describe asks for the next page (KIP-966).
func (a *Auditor) describe() {
	a.doing = "the description of all topics"
	if !a.aimAt(aim{}) {
		return
	}
	a.flying = true
	d := &a.description
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	req.ResponsePartitionLimit = describedTogether
	if d.next != nil {
		from := kmsg.NewDescribeTopicPartitionsRequestCursor()
		from.Topic, from.Partition = d.next.Topic, d.next.Partition
		req.Cursor = &from
	}
	a.request(req, 0, func(r kmsg.Response) {
		resp := r.(*kmsg.DescribeTopicPartitionsResponse)
		before := len(d.pages)
		for i := range resp.Topics {
			t := &resp.Topics[i]
			for j := range t.Partitions {
				p := &t.Partitions[j]
				d.pages = append(d.pages, describedLine(*t.Topic, t.TopicID, p.Partition, p.LeaderID, p.LeaderEpoch, p.Replicas,
					p.ISR, p.OfflineReplicas))
			}
		}
		if len(d.pages)-before > describedTogether {
			a.wrong("metadata", "DescribeTopicPartitions gives more partitions than it is asked for")
		}
		if d.next = resp.NextCursor; d.next == nil {
			a.compareDescriptions()
			return
		}
		a.flying = false
		a.act()
	})
}

// compareDescriptions asks for all of it at once.
func (a *Auditor) compareDescriptions() {
	d := &a.description
	a.request(kmsg.NewPtrMetadataRequest(), 12, func(r kmsg.Response) {
		resp := r.(*kmsg.MetadataResponse)
		sort.Slice(resp.Topics, func(i, k int) bool { return *resp.Topics[i].Topic < *resp.Topics[k].Topic })
		var all []string
		for i := range resp.Topics {
			t := &resp.Topics[i]
			for j := range t.Partitions {
				p := &t.Partitions[j]
				all = append(all, describedLine(*t.Topic, t.TopicID, p.Partition, p.Leader, p.LeaderEpoch, p.Replicas, p.ISR,
					p.OfflineReplicas))
			}
		}
		if d.over = slices.Equal(all, d.pages); !d.over {
			if d.tries++; d.tries > describedTries {
				a.wrong("metadata", fmt.Sprintf("DescribeTopicPartitions says %q, and Metadata %q", d.pages, all))
			}
		}
		d.pages, d.next = nil, nil
		a.later()
	})
}

func describedLine(topic string, id [16]byte, partition, leader, epoch int32, replicas, isr, offline []int32) string {
	return fmt.Sprintf("%s %x %d leader=%d epoch=%d replicas=%v isr=%v offline=%v", topic, id[:4], partition, leader,
		epoch, replicas, isr, offline)
}
