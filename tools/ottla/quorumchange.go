package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/broker"
	"ottla.dev/node/config"
	"ottla.dev/tools/admin"
)

const upgradeLong = `Upgrade raises the feature kraft.version to 1: the voters, which controller.quorum.voters has
fixed, are records of the metadata from then on, and can be added and removed. All voters must be there. There is no
way back.

Afterwards replace controller.quorum.voters by controller.quorum.bootstrap.servers in the settings of all nodes, when
they are restarted the next time.`

func newQuorumUpgrade(flags *admin.Flags) *cobra.Command {
	return &cobra.Command{
		Use:     "upgrade",
		Short:   "Let voters that the configuration has fixed be changed",
		Long:    upgradeLong,
		Example: "  ottla quorum upgrade --bootstrap-server 127.0.0.1:9092",
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.Run(cmd, func(ctx context.Context, c *admin.Client) error {
				req := kmsg.NewPtrUpdateFeaturesRequest()
				u := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
				u.Feature, u.MaxVersionLevel, u.UpgradeType = broker.KRaftVersion, 1, 1
				req.FeatureUpdates = append(req.FeatureUpdates, u)
				resp, err := req.RequestWith(ctx, c.Raw)
				if err != nil {
					return err
				}
				if err := refusedChange("the upgrade", resp.ErrorCode, resp.ErrorMessage); err != nil {
					return err
				}
				return changedQuorum(ctx, c, "The voters can be changed now.")
			})
		},
	}
}

// voterFlags name a replica of the metadata log.
type voterFlags struct {
	directory string
	endpoint  string
	config    string
	set       []string
	dryRun    bool
}

const addVoterLong = `Add-voter makes a controller that observes a voter. Voters decide by majority: three go on
without one of them, five without two.

Start the controller first, with process.roles=controller (or broker,controller) and
controller.quorum.bootstrap.servers: it joins the cluster by itself, and "ottla quorum describe" shows it among the
observers. Where it is reached is read from its settings with --config, or given with --endpoint.`

func newAddVoter(flags *admin.Flags) *cobra.Command {
	var f voterFlags
	cmd := &cobra.Command{
		Use:     "add-voter NODE",
		Aliases: []string{"add-controller"},
		Short:   "Make a controller a voter",
		Long:    addVoterLong,
		Example: "  ottla quorum add-voter 2 --endpoint CONTROLLER://10.0.0.2:9093\n" +
			"  ottla quorum add-voter --config controller-2.properties",
		Args: usage(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := f.toAdd(args)
			if err != nil {
				return usageError(cmd, err)
			}
			return flags.Run(cmd, func(ctx context.Context, c *admin.Client) error {
				return addVoter(ctx, c, v, f.dryRun, flags.Timeout)
			})
		},
	}
	cmd.Flags().StringVar(&f.endpoint, "endpoint", "", "where the controller is reached, as `NAME://host:port`")
	cmd.Flags().StringVarP(&f.config, "config", "c", "", "the controller's `server.properties`, on its own machine")
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "a setting of the controller, as `key=value`; may be repeated")
	f.add(cmd)
	return cmd
}

func newRemoveVoter(flags *admin.Flags) *cobra.Command {
	var f voterFlags
	cmd := &cobra.Command{
		Use:     "remove-voter NODE",
		Aliases: []string{"remove-controller"},
		Short:   "Make a voter an observer",
		Long: "Remove-voter takes a controller's vote away. The leader may remove itself: another one is elected at once.\n" +
			"The controller goes on as an observer and may be stopped.",
		Example: "  ottla quorum remove-voter 1\n  ottla quorum remove-voter 1 --directory-id qvB49Wo4QCqEhIBuLvQMaA",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := f.voter(args[0])
			if err != nil {
				return usageError(cmd, err)
			}
			return flags.Run(cmd, func(ctx context.Context, c *admin.Client) error {
				return removeVoter(ctx, c, v, f.dryRun)
			})
		},
	}
	f.add(cmd)
	return cmd
}

func (f *voterFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.directory, "directory-id", "d", "",
		"the `id` of the folder with the metadata log; without it the one that the quorum knows")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "say what would be done, and do nothing")
}

// voter is who is to be added or removed; a zero directory is to be found out.
type voter struct {
	id        int32
	directory core.UUID
	listeners []config.Listener
}

func (f *voterFlags) voter(node string) (voter, error) {
	id, err := strconv.ParseInt(node, 10, 32)
	if err != nil || id < 0 {
		return voter{}, fmt.Errorf("%q is no node id", node)
	}
	v := voter{id: int32(id)}
	if f.directory != "" {
		var ok bool
		if v.directory, ok = core.ParseUUID(f.directory); !ok {
			return voter{}, fmt.Errorf("%q is no directory id: it has 22 letters, digits, - and _", f.directory)
		}
	}
	return v, nil
}

// toAdd puts together what is known of the new voter from its settings and the flags.
func (f *voterFlags) toAdd(args []string) (voter, error) {
	var settings *config.Config
	if f.config != "" || len(f.set) > 0 {
		var files []string
		if f.config != "" {
			files = []string{f.config}
		}
		var err error
		if settings, err = loadSettings(files, f.set); err != nil {
			return voter{}, err
		}
		args = []string{strconv.Itoa(int(settings.Broker.NodeID))}
	}
	if len(args) == 0 {
		return voter{}, errors.New("name the controller by its node id, or by its settings with --config")
	}
	v, err := f.voter(args[0])
	if err != nil {
		return v, err
	}
	switch {
	case f.endpoint != "":
		l, err := config.ParseListener(f.endpoint)
		if err != nil {
			return v, fmt.Errorf("--endpoint: %w", err)
		}
		v.listeners = []config.Listener{l}
	case settings != nil:
		v.listeners = settings.ControllerAdvertised
	}
	if len(v.listeners) == 0 {
		return v, errors.New("where is the controller reached? Say it with --endpoint CONTROLLER://host:port, or give its " +
			"settings with --config")
	}
	if settings != nil && v.directory.IsZero() {
		if meta, err := broker.ReadMeta(readOnly{}, settings.MetadataDir); err == nil {
			v.directory, _ = core.ParseUUID(meta["directory.id"])
		}
	}
	return v, nil
}

// find finds the directory among the replicas that the quorum knows.
func (v *voter) find(among []quorumReplica) bool {
	i := slices.IndexFunc(among, func(r quorumReplica) bool { return r.ID == v.id })
	if i >= 0 && v.directory.IsZero() {
		v.directory, _ = core.ParseUUID(among[i].DirectoryID)
	}
	return i >= 0
}

func addVoter(ctx context.Context, c *admin.Client, v voter, dryRun bool, timeout time.Duration) error {
	q, err := quorumOf(ctx, c)
	if err != nil {
		return err
	}
	if !v.find(q.Observers) && v.directory.IsZero() {
		return fmt.Errorf("node %d is not among the observers of the quorum: see 'ottla quorum describe'\n"+
			"start it as a controller with controller.quorum.bootstrap.servers, or name its folder with --directory-id", v.id)
	}
	if dryRun {
		fmt.Fprintf(c.Out(), "Would add node %d with directory %s at %v.\n", v.id, v.directory, v.listeners)
		return nil
	}
	req := kmsg.NewPtrAddRaftVoterRequest()
	req.TimeoutMillis, req.AckWhenCommitted = int32(timeout.Milliseconds()), true
	req.ClusterID, req.VoterID, req.VoterDirectoryID = &q.ClusterID, v.id, v.directory
	for _, l := range v.listeners {
		req.Listeners = append(req.Listeners, kmsg.AddRaftVoterRequestListener{Name: l.Name, Host: l.Host, Port: l.Port})
	}
	resp, err := req.RequestWith(ctx, c.Raw)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("adding node %d", v.id)
	if err := refusedChange(what, resp.ErrorCode, resp.ErrorMessage); err != nil {
		return err
	}
	return changedQuorum(ctx, c, fmt.Sprintf("Node %d is a voter now.", v.id))
}

func removeVoter(ctx context.Context, c *admin.Client, v voter, dryRun bool) error {
	q, err := quorumOf(ctx, c)
	if err != nil {
		return err
	}
	if !v.find(q.Voters) {
		return fmt.Errorf("node %d is no voter", v.id)
	}
	if dryRun {
		fmt.Fprintf(c.Out(), "Would remove node %d with directory %s.\n", v.id, v.directory)
		return nil
	}
	req := kmsg.NewPtrRemoveRaftVoterRequest()
	req.ClusterID, req.VoterID, req.VoterDirectoryID = &q.ClusterID, v.id, v.directory
	resp, err := req.RequestWith(ctx, c.Raw)
	if err != nil {
		return err
	}
	if err := refusedChange(fmt.Sprintf("removing node %d", v.id), resp.ErrorCode, resp.ErrorMessage); err != nil {
		return err
	}
	return changedQuorum(ctx, c, fmt.Sprintf("Node %d is no voter any more.", v.id))
}

// refusedChange says why a change was refused and what helps.
func refusedChange(what string, code int16, message *string) error {
	text, hint := "", ""
	if message != nil {
		text = *message
	}
	switch kerr.ErrorForCode(code) {
	case kerr.UnsupportedVersion:
		hint = "clusters with controller.quorum.voters have fixed voters until 'ottla quorum upgrade'"
	case kerr.RequestTimedOut:
		hint = "see with 'ottla quorum describe' what became of it, and try again"
	}
	return admin.Refusal(what, kerr.ErrorForCode(code), text, hint)
}

// changedQuorum says what was done and who votes now.
func changedQuorum(ctx context.Context, c *admin.Client, text string) error {
	q, err := quorumOf(ctx, c)
	if err != nil || c.JSON {
		if err == nil {
			err = c.PrintJSON(q)
		}
		return err
	}
	fmt.Fprintln(c.Out(), text)
	var ids []string
	for _, r := range q.Voters {
		ids = append(ids, strconv.Itoa(int(r.ID)))
	}
	_, err = fmt.Fprintf(c.Out(), "Voters: %v\n", ids)
	return err
}
