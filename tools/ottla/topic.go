package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"ottla.dev/tools/admin"
)

func newTopic() *cobra.Command {
	var flags admin.Flags
	cmd := &cobra.Command{
		Use:   "topic",
		Short: "List, describe, create, change and delete topics of a running cluster",
		Example: `  ottla topic list
  ottla topic create greetings --partitions 3
  ottla topic describe greetings
  ottla topic describe --under-replicated`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags.Add(cmd)
	cmd.AddCommand(newTopicList(&flags), newTopicDescribe(&flags), newTopicCreate(&flags), newTopicAlter(&flags),
		newTopicDelete(&flags))
	flagErrors(cmd)
	return cmd
}

// flagErrors makes flags that a command and those below it do not know end with exitUsage.
func flagErrors(cmd *cobra.Command) {
	for _, c := range append(cmd.Commands(), cmd) {
		c.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError(cmd, err) })
	}
}

const topicListExample = `  ottla topic list
  ottla topic list --internal
  ottla topic list --json | jq -r '.[].name'`

func newTopicList(flags *admin.Flags) *cobra.Command {
	var internal bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the topics and how they are",
		Example: topicListExample,
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.Run(cmd, func(ctx context.Context, c *admin.Client) error {
				topics, err := readTopics(ctx, c, nil, internal)
				if err != nil {
					return err
				}
				return printTopicList(c, topics)
			})
		},
	}
	cmd.Flags().BoolVar(&internal, "internal", false, "list internal topics such as __consumer_offsets, too")
	return cmd
}

func printTopicList(c *admin.Client, topics []topicView) error {
	if c.JSON {
		short := []topicSummary{}
		for _, t := range topics {
			short = append(short, t.summary())
		}
		return c.PrintJSON(short)
	}
	if len(topics) == 0 {
		fmt.Fprintln(c.Out(), "There are no topics. Make one with: ottla topic create NAME")
		return nil
	}
	table := admin.NewTable("TOPIC", "PARTITIONS", "REPLICAS", "STATE")
	for _, t := range topics {
		s := t.summary()
		mark, state := admin.Plain, "ok"
		var words []string
		if s.UnderReplicated > 0 {
			mark, words = admin.Warning, append(words, fmt.Sprintf("%d under-replicated", s.UnderReplicated))
		}
		if s.UnderMinISR > 0 {
			mark, words = admin.Warning, append(words, fmt.Sprintf("%d under min.insync.replicas", s.UnderMinISR))
		}
		if s.Offline > 0 {
			mark, words = admin.Alarm, append(words, fmt.Sprintf("%d offline", s.Offline))
		}
		if len(words) > 0 {
			state = strings.Join(words, ", ")
		}
		table.Row(mark, s.Name, fmt.Sprint(s.Partitions), fmt.Sprint(s.Replicas), state)
	}
	return table.Write(c.Out(), c.Colour)
}

const topicDescribeLong = `Describe prints partitions of topics: their leaders, replicas, and which are in sync (ISR).

What is not as it should be is named in the last column, and coloured on a terminal:
  offline            no leader: nobody can write or read
  under min ISR      too few replicas in sync: producers with acks=all are refused
  under-replicated   a replica is behind or away
  leader moved       the leader is not the first replica (preferred leader)
  moving             a reassignment is under way`

const topicDescribeExample = `  ottla topic describe greetings
  ottla topic describe                          all topics
  ottla topic describe --under-replicated       only the partitions that lack a replica in sync
  ottla topic describe --offline                only those without a leader
  ottla topic describe greetings --json | jq '.[].partitions[] | {partition, leader, isr}'`

// describeFilter picks partitions by how they are.
type describeFilter struct{ underReplicated, underMinISR, offline bool }

func (f describeFilter) any() bool { return f.underReplicated || f.underMinISR || f.offline }

func (f describeFilter) wants(p partitionView) bool {
	return !f.any() || f.underReplicated && p.UnderReplicated || f.underMinISR && p.UnderMinISR ||
		f.offline && p.Offline
}

func newTopicDescribe(flags *admin.Flags) *cobra.Command {
	var filter describeFilter
	cmd := &cobra.Command{
		Use:     "describe [TOPIC...]",
		Short:   "Show leaders, replicas and offsets of partitions",
		Long:    topicDescribeLong,
		Example: topicDescribeExample,
		RunE: func(cmd *cobra.Command, names []string) error {
			return flags.Run(cmd, func(ctx context.Context, c *admin.Client) error {
				topics, err := readTopics(ctx, c, names, true)
				if err == nil {
					err = readTopicDetails(ctx, c, topics)
				}
				if err != nil {
					return err
				}
				return printTopics(c, topics, filter)
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&filter.underReplicated, "under-replicated", false, "only partitions that lack a replica in sync")
	f.BoolVar(&filter.underMinISR, "under-min-isr", false, "only partitions that producers with acks=all cannot write to")
	f.BoolVar(&filter.offline, "offline", false, "only partitions without a leader")
	kafkaFlagNames(f, map[string]string{"under-replicated-partitions": "under-replicated",
		"under-min-isr-partitions": "under-min-isr", "unavailable-partitions": "offline"})
	return cmd
}

func printTopics(c *admin.Client, topics []topicView, filter describeFilter) error {
	shown := []topicView{}
	for _, t := range topics {
		var partitions []partitionView
		for _, p := range t.Partitions {
			if filter.wants(p) {
				partitions = append(partitions, p)
			}
		}
		if len(partitions) > 0 {
			t.Partitions = partitions
			shown = append(shown, t)
		}
	}
	if c.JSON {
		return c.PrintJSON(shown)
	}
	if len(shown) == 0 && filter.any() {
		fmt.Fprintln(c.Out(), "No partition is like that.")
		return nil
	}
	for i, t := range shown {
		if i > 0 {
			fmt.Fprintln(c.Out())
		}
		if err := printTopic(c, t); err != nil {
			return err
		}
	}
	return nil
}

func printTopic(c *admin.Client, t topicView) error {
	s := t.summary()
	fmt.Fprintf(c.Out(), "%s  (id %s, %s of %s)\n", t.Name, t.ID, count(s.Partitions, "partition"),
		count(s.Replicas, "replica"))
	for _, key := range sortedKeys(t.Configs) {
		fmt.Fprintf(c.Out(), "  %s=%s\n", key, t.Configs[key])
	}
	table := admin.NewTable("PARTITION", "LEADER", "EPOCH", "REPLICAS", "ISR", "ELR", "START", "END", "STATE")
	for _, p := range t.Partitions {
		mark := admin.Plain
		switch {
		case p.Offline:
			mark = admin.Alarm
		case p.UnderReplicated || p.UnderMinISR:
			mark = admin.Warning
		}
		leader := "none"
		if p.Leader >= 0 {
			leader = fmt.Sprint(p.Leader)
		}
		table.Row(mark, fmt.Sprint(p.Partition), leader, fmt.Sprint(p.LeaderEpoch), ids(p.Replicas), ids(p.ISR),
			ids(p.ELR), offsetText(p.Start), offsetText(p.End), p.state())
	}
	return table.Write(c.Out(), c.Colour)
}

func offsetText(o *int64) string {
	if o == nil {
		return ""
	}
	return fmt.Sprint(*o)
}

// ids are broker ids with commas.
func ids(of []int32) string {
	var b strings.Builder
	for i, id := range of {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, id)
	}
	return b.String()
}

// readTopics asks for the metadata of the named topics, or of all.
func readTopics(ctx context.Context, c *admin.Client, names []string, internal bool) ([]topicView, error) {
	list := c.ListTopicsWithInternal
	if !internal {
		list = c.ListTopics
	}
	details, err := list(ctx, names...)
	if err != nil {
		return nil, err
	}
	var topics []topicView
	for _, d := range details.Sorted() {
		if d.Err != nil {
			return nil, admin.Refusal("topic "+d.Topic, d.Err, "", topicHint(d.Err))
		}
		topics = append(topics, viewOf(d))
	}
	return topics, readMinISR(ctx, c, topics)
}

// topicHint says what may help after an error about a topic.
func topicHint(err error) string {
	switch err {
	case kerr.UnknownTopicOrPartition, kerr.UnknownTopicID:
		return "'ottla topic list' shows what there is, 'ottla topic create NAME' makes one"
	case kerr.TopicAlreadyExists:
		return "look at it with 'ottla topic describe', change it with 'ottla topic alter'"
	case kerr.InvalidReplicationFactor:
		return "'ottla broker list' shows the brokers; a topic cannot have more replicas than there are brokers unfenced"
	}
	return ""
}

func viewOf(d kadm.TopicDetail) topicView {
	t := topicView{Name: d.Topic, ID: idText(d.ID), Internal: d.IsInternal}
	for _, p := range d.Partitions.Sorted() {
		v := partitionView{Partition: p.Partition, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, Replicas: p.Replicas,
			ISR: p.ISR, Offline: p.Leader < 0, UnderReplicated: len(p.ISR) < len(p.Replicas)}
		t.Partitions = append(t.Partitions, v)
	}
	return t
}

// idText is an id as Kafka's tools and Ottla's files write it.
func idText(id kadm.TopicID) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// MarshalJSON writes lists that are empty as such, for scripts that count.
func (p partitionView) MarshalJSON() ([]byte, error) {
	type plain partitionView
	for _, list := range []*[]int32{&p.Replicas, &p.ISR, &p.ELR, &p.Adding, &p.Removing} {
		if *list == nil {
			*list = []int32{}
		}
	}
	return json.Marshal(plain(p))
}
