package main

import (
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ottla.dev/core"
	"ottla.dev/core/broker"
	"ottla.dev/core/metadata"
	"ottla.dev/core/raft"
	"ottla.dev/core/record"
	"ottla.dev/node/config"
	"ottla.dev/node/disk"
)

const storageLong = `Storage formats data folders, and says what they are, as kafka-storage does, with the same
options and files.

Nobody has to format anything: a broker whose folder is new makes it its own when it starts. Formatting is for those
who want to choose the cluster's id or its first controllers.`

func newStorage() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "storage",
		Short: "Format data folders, and say what they are",
		Long:  storageLong,
		Example: `  ottla storage format --standalone -c server.properties
  ottla storage info -c server.properties
  ottla storage random-uuid`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newStorageFormat(), newStorageInfo(), &cobra.Command{
		Use:   "random-uuid",
		Short: "Print a random id, for a cluster or a directory",
		Args:  usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), randomUUID())
			return err
		},
	})
	flagErrors(cmd)
	return cmd
}

// randomUUID draws a version 4 UUID whose text does not begin with a dash (Kafka: Uuid.randomUuid).
func randomUUID() core.UUID {
	for {
		var id core.UUID
		crand.Read(id[:])
		id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
		if id.String()[0] != '-' {
			return id
		}
	}
}

// formatOptions are kafka-storage's.
type formatOptions struct {
	config, cluster  string
	set, features    []string
	standalone, none bool
	initial          string
	skip             bool
	voters           raft.Voters
	levels           []metadata.Feature
}

const formatLong = `Format makes the data folders of a node its own: it writes meta.properties with the cluster's id
into each.

Controllers without controller.quorum.voters need one of
  --standalone              the node is the first and only voter; others are added with "ottla quorum add-voter"
  --initial-controllers     the first voters, the same list on each: id@host:port:directory-id,...
  --no-initial-controllers  the node joins a quorum that there is
Without --cluster-id the id is made of controller.quorum.voters, or drawn.`

func newStorageFormat() *cobra.Command {
	var o formatOptions
	cmd := &cobra.Command{
		Use:   "format",
		Short: "Make data folders a node's own before it starts for the first time",
		Long:  formatLong,
		Example: `  ottla storage format -t $(ottla storage random-uuid) -c server.properties --standalone
  ottla storage format -t I676EFHWRdy3YRChRqOGTw -c controller-2.properties --no-initial-controllers
  ottla storage format -t I676EFHWRdy3YRChRqOGTw -c broker.properties --ignore-formatted`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return format(cmd.OutOrStdout(), &o) },
	}
	f := cmd.Flags()
	configFlags(cmd, &o.config, &o.set)
	f.StringVarP(&o.cluster, "cluster-id", "t", "", "the cluster's `id`")
	f.BoolVarP(&o.standalone, "standalone", "s", false, "begin a quorum of this controller alone")
	f.BoolVarP(&o.none, "no-initial-controllers", "N", false, "join a quorum that there is")
	f.StringVarP(&o.initial, "initial-controllers", "I", "", "begin a quorum of these `controllers`")
	f.StringArrayVarP(&o.features, "feature", "f", nil, "the level of a feature, as `name=level`; may be repeated")
	f.BoolVarP(&o.skip, "ignore-formatted", "g", false, "leave folders as they are that are formatted already")
	cmd.MarkFlagsMutuallyExclusive("standalone", "no-initial-controllers", "initial-controllers")
	return cmd
}

func configFlags(cmd *cobra.Command, file *string, set *[]string) {
	cmd.Flags().StringVarP(file, "config", "c", "", "the node's `server.properties`")
	cmd.Flags().StringArrayVar(set, "set", nil, "a setting, as `key=value`; may be repeated")
}

func settingsOf(file string, set []string) (*config.Config, error) {
	if file == "" {
		return loadSettings(nil, set)
	}
	return loadSettings([]string{file}, set)
}

func format(out io.Writer, o *formatOptions) error {
	c, err := settingsOf(o.config, o.set)
	if err != nil {
		return err
	}
	if err := o.resolve(c); err != nil {
		return exitError{exitUsage, err.Error()}
	}
	d, err := disk.Open(c.MetadataDir, c.DataDirs...)
	if err != nil {
		return err
	}
	defer d.Close()
	j := broker.FormatJob{Dirs: c.Folders(), Metadata: c.MetadataDir, Node: core.BrokerID(c.Broker.NodeID),
		ClusterID: o.cluster, Voters: o.voters, Features: o.levels, Skip: o.skip,
		Wall: core.Timestamp(time.Now().UnixMilli())}
	for range j.Dirs {
		id := randomUUID()
		for i := range o.voters {
			if o.voters[i].ID == j.Node && len(j.IDs) == 0 {
				id = o.voters[i].Directory
			}
		}
		j.IDs = append(j.IDs, id)
	}
	if j.Run(d.FS()); j.Err != nil {
		return j.Err
	}
	for _, dir := range j.Formatted {
		fmt.Fprintf(out, "Formatted %s %s for node %d of cluster %s.\n", o.kind(j.Node), dir, j.Node, j.ClusterID)
	}
	for _, dir := range j.Found {
		fmt.Fprintf(out, "%s was formatted already and is left as it is.\n", dir)
	}
	return nil
}

// kind is what Kafka calls a folder with a metadata log.
func (o *formatOptions) kind(node core.BrokerID) string {
	switch {
	case slices.ContainsFunc(o.voters, func(v record.Voter) bool { return v.ID == node }):
		return "dynamic metadata voter directory"
	case len(o.voters) > 0:
		return "dynamic metadata directory"
	}
	return "metadata directory"
}

// resolve checks the options against the node's settings (Kafka: StorageTool, Formatter).
func (o *formatOptions) resolve(c *config.Config) error {
	self := core.BrokerID(c.Broker.NodeID)
	dynamic := o.standalone || o.initial != ""
	switch {
	case dynamic && len(c.Voters) > 0:
		return errors.New("controller.quorum.voters fixes the voters; leave it out to begin with --standalone or " +
			"--initial-controllers")
	case o.standalone && len(c.ControllerAdvertised) == 0:
		return errors.New("--standalone is for a controller: it needs controller.listener.names, one of its listeners " +
			"under that name, and controller.quorum.bootstrap.servers with that address")
	case !dynamic && !o.none && len(c.Controllers) > 0 && len(c.Voters) == 0:
		return errors.New("controller.quorum.voters is not set on this controller: say --standalone, " +
			"--initial-controllers or --no-initial-controllers")
	case o.initial != "" && o.cluster == "":
		return errors.New("--initial-controllers needs a --cluster-id, the same on each node")
	case o.none && o.cluster == "":
		return errors.New("--no-initial-controllers needs the --cluster-id of the cluster to join")
	case o.cluster != strings.TrimSpace(o.cluster) || strings.ContainsAny(o.cluster, "\n\r=#"):
		return fmt.Errorf("%q is no cluster id", o.cluster)
	}
	if o.cluster == "" {
		if o.cluster = randomUUID().String(); len(c.Voters) > 0 {
			o.cluster = broker.ClusterIDOf(c.Voters)
		}
	}
	if o.standalone {
		v := record.Voter{ID: self, Directory: randomUUID(), MaxKRaftVersion: 1}
		for _, l := range c.ControllerAdvertised {
			v.Endpoints = append(v.Endpoints, record.Endpoint{Name: l.Name, Host: l.Host, Port: l.Port})
		}
		o.voters = raft.Voters{v}
	}
	if o.initial != "" {
		var err error
		if o.voters, err = parseControllers(o.initial, controllerName(c)); err != nil {
			return fmt.Errorf("--initial-controllers: %w", err)
		}
	}
	return o.resolveFeatures(dynamic)
}

// controllerName is the name of the listener that controllers meet on.
func controllerName(c *config.Config) string {
	if len(c.ControllerAdvertised) > 0 {
		return c.ControllerAdvertised[0].Name
	}
	name, _, _ := strings.Cut(c.Static["controller.listener.names"], ",")
	if name = strings.ToUpper(strings.TrimSpace(name)); name == "" {
		return "CONTROLLER"
	}
	return name
}

// parseControllers reads id@host:port:directory, separated by commas (Kafka: DynamicVoters).
func parseControllers(text, listener string) (raft.Voters, error) {
	var voters raft.Voters
	for word := range strings.SplitSeq(text, ",") {
		word = strings.TrimSpace(word)
		wrong := fmt.Errorf("%q is not of the form id@host:port:directory-id", word)
		idText, rest, ok := strings.Cut(word, "@")
		colon := strings.LastIndexByte(rest, ':')
		if !ok || colon < 0 {
			return nil, wrong
		}
		id, err := strconv.ParseInt(idText, 10, 32)
		at, notAddress := config.ParseListener(listener + "://" + rest[:colon])
		directory, isUUID := core.ParseUUID(rest[colon+1:])
		if err != nil || id < 0 || notAddress != nil || !isUUID || directory.IsZero() || at.Host == "" {
			return nil, wrong
		}
		if slices.ContainsFunc(voters, func(v record.Voter) bool { return v.ID == core.BrokerID(id) }) {
			return nil, fmt.Errorf("node %d stands in it twice", id)
		}
		voters = append(voters, record.Voter{ID: core.BrokerID(id), Directory: directory, MaxKRaftVersion: 1,
			Endpoints: []record.Endpoint{{Name: at.Name, Host: at.Host, Port: at.Port}}})
	}
	slices.SortFunc(voters, func(a, b record.Voter) int { return int(a.ID - b.ID) })
	return voters, nil
}

// resolveFeatures checks levels. kraft.version follows from the options, and may only repeat that.
func (o *formatOptions) resolveFeatures(dynamic bool) error {
	supported := broker.SupportedFeatures()
	for _, text := range o.features {
		name, value, ok := strings.Cut(text, "=")
		level, err := strconv.ParseInt(value, 10, 16)
		at := slices.IndexFunc(supported, func(f metadata.FeatureRange) bool { return f.Name == name })
		switch {
		case !ok || err != nil:
			return fmt.Errorf("--feature %s is not of the form name=level", text)
		case at < 0:
			return fmt.Errorf("there is no feature %s; there are %s", name, featureNames(supported))
		case int16(level) < supported[at].Min || int16(level) > supported[at].Max:
			return fmt.Errorf("%s has levels from %d to %d", name, supported[at].Min, supported[at].Max)
		case name != broker.KRaftVersion:
			o.levels = append(o.levels, metadata.Feature{Name: name, Level: int16(level)})
		case level == 0 && dynamic:
			return errors.New("kraft.version is 1 with --standalone and --initial-controllers")
		case level > 0 && !dynamic:
			return errors.New("kraft.version can be set to 1 only with --standalone or --initial-controllers")
		}
	}
	return nil
}

func featureNames(list []metadata.FeatureRange) string {
	var names []string
	for _, f := range list {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

func newStorageInfo() *cobra.Command {
	var file string
	var set []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "info",
		Short: "Say whose the data folders are",
		Long: "Info says of each data folder whether it is there and whose it is. It ends with status 1 if something is\n" +
			"wrong. It only reads, and may be run beside a broker.",
		Example: "  ottla storage info -c server.properties\n  ottla storage info --set log.dirs=./ottla-data --json",
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := settingsOf(file, set)
			if err != nil {
				return err
			}
			return storageInfo(cmd.OutOrStdout(), c.Folders(), asJSON)
		},
	}
	configFlags(cmd, &file, &set)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// storageView is what info shows.
type storageView struct {
	Directories []string          `json:"directories"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	Problems    []string          `json:"problems"`
}

func storageInfo(out io.Writer, dirs []string, asJSON bool) error {
	v := storageView{Directories: []string{}, Problems: []string{}}
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		switch {
		case err != nil:
			v.Problems = append(v.Problems, dir+" does not exist")
			continue
		case !info.IsDir():
			v.Problems = append(v.Problems, dir+" is not a directory")
			continue
		}
		v.Directories = append(v.Directories, dir)
		meta, err := broker.ReadMeta(readOnly{}, dir)
		switch {
		case errors.Is(err, core.ErrNotExist):
			v.Problems = append(v.Problems, dir+" is not formatted.")
		case err != nil:
			v.Problems = append(v.Problems, err.Error())
		case v.Metadata == nil:
			v.Metadata = meta
		case v.Metadata["cluster.id"] != meta["cluster.id"]:
			v.Problems = append(v.Problems, "Mismatched cluster IDs between storage directories.")
		case v.Metadata["node.id"] != meta["node.id"]:
			v.Problems = append(v.Problems, "Mismatched node IDs between storage directories.")
		}
	}
	if asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(v); err != nil {
			return err
		}
	} else {
		v.print(out)
	}
	if len(v.Problems) > 0 {
		return exitError{code: 1}
	}
	return nil
}

// print prints what kafka-storage info prints.
func (v *storageView) print(out io.Writer) {
	list := func(one, several string, lines []string) {
		if len(lines) == 0 {
			return
		}
		if len(lines) > 1 {
			one = several
		}
		fmt.Fprintln(out, one)
		for _, line := range lines {
			fmt.Fprintln(out, " ", line)
		}
		fmt.Fprintln(out)
	}
	list("Found log directory:", "Found log directories:", v.Directories)
	if v.Metadata != nil {
		var pairs []string
		for _, key := range slices.Sorted(maps.Keys(v.Metadata)) {
			pairs = append(pairs, key+"="+v.Metadata[key])
		}
		fmt.Fprintf(out, "Found metadata: {%s}\n\n", strings.Join(pairs, ", "))
	}
	list("Found problem:", "Found problems:", v.Problems)
}
