package admin

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// DefaultServer is where a broker listens that was started without settings.
	DefaultServer = "127.0.0.1:9092"
	// DefaultTimeout bounds a command; a failover, which a request may have to wait for, takes less.
	DefaultTimeout = 15 * time.Second
)

// Flags are those of every command that talks to a cluster.
type Flags struct {
	// Servers are the addresses to begin with, host:port, separated by commas.
	Servers string
	// Timeout bounds the whole command.
	Timeout time.Duration
	// JSON asks for JSON instead of a table.
	JSON bool
}

// Add defines the flags for the command and those below it.
func (f *Flags) Add(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.StringVarP(&f.Servers, "bootstrap-server", "b", DefaultServer,
		"the `host:port` of any broker of the cluster; several with commas")
	flags.DurationVar(&f.Timeout, "timeout", DefaultTimeout, "give up after this `time`")
	flags.BoolVar(&f.JSON, "json", false, "print JSON")
}

// Client is a connection to a cluster: kadm's for what that knows, and Raw for kmsg's requests.
type Client struct {
	*kadm.Client
	Raw *kgo.Client
	// JSON is that of the flags.
	JSON bool
	out  io.Writer
	// Colour says that a person looks at the output.
	Colour bool
}

// Run connects, does the work, and makes its error one that says what to do. The command's Ctrl-C ends the context.
func (f *Flags) Run(cmd *cobra.Command, work func(context.Context, *Client) error) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	out := cmd.OutOrStdout()
	servers := strings.Split(strings.ReplaceAll(f.Servers, " ", ""), ",")
	client, err := kgo.NewClient(kgo.SeedBrokers(servers...), kgo.RequestRetries(8), kgo.RetryTimeout(f.Timeout))
	if err != nil {
		return f.explain(err)
	}
	defer client.Close()
	// The first connection tells whether anybody is there at all; the client's own tries would hide why not.
	if err := client.Ping(ctx); err != nil {
		return f.explain(err)
	}
	a := kadm.NewClient(client)
	a.SetTimeoutMillis(int32(f.Timeout.Milliseconds()))
	return f.explain(work(ctx, &Client{Client: a, Raw: client, JSON: f.JSON, out: out, Colour: Colours(out)}))
}

// Out is where the command prints to.
func (c *Client) Out() io.Writer { return c.out }

// PrintJSON prints the value on several lines.
func (c *Client) PrintJSON(v any) error {
	enc := json.NewEncoder(c.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Colours says whether out is a terminal whose user did not ask for plain text (https://no-color.org).
func Colours(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
