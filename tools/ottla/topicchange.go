package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/tools/admin"
)

const topicCreateExample = `  ottla topic create greetings
  ottla topic create greetings --partitions 6 --replication-factor 3
  ottla topic create orders --set retention.ms=86400000 --set min.insync.replicas=2
  ottla topic create placed --replicas 1,2,3 --replicas 2,3,1     two partitions on these brokers, leader first
  ottla topic create greetings --dry-run                          only say whether it could be`

type createOptions struct {
	partitions  int32
	replication int16
	replicas    []string
	set         []string
	ifNotExists bool
	dryRun      bool
}

func newTopicCreate(flags *admin.Flags) *cobra.Command {
	var o createOptions
	cmd := &cobra.Command{
		Use:     "create TOPIC...",
		Short:   "Create topics",
		Long:    "Create makes topics. Without numbers the cluster's num.partitions and default.replication.factor count.",
		Example: topicCreateExample,
		Args:    usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			req, err := createRequest(names, o)
			if err != nil {
				return usageError(cmd, err)
			}
			return flags.Run(cmd, func(ctx context.Context, c *admin.Client) error {
				req.TimeoutMillis = int32(flags.Timeout.Milliseconds())
				return createTopics(ctx, c, req, o)
			})
		},
	}
	f := cmd.Flags()
	f.Int32Var(&o.partitions, "partitions", -1, "how many `partitions`")
	f.Int16Var(&o.replication, "replication-factor", -1, "how many `replicas` of each partition")
	f.StringArrayVar(&o.replicas, "replicas", nil, "the `brokers` of a partition, as 1,2,3; once for each partition")
	f.StringArrayVar(&o.set, "set", nil, "a setting of the topic, as `key=value`; may be repeated")
	f.BoolVar(&o.ifNotExists, "if-not-exists", false, "a topic that exists is no error")
	f.BoolVar(&o.dryRun, "dry-run", false, "check everything, and create nothing")
	kafkaFlagNames(f, map[string]string{"config": "set"})
	return cmd
}

func createRequest(names []string, o createOptions) (*kmsg.CreateTopicsRequest, error) {
	if len(o.replicas) > 0 && (o.partitions >= 0 || o.replication >= 0) {
		return nil, errors.New("--replicas says how many partitions and replicas there are; leave out the numbers")
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.ValidateOnly = o.dryRun
	for _, name := range names {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = name, o.partitions, o.replication
		for i, text := range o.replicas {
			brokers, err := brokerIDs(text)
			if err != nil {
				return nil, err
			}
			a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
			a.Partition, a.Replicas = int32(i), brokers
			t.ReplicaAssignment = append(t.ReplicaAssignment, a)
		}
		for _, s := range o.set {
			key, value, ok := strings.Cut(s, "=")
			if !ok {
				return nil, fmt.Errorf("--set %s has no value: it must be key=value", s)
			}
			config := kmsg.NewCreateTopicsRequestTopicConfig()
			config.Name, config.Value = key, &value
			t.Configs = append(t.Configs, config)
		}
		req.Topics = append(req.Topics, t)
	}
	return req, nil
}

// brokerIDs reads a list such as 1,2,3.
func brokerIDs(text string) ([]int32, error) {
	var brokers []int32
	for field := range strings.SplitSeq(text, ",") {
		id, err := strconv.ParseInt(strings.TrimSpace(field), 10, 32)
		if err != nil || id < 0 {
			return nil, fmt.Errorf("%q is no list of broker ids such as 1,2,3", text)
		}
		brokers = append(brokers, int32(id))
	}
	return brokers, nil
}

func createTopics(ctx context.Context, c *admin.Client, req *kmsg.CreateTopicsRequest, o createOptions) error {
	resp, err := req.RequestWith(ctx, c.Raw)
	if err != nil {
		return err
	}
	var refused []error
	for _, t := range resp.Topics {
		err := kerr.ErrorForCode(t.ErrorCode)
		switch {
		case err == kerr.TopicAlreadyExists && o.ifNotExists:
			fmt.Fprintf(c.Out(), "%s exists already\n", t.Topic)
		case err != nil:
			refused = append(refused, admin.Refusal("topic "+t.Topic, err, value(t.ErrorMessage), topicHint(err)))
		case o.dryRun:
			fmt.Fprintf(c.Out(), "%s could be created\n", t.Topic)
		default:
			fmt.Fprintf(c.Out(), "created %s: %s of %s\n", t.Topic, count(int(t.NumPartitions), "partition"),
				count(int(t.ReplicationFactor), "replica"))
		}
	}
	return errors.Join(refused...)
}

func value(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

const topicDeleteExample = `  ottla topic delete greetings
  ottla topic delete greetings orders --if-exists`

func newTopicDelete(flags *admin.Flags) *cobra.Command {
	var ifExists bool
	cmd := &cobra.Command{
		Use:     "delete TOPIC...",
		Short:   "Delete topics and their records",
		Long:    "Delete removes topics with all their records, at once and for good.",
		Example: topicDeleteExample,
		Args:    usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return flags.Run(cmd, func(ctx context.Context, c *admin.Client) error {
				deleted, err := c.DeleteTopics(ctx, names...)
				if err != nil {
					return err
				}
				var refused []error
				for _, d := range deleted.Sorted() {
					switch {
					case d.Err == nil:
						fmt.Fprintf(c.Out(), "deleted %s\n", d.Topic)
					case ifExists && errors.Is(d.Err, kerr.UnknownTopicOrPartition):
						fmt.Fprintf(c.Out(), "%s does not exist\n", d.Topic)
					default:
						refused = append(refused, admin.Refusal("topic "+d.Topic, d.Err, d.ErrMessage, topicHint(d.Err)))
					}
				}
				return errors.Join(refused...)
			})
		},
	}
	cmd.Flags().BoolVar(&ifExists, "if-exists", false, "a topic that does not exist is no error")
	return cmd
}

const topicAlterLong = `Alter changes a topic: its number of partitions, its settings, and where its replicas are.

Moving replicas is a reassignment: the new ones copy the records first, and the old ones leave when the new ones are in
sync. 'ottla topic describe' shows how far it is.`

const topicAlterExample = `  ottla topic alter greetings --partitions 6
  ottla topic alter greetings --set retention.ms=3600000 --unset max.message.bytes
  ottla topic alter greetings --move 0=2,3,1 --move 1=3,1,2     partition=brokers, the preferred leader first
  ottla topic alter greetings --cancel-move 0`

type alterOptions struct {
	partitions int
	set, unset []string
	move       []string
	cancelMove []int32
}

func newTopicAlter(flags *admin.Flags) *cobra.Command {
	var o alterOptions
	cmd := &cobra.Command{
		Use:     "alter TOPIC",
		Short:   "Change the partitions, settings or places of a topic",
		Long:    topicAlterLong,
		Example: topicAlterExample,
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			steps, err := alterSteps(args[0], o)
			if err != nil {
				return usageError(cmd, err)
			}
			return flags.Run(cmd, func(ctx context.Context, c *admin.Client) error {
				for _, step := range steps {
					if err := step(ctx, c); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.partitions, "partitions", 0, "raise the number of partitions to this `number`")
	f.StringArrayVar(&o.set, "set", nil, "a setting of the topic, as `key=value`; may be repeated")
	f.StringArrayVar(&o.unset, "unset", nil, "a setting's `key` to be as the broker has it; may be repeated")
	f.StringArrayVar(&o.move, "move", nil, "where a partition's replicas shall be, as `partition=brokers`, 0=1,2,3")
	f.Int32SliceVar(&o.cancelMove, "cancel-move", nil, "take back the move of this `partition`")
	return cmd
}

// alterSteps reads all of what is asked for before anything is done.
func alterSteps(topic string, o alterOptions) ([]func(context.Context, *admin.Client) error, error) {
	var steps []func(context.Context, *admin.Client) error
	if o.partitions != 0 {
		steps = append(steps, func(ctx context.Context, c *admin.Client) error {
			return morePartitions(ctx, c, topic, o.partitions)
		})
	}
	if len(o.set)+len(o.unset) > 0 {
		changes, err := configChanges(o)
		if err != nil {
			return nil, err
		}
		steps = append(steps, func(ctx context.Context, c *admin.Client) error {
			return changeConfigs(ctx, c, topic, changes)
		})
	}
	if len(o.move)+len(o.cancelMove) > 0 {
		moves, err := partitionMoves(topic, o)
		if err != nil {
			return nil, err
		}
		steps = append(steps, func(ctx context.Context, c *admin.Client) error { return movePartitions(ctx, c, moves) })
	}
	if len(steps) == 0 {
		return nil, errors.New("say what to change: --partitions, --set, --unset, --move or --cancel-move")
	}
	return steps, nil
}

func configChanges(o alterOptions) ([]kadm.AlterConfig, error) {
	var changes []kadm.AlterConfig
	for _, s := range o.set {
		key, text, ok := strings.Cut(s, "=")
		if !ok {
			return nil, fmt.Errorf("--set %s has no value: it must be key=value", s)
		}
		changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: key, Value: &text})
	}
	for _, key := range o.unset {
		changes = append(changes, kadm.AlterConfig{Op: kadm.DeleteConfig, Name: key})
	}
	return changes, nil
}

func partitionMoves(topic string, o alterOptions) (kadm.AlterPartitionAssignmentsReq, error) {
	var moves kadm.AlterPartitionAssignmentsReq
	for _, text := range o.move {
		number, list, ok := strings.Cut(text, "=")
		partition, err := strconv.ParseInt(number, 10, 32)
		if !ok || err != nil {
			return nil, fmt.Errorf("--move %s is no partition with its brokers, such as 0=1,2,3", text)
		}
		brokers, err := brokerIDs(list)
		if err != nil {
			return nil, err
		}
		moves.Assign(topic, int32(partition), brokers)
	}
	for _, partition := range o.cancelMove {
		moves.CancelAssign(topic, partition)
	}
	return moves, nil
}

func morePartitions(ctx context.Context, c *admin.Client, topic string, partitions int) error {
	grown, err := c.UpdatePartitions(ctx, partitions, topic)
	if err != nil {
		return err
	}
	for _, g := range grown.Sorted() {
		hint := topicHint(g.Err)
		if g.Err == kerr.InvalidPartitions {
			hint = "partitions can only become more"
		}
		if err := admin.Refusal("topic "+topic, g.Err, g.ErrMessage, hint); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.Out(), "%s has %s\n", topic, count(partitions, "partition"))
	return nil
}

func changeConfigs(ctx context.Context, c *admin.Client, topic string, changes []kadm.AlterConfig) error {
	altered, err := c.AlterTopicConfigs(ctx, changes, topic)
	if err != nil {
		return admin.Shards(err)
	}
	for _, a := range altered {
		if err := admin.Refusal("topic "+topic, a.Err, a.ErrMessage, topicHint(a.Err)); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.Out(), "changed %s of %s\n", count(len(changes), "setting"), topic)
	return nil
}

func movePartitions(ctx context.Context, c *admin.Client, moves kadm.AlterPartitionAssignmentsReq) error {
	answered, err := c.AlterPartitionAssignments(ctx, moves)
	if err != nil {
		return err
	}
	var refused []error
	for _, a := range answered.Sorted() {
		what := fmt.Sprintf("%s-%d", a.Topic, a.Partition)
		hint := topicHint(a.Err)
		if a.Err == kerr.NoReassignmentInProgress {
			hint = "nothing is moving; 'ottla topic describe' shows where its replicas are"
		}
		if a.Err != nil {
			refused = append(refused, admin.Refusal(what, a.Err, a.ErrMessage, hint))
			continue
		}
		if to := moves[a.Topic][a.Partition]; to != nil {
			fmt.Fprintf(c.Out(), "moving %s to %s\n", what, ids(to))
		} else {
			fmt.Fprintf(c.Out(), "the move of %s is taken back\n", what)
		}
	}
	return errors.Join(refused...)
}
