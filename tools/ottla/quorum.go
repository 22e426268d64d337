package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/raft"
	"ottla.dev/node/config"
	"ottla.dev/tools/admin"
)

func newQuorum() *cobra.Command {
	var flags admin.Flags
	cmd := &cobra.Command{
		Use:   "quorum",
		Short: "Look at the controllers of a running cluster, add and remove them",
		Example: `  ottla quorum describe
  ottla quorum describe --replication --bootstrap-server 127.0.0.1:9093
  ottla quorum add-voter 2
  ottla quorum remove-voter 1`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags.Add(cmd)
	cmd.AddCommand(newQuorumDescribe(&flags), newAddVoter(&flags), newRemoveVoter(&flags),
		newQuorumUpgrade(&flags))
	flagErrors(cmd)
	return cmd
}

func newQuorumDescribe(flags *admin.Flags) *cobra.Command {
	var status, replication bool
	cmd := &cobra.Command{
		Use:   "describe",
		Short: "Say who leads the metadata quorum and how far the others are",
		Long: "Describe prints the quorum's leader, epoch and high watermark (--status), and every replica of the\n" +
			"metadata log: voters, which decide, and observers, which follow (--replication). Without either it prints\n" +
			"both.",
		Example: "  ottla quorum describe\n  ottla quorum describe --status\n" +
			"  ottla quorum describe --replication --json | jq '.voters[].lag'",
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			both := status == replication
			return flags.Run(cmd, func(ctx context.Context, c *admin.Client) error {
				return describeQuorum(ctx, c, status || both, replication || both)
			})
		},
	}
	cmd.Flags().BoolVar(&status, "status", false, "print the summary only")
	cmd.Flags().BoolVar(&replication, "replication", false, "print the replicas only")
	return cmd
}

// quorumView is what describe shows.
type quorumView struct {
	ClusterID            string          `json:"clusterId"`
	LeaderID             int32           `json:"leaderId"`
	LeaderEpoch          int32           `json:"leaderEpoch"`
	HighWatermark        int64           `json:"highWatermark"`
	MaxFollowerLag       int64           `json:"maxFollowerLag"`
	MaxFollowerLagTimeMs int64           `json:"maxFollowerLagTimeMs"`
	Voters               []quorumReplica `json:"voters"`
	Observers            []quorumReplica `json:"observers"`
}

// quorumReplica is a replica of the metadata log. Timestamps are milliseconds since 1970, -1 if there is none.
type quorumReplica struct {
	ID                    int32    `json:"id"`
	DirectoryID           string   `json:"directoryId,omitempty"`
	Status                string   `json:"status"`
	LogEndOffset          int64    `json:"logEndOffset"`
	Lag                   int64    `json:"lag"`
	LastFetchTimestamp    int64    `json:"lastFetchTimestamp"`
	LastCaughtUpTimestamp int64    `json:"lastCaughtUpTimestamp"`
	Endpoints             []string `json:"endpoints,omitempty"`
}

// quorumOf asks for the quorum.
func quorumOf(ctx context.Context, c *admin.Client) (*quorumView, error) {
	req := kmsg.NewPtrDescribeQuorumRequest()
	req.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: raft.Topic,
		Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{}}}}
	resp, err := req.RequestWith(ctx, c.Raw)
	if err != nil {
		return nil, err
	}
	message := ""
	if resp.ErrorMessage != nil {
		message = *resp.ErrorMessage
	}
	const hint = "the quorum may be without a leader: more than half of its voters must be there"
	if err := admin.Refusal("the quorum", kerr.ErrorForCode(resp.ErrorCode), message, hint); err != nil {
		return nil, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("the cluster's answer has no metadata partition")
	}
	p := &resp.Topics[0].Partitions[0]
	if err := admin.Refusal("the quorum", kerr.ErrorForCode(p.ErrorCode), "", hint); err != nil {
		return nil, err
	}
	v := viewQuorum(resp, p)
	about, err := c.BrokerMetadata(ctx)
	v.ClusterID = about.Cluster
	return v, err
}

func viewQuorum(resp *kmsg.DescribeQuorumResponse, p *kmsg.DescribeQuorumResponseTopicPartition) *quorumView {
	v := &quorumView{LeaderID: p.LeaderID, LeaderEpoch: p.LeaderEpoch, HighWatermark: p.HighWatermark,
		Observers: []quorumReplica{}}
	end, caughtUp := p.HighWatermark, int64(-1)
	for i := range p.CurrentVoters {
		if x := &p.CurrentVoters[i]; x.ReplicaID == p.LeaderID {
			end, caughtUp = x.LogEndOffset, x.LastCaughtUpTimestamp
		}
	}
	view := func(x *kmsg.DescribeQuorumResponseTopicPartitionReplicaState, status string) quorumReplica {
		r := quorumReplica{ID: x.ReplicaID, Status: status, LogEndOffset: x.LogEndOffset, Lag: end - max(x.LogEndOffset, 0),
			LastFetchTimestamp: x.LastFetchTimestamp, LastCaughtUpTimestamp: x.LastCaughtUpTimestamp}
		if id := core.UUID(x.ReplicaDirectoryID); !id.IsZero() {
			r.DirectoryID = id.String()
		}
		for _, n := range resp.Nodes {
			for _, l := range n.Listeners {
				if n.NodeID == x.ReplicaID {
					r.Endpoints = append(r.Endpoints, config.Listener{Name: l.Name, Host: l.Host, Port: l.Port}.String())
				}
			}
		}
		return r
	}
	for i := range p.CurrentVoters {
		x, status := &p.CurrentVoters[i], "follower"
		if x.ReplicaID == p.LeaderID {
			status = "leader"
		}
		r := view(x, status)
		v.Voters = append(v.Voters, r)
		if r.Lag > v.MaxFollowerLag {
			v.MaxFollowerLag, v.MaxFollowerLagTimeMs = r.Lag, -1
			if caughtUp >= 0 && r.LastCaughtUpTimestamp >= 0 {
				v.MaxFollowerLagTimeMs = caughtUp - r.LastCaughtUpTimestamp
			}
		}
	}
	for i := range p.Observers {
		v.Observers = append(v.Observers, view(&p.Observers[i], "observer"))
	}
	byID := func(a, b quorumReplica) int { return int(a.ID - b.ID) }
	slices.SortFunc(v.Voters, byID)
	slices.SortFunc(v.Observers, byID)
	return v
}

func describeQuorum(ctx context.Context, c *admin.Client, status, replication bool) error {
	v, err := quorumOf(ctx, c)
	if err != nil {
		return err
	}
	if c.JSON {
		return c.PrintJSON(v)
	}
	ids := func(list []quorumReplica) string {
		var b []string
		for _, r := range list {
			b = append(b, strconv.Itoa(int(r.ID)))
		}
		return strings.Join(b, ", ")
	}
	if status {
		fmt.Fprintf(c.Out(), "cluster         %s\nleader          %d since epoch %d\nhigh watermark  %d\n"+
			"largest lag     %d\nvoters          %s\nobservers       %s\n", v.ClusterID, v.LeaderID, v.LeaderEpoch,
			v.HighWatermark, v.MaxFollowerLag, ids(v.Voters), ids(v.Observers))
	}
	if !replication {
		return nil
	}
	if status {
		fmt.Fprintln(c.Out())
	}
	table := admin.NewTable("NODE", "STATUS", "LOG END", "LAG", "LAST FETCH", "CAUGHT UP", "DIRECTORY", "ENDPOINT")
	for _, r := range slices.Concat(v.Voters, v.Observers) {
		style, end := admin.Plain, strconv.FormatInt(r.LogEndOffset, 10)
		if r.LogEndOffset < 0 {
			style, end = admin.Alarm, "unknown"
		}
		table.Row(style, strconv.Itoa(int(r.ID)), r.Status, end, strconv.FormatInt(r.Lag, 10), ago(r.LastFetchTimestamp),
			ago(r.LastCaughtUpTimestamp), r.DirectoryID, strings.Join(r.Endpoints, " "))
	}
	return table.Write(c.Out(), c.Colour)
}

// ago says how long ago a timestamp was, by this machine's clock.
func ago(ms int64) string {
	if ms < 0 {
		return "never"
	}
	return max(time.Since(time.UnixMilli(ms)), 0).Round(time.Millisecond).String() + " ago"
}
