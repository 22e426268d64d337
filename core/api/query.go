package api

import (
	"time"

	"ottla.dev/core"
	"ottla.dev/core/partition"
)

// query collects questions about partitions and asks each shard once.
type query struct {
	ops []*partition.QueryOp
	to  []core.Address
	got [][]func(*partition.QueryItem)
	// timeout is how long an answer may take that waits for something.
	timeout time.Duration
}

// add asks about one partition; got takes the answer.
func (q *query) add(c *Context, topic string, item partition.QueryItem, got func(*partition.QueryItem)) {
	to := c.Cluster.ShardOf(topic, item.ID.Partition)
	for i := range q.to {
		if q.to[i] == to {
			q.ops[i].Items = append(q.ops[i].Items, item)
			q.got[i] = append(q.got[i], got)
			return
		}
	}
	q.to = append(q.to, to)
	q.ops = append(q.ops, &partition.QueryOp{Items: []partition.QueryItem{item}})
	q.got = append(q.got, []func(*partition.QueryItem){got})
}

// send sends the questions.
func (q *query) send(c *Context, kind partition.QueryKind, readCommitted bool) {
	for i, op := range q.ops {
		op.Kind, op.Reply, op.Call, op.ReadCommitted = kind, c.Self, c.Call, readCommitted
		op.Timeout = q.timeout
		got := q.got[i]
		c.Send(q.to[i], op, func(core.Message) {
			for j := range got {
				got[j](&op.Items[j])
			}
		})
	}
}
