package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ottla.dev/node"
	"ottla.dev/node/config"
)

// stopWithin bounds a clean stop. A broker that takes longer ends as in a crash, which costs the next start a check of
// the logs and nothing that was acknowledged.
const stopWithin = 30 * time.Second

// sameSignal is how soon after the first signal another one is taken for the same: a supervisor may signal the process
// and its group.
const sameSignal = time.Second

const serveLong = `Serve runs one broker, which is a whole cluster: a broker and its controller.

Without arguments it listens on 127.0.0.1:9092 and keeps its data in ./ottla-data, which it makes if it does not exist.
Kafka's own property names are understood, from a server.properties file, from environment variables such as
KAFKA_NUM_PARTITIONS, and from --set, where the later of these three wins.

Ctrl-C or SIGTERM stops the broker cleanly. Acknowledged records survive kill -9 as well.`

const serveExample = `  ottla serve
  ottla serve server.properties
  ottla serve --set listeners=PLAINTEXT://127.0.0.1:19092 --set log.dirs=/var/lib/ottla
  ottla serve --set num.partitions=6 --set log.retention.hours=24 --metrics 127.0.0.1:9644
  ottla serve server.properties --print-settings`

type serveOptions struct {
	set     []string
	metrics string
	print   bool
	verbose bool
	quiet   bool
	profile string
	pprof   string
	via     map[string]string
	clock   string
}

func newServe(started time.Time) *cobra.Command {
	var options serveOptions
	cmd := &cobra.Command{
		Use:     "serve [server.properties]",
		Short:   "Run a broker",
		Long:    serveLong,
		Example: serveExample,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return serve(cmd.OutOrStdout(), cmd.ErrOrStderr(), args, options, started)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&options.set, "set", nil, "a setting, as `key=value`; may be repeated")
	flags.StringVar(&options.metrics, "metrics", "", "serve metrics for Prometheus at this `address`")
	flags.BoolVar(&options.print, "print-settings", false, "print the settings in force, and do not start")
	flags.StringVar(&options.profile, "cpu-profile", "", "write a CPU profile to this `file` until the broker stops")
	flags.StringVar(&options.pprof, "pprof", "", "serve profiles for go tool pprof at this loopback `address`")
	flags.BoolVar(&options.quiet, "quiet", false, "say in one line that the broker is ready")
	flags.BoolVar(&options.verbose, "verbose", false, "log the ends of connections as well")
	flags.StringToStringVar(&options.via, "dial-via", nil, "where to dial other nodes instead, as `address=address`")
	flags.StringVar(&options.clock, "clock-file", "", "a `file` that says by how much the wall clock is wrong")
	for _, hidden := range []string{"dial-via", "clock-file"} { // for ottla chaos, which puts its faults in between
		flags.MarkHidden(hidden)
	}
	return cmd
}

// dialVia dials addresses where the map says, and others as they are.
func dialVia(via map[string]string) func(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if instead, ok := via[address]; ok {
			address = instead
		}
		return d.DialContext(ctx, network, address)
	}
}

func serve(out, errs io.Writer, args []string, options serveOptions, started time.Time) error {
	settings, err := loadSettings(args, options.set)
	if err != nil {
		return err
	}
	if options.print {
		_, err := io.WriteString(out, settings.Explain())
		return err
	}
	level := slog.LevelInfo
	if options.verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: level}))
	for _, warning := range settings.Warnings {
		log.Warn(warning)
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	if options.profile != "" {
		stop, err := startProfile(options.profile)
		if err != nil {
			return err
		}
		defer stop()
	}
	if options.pprof != "" {
		stop, err := serveProfiles(options.pprof)
		if err != nil {
			return err
		}
		defer stop()
	}
	configured := node.Config{Settings: settings, Version: version, Metrics: options.metrics, Log: log,
		Dial: dialVia(options.via)}
	if options.clock != "" {
		shift, stop := clockFile(options.clock)
		defer stop()
		configured.Interference.Shift = shift
	}
	node.TuneMemory()
	n, err := node.Start(configured)
	if err != nil {
		return err
	}
	ready := n.Ready()
	for {
		select {
		case <-ready:
			if options.quiet {
				fmt.Fprintf(out, "Ready after %d ms.\n", time.Since(started).Milliseconds())
			} else {
				printBanner(out, n, settings, time.Since(started))
			}
			ready = nil
		case <-n.Done():
			return n.Err()
		case <-signals:
			return stop(out, n, signals)
		}
	}
}

// stop shuts the node down cleanly. A second signal ends it at once.
func stop(out io.Writer, n *node.Node, signals <-chan os.Signal) error {
	fmt.Fprintln(out, "Stopping. A second signal stops at once.")
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- n.Shutdown(ctx) }()
	asked := time.Now()
	for {
		select {
		case err := <-result:
			if err == nil {
				fmt.Fprintln(out, "Stopped.")
			}
			return err
		case <-signals:
			if time.Since(asked) >= sameSignal {
				return exitError{code: 1, text: "stopped at once; the logs will be checked at the next start"}
			}
		}
	}
}

func loadSettings(args, set []string) (*config.Config, error) {
	in := config.Input{Env: os.Environ(), Set: set}
	if len(args) == 1 {
		text, err := os.ReadFile(args[0])
		if err != nil {
			return nil, fmt.Errorf("cannot read the settings: %w", err)
		}
		in.FileName, in.File = args[0], string(text)
	}
	if name, err := os.Hostname(); err == nil {
		in.Hostname = name
	}
	settings, err := config.Load(in)
	if err != nil {
		return nil, fmt.Errorf("the broker cannot start with these settings:\n%w", err)
	}
	return settings, nil
}
