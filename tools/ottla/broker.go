package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/tools/admin"
)

func newBrokerCommand() *cobra.Command {
	var flags admin.Flags
	cmd := &cobra.Command{
		Use:   "broker",
		Short: "List and describe the brokers of a running cluster",
		Example: `  ottla broker list
  ottla broker describe 1
  ottla broker list --bootstrap-server 127.0.0.1:9093 --json`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags.Add(cmd)
	list := &cobra.Command{
		Use:   "list",
		Short: "List the brokers, what they lead and whether they are there",
		Long: "List prints every broker that the cluster knows. One that is fenced has not been heard of, or not caught\n" +
			"up yet: it leads nothing. * marks the controller.",
		Example: "  ottla broker list\n  ottla broker list --json | jq '.[] | select(.fenced)'",
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.Run(cmd, listBrokers)
		},
	}
	describe := &cobra.Command{
		Use:     "describe [BROKER...]",
		Short:   "Show a broker's place, its log directories and its settings",
		Example: "  ottla broker describe\n  ottla broker describe 1 --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			var wanted []int32
			for _, arg := range args {
				id, err := strconv.ParseInt(arg, 10, 32)
				if err != nil {
					return usageError(cmd, fmt.Errorf("%q is no broker id", arg))
				}
				wanted = append(wanted, int32(id))
			}
			return flags.Run(cmd, func(ctx context.Context, c *admin.Client) error {
				return describeBrokers(ctx, c, wanted)
			})
		},
	}
	cmd.AddCommand(list, describe)
	flagErrors(cmd)
	return cmd
}

// brokerView is what list and describe show of a broker.
type brokerView struct {
	ID         int32   `json:"id"`
	Host       string  `json:"host"`
	Port       int32   `json:"port"`
	Rack       *string `json:"rack"`
	Fenced     bool    `json:"fenced"`
	Controller bool    `json:"controller"`
	// Leaders and Replicas count partitions; OutOfSync are the replicas that are not in the ISR.
	Leaders   int `json:"leaders"`
	Replicas  int `json:"replicas"`
	OutOfSync int `json:"outOfSync"`
	// LogDirs and Configs are told by describe only. Configs are those that are not Kafka's default.
	LogDirs []logDirView      `json:"logDirs,omitempty"`
	Configs map[string]string `json:"configs,omitempty"`
}

type logDirView struct {
	Path        string `json:"path"`
	Error       string `json:"error,omitempty"`
	Partitions  int    `json:"partitions"`
	Bytes       int64  `json:"bytes"`
	UsableBytes int64  `json:"usableBytes"`
	TotalBytes  int64  `json:"totalBytes"`
}

// readBrokers gives all brokers in the order of their ids, and the id of the cluster.
func readBrokers(ctx context.Context, c *admin.Client) ([]brokerView, string, error) {
	req := kmsg.NewPtrDescribeClusterRequest()
	req.IncludeFencedBrokers = true
	resp, err := req.RequestWith(ctx, c.Raw)
	if err == nil {
		err = admin.Refusal("the cluster", kerr.ErrorForCode(resp.ErrorCode), value(resp.ErrorMessage), "")
	}
	if err != nil {
		return nil, "", err
	}
	topics, err := c.ListTopicsWithInternal(ctx)
	if err != nil {
		return nil, "", err
	}
	views := []brokerView{}
	for _, b := range resp.Brokers {
		v := brokerView{ID: b.NodeID, Host: b.Host, Port: b.Port, Rack: b.Rack, Fenced: b.IsFenced,
			Controller: b.NodeID == resp.ControllerID}
		for _, t := range topics.Sorted() {
			for _, p := range t.Partitions.Sorted() {
				if p.Leader == v.ID {
					v.Leaders++
				}
				if slices.Contains(p.Replicas, v.ID) {
					v.Replicas++
					if !slices.Contains(p.ISR, v.ID) {
						v.OutOfSync++
					}
				}
			}
		}
		views = append(views, v)
	}
	slices.SortFunc(views, func(a, b brokerView) int { return int(a.ID) - int(b.ID) })
	return views, resp.ClusterID, nil
}

func listBrokers(ctx context.Context, c *admin.Client) error {
	views, cluster, err := readBrokers(ctx, c)
	if err != nil {
		return err
	}
	if c.JSON {
		return c.PrintJSON(views)
	}
	fmt.Fprintf(c.Out(), "cluster %s\n", cluster)
	table := admin.NewTable("BROKER", "ADDRESS", "RACK", "STATE", "LEADS", "REPLICAS", "NOT IN SYNC", "CONTROLLER")
	for _, v := range views {
		mark, state, controller := admin.Plain, "ok", ""
		if v.OutOfSync > 0 {
			mark, state = admin.Warning, "behind"
		}
		if v.Fenced {
			mark, state = admin.Alarm, "fenced"
		}
		if v.Controller {
			controller = "*"
		}
		behind := ""
		if v.OutOfSync > 0 {
			behind = fmt.Sprint(v.OutOfSync)
		}
		table.Row(mark, fmt.Sprint(v.ID), v.address(), value(v.Rack), state, fmt.Sprint(v.Leaders),
			fmt.Sprint(v.Replicas), behind, controller)
	}
	return table.Write(c.Out(), c.Colour)
}

func (v brokerView) address() string {
	if v.Host == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", v.Host, v.Port)
}

func describeBrokers(ctx context.Context, c *admin.Client, wanted []int32) error {
	all, _, err := readBrokers(ctx, c)
	if err != nil {
		return err
	}
	views := all
	if len(wanted) > 0 {
		views = nil
		for _, id := range wanted {
			at := slices.IndexFunc(all, func(v brokerView) bool { return v.ID == id })
			if at < 0 {
				return fmt.Errorf("there is no broker %d\n'ottla broker list' shows those that there are", id)
			}
			views = append(views, all[at])
		}
	}
	for i := range views {
		v := &views[i]
		if v.Fenced {
			continue // clients are not told where it is
		}
		if err := readLogDirs(ctx, c, v); err != nil {
			v.LogDirs = []logDirView{{Error: err.Error()}}
		}
		readBrokerConfigs(ctx, c, v)
	}
	if c.JSON {
		return c.PrintJSON(views)
	}
	for i, v := range views {
		if i > 0 {
			fmt.Fprintln(c.Out())
		}
		if err := printBroker(c, v); err != nil {
			return err
		}
	}
	return nil
}

func readLogDirs(ctx context.Context, c *admin.Client, v *brokerView) error {
	dirs, err := c.DescribeBrokerLogDirs(ctx, v.ID, nil)
	if err != nil {
		return admin.Shards(err)
	}
	for _, d := range dirs.Sorted() {
		view := logDirView{Path: d.Dir, Bytes: d.Size(), UsableBytes: d.UsableBytes, TotalBytes: d.TotalBytes}
		if d.Err != nil {
			view.Error = d.Err.Error()
			var code *kerr.Error
			if errors.As(d.Err, &code) {
				view.Error = code.Message
			}
		}
		for _, t := range d.Topics {
			view.Partitions += len(t)
		}
		v.LogDirs = append(v.LogDirs, view)
	}
	return nil
}

// readBrokerConfigs leaves them out when the broker does not answer: the rest is worth showing.
func readBrokerConfigs(ctx context.Context, c *admin.Client, v *brokerView) {
	described, err := c.DescribeBrokerConfigs(ctx, v.ID)
	if err != nil {
		return
	}
	v.Configs = map[string]string{}
	for _, r := range described {
		for _, config := range r.Configs {
			if config.Source != kmsg.ConfigSourceDefaultConfig && !config.Sensitive {
				v.Configs[config.Key] = config.MaybeValue()
			}
		}
	}
}

func printBroker(c *admin.Client, v brokerView) error {
	out := c.Out()
	state := "unfenced"
	if v.Fenced {
		state = "fenced: not heard of, or not caught up yet"
	}
	if v.Controller {
		state += ", the controller"
	}
	fmt.Fprintf(out, "broker %d (%s)\n", v.ID, state)
	if v.address() != "" {
		fmt.Fprintf(out, "  address     %s\n", v.address())
	}
	if v.Rack != nil {
		fmt.Fprintf(out, "  rack        %s\n", *v.Rack)
	}
	fmt.Fprintf(out, "  partitions  leads %d, replica of %d, of which %d not in sync\n",
		v.Leaders, v.Replicas, v.OutOfSync)
	for _, key := range sortedKeys(v.Configs) {
		fmt.Fprintf(out, "  set         %s=%s\n", key, v.Configs[key])
	}
	if len(v.LogDirs) == 0 {
		return nil
	}
	table := admin.NewTable("  LOG DIRECTORY", "PARTITIONS", "SIZE", "FREE", "OF", "STATE")
	for _, d := range v.LogDirs {
		mark, state := admin.Plain, "ok"
		if d.Error != "" {
			mark, state = admin.Alarm, d.Error
		}
		table.Row(mark, "  "+d.Path, fmt.Sprint(d.Partitions), byteText(d.Bytes), byteText(d.UsableBytes),
			byteText(d.TotalBytes), state)
	}
	return table.Write(out, c.Colour)
}

// byteText is a size for people. A size that nobody told is negative.
func byteText(n int64) string {
	if n < 0 {
		return ""
	}
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	size, prefix := float64(n)/unit, 0
	for size >= unit && prefix < len("KMGTPE")-1 {
		size, prefix = size/unit, prefix+1
	}
	return fmt.Sprintf("%.1f %ciB", size, "KMGTPE"[prefix])
}
