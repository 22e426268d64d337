package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ottla.dev/core/log/dump"
	"ottla.dev/tools/chaos"
)

const chaosLong = `Chaos runs three brokers as real processes on this machine, with producers, consumers and a proxy
between all of them, and kills, pauses and cuts off brokers meanwhile: leaders, the controller, two of
three, all. In the end everything heals, everything is read again, and what the clients saw is checked:
nothing acknowledged may be lost or be there twice, and all replicas must hold the same bytes.

The faults are drawn from --seed; the timing of processes is not, so that runs of a seed differ.

With --drill every round is one fault of one kind, and it is measured when writes go on, when all
replicas are in sync again, and what a deposed leader still acknowledges: pauses (SIGSTOP of a leader, 1
to 30 s), partitions (a leader or the controller cut off, one-way, two brokers from each other, a ring),
slow-links (50 ms, 1 Mbit, resets) and clocks (the wall clock of a broker jumps).

With --failover it measures instead how long a producer waits when the leader of its partition goes.
With --power-cuts the brokers have file systems of their own, whose power is cut under load; this needs
Linux, root and loop devices. With --flips bits of one broker's files are flipped, pages of it zeroed and
files cut, about fifty at a time, while it is down or runs: all of it must be found and repaired.

The exit status is 0 if nothing is wrong, 2 if something is, 3 if not everything could be checked, and 1
if the run could not be made. If something is wrong the folder with the data, the brokers' logs and the
history is kept; ottla check reads the history again.`

const chaosExample = `  ottla chaos
  ottla chaos --minutes 10 --kills 100
  ottla chaos --rounds 5 --seed 7 --dir ./chaos
  ottla chaos --power-cuts 30
  ottla chaos --flips 1000 --rate 600
  ottla chaos --failover 10
  ottla chaos --drill pauses --rounds 40 --rate 600
  ottla chaos --minutes 5 --set broker.session.timeout.ms=9000 --json`

// chaosOptions are the flags of `ottla chaos`.
type chaosOptions struct {
	chaos.Options
	minutes float64
	seed    int64
	json    bool
	keep    bool
	// failover is how often failover is measured, instead of chaos.
	failover int
}

func newChaos() *cobra.Command {
	var o chaosOptions
	cmd := &cobra.Command{
		Use:     "chaos",
		Short:   "Kill, pause and cut off real brokers, and check that nothing is lost",
		Long:    chaosLong,
		Example: chaosExample,
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.Float64Var(&o.minutes, "minutes", 1, "for how many `minutes` there are faults")
	f.IntVar(&o.Rounds, "rounds", 0, "stop after so many `rounds` of faults, instead of --minutes")
	f.IntVar(&o.Kills, "kills", 0, "go on until so many `processes` were killed, even if the time is over")
	f.DurationVar(&o.Pace, "pace", 6*time.Second, "how long a round takes")
	f.IntVar(&o.PowerCuts, "power-cuts", 0, "instead, so many `rounds` of power cuts of all, and then of one with the "+
		"others paused")
	f.StringVar(&o.Drill, "drill", "", "instead, measure one kind of fault again and again; its `name` is pauses, "+
		"partitions, slow-links or clocks")
	f.IntVar(&o.Flips, "flips", 0, "instead, so many `places` in files damaged, all of which have to be repaired")
	f.IntVar(&o.failover, "failover", 0, "instead, kill and then stop the leader so many `times`, and measure how long a "+
		"producer waits")
	f.Int64Var(&o.seed, "seed", -1, "the `seed` of the faults (default a new one)")
	f.IntVar(&o.Rate, "rate", 2400, "how many `records` a second are sent")
	f.StringVar(&o.Dir, "dir", "", "the `folder` for data, logs and history, which is kept (default a temporary one)")
	f.BoolVar(&o.keep, "keep", false, "keep the temporary folder even if nothing is wrong")
	f.StringArrayVar(&o.Set, "set", nil, "a setting of all brokers, as `key=value`; may be repeated")
	f.BoolVar(&o.json, "json", false, "print the result as one JSON object, and all else to standard error")
	return cmd
}

func (o *chaosOptions) run(out, errs io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	o.Binary, o.Inspect, o.Out = self, inspect, out
	if o.json {
		o.Out = errs
	}
	if o.Seed = uint64(o.seed); o.seed < 0 {
		o.Seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	if o.Rounds == 0 {
		o.Length = time.Duration(o.minutes * float64(time.Minute))
	}
	if o.PowerCuts > 0 {
		if err := chaos.CanCutPower(); err != nil {
			return exitError{1, "power cuts cannot be tested here: " + err.Error()}
		}
	}
	temporary := o.Dir == ""
	if temporary {
		o.Dir, err = os.MkdirTemp("", "ottla-chaos-")
	} else {
		err = os.MkdirAll(o.Dir, 0o755)
		if left, _ := os.ReadDir(o.Dir); len(left) > 0 {
			err = exitError{exitUsage, o.Dir + " is not empty: name a new folder"}
		}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "Ottla %s: chaos with seed %d in %s\n", version, o.Seed, o.Dir)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.failover > 0 {
		return o.measure(ctx, out, temporary)
	}
	result, err := chaos.Run(ctx, o.Options)
	if err != nil {
		return fmt.Errorf("%w\nthe data and the logs are in %s", err, o.Dir)
	}
	if temporary && !o.keep && result.ExitCode() == 0 {
		result.History = ""
		defer os.RemoveAll(o.Dir)
	}
	return o.print(out, result)
}

// measure measures failover.
func (o *chaosOptions) measure(ctx context.Context, out io.Writer, temporary bool) error {
	all, err := chaos.MeasureFailover(ctx, o.Options, o.failover)
	if err != nil {
		return fmt.Errorf("%w\nthe data and the logs are in %s", err, o.Dir)
	}
	if temporary && !o.keep {
		defer os.RemoveAll(o.Dir)
	}
	if o.json {
		return json.NewEncoder(out).Encode(all)
	}
	return chaos.WriteFailovers(out, all)
}

func (o *chaosOptions) print(out io.Writer, r *chaos.Result) error {
	var err error
	if o.json {
		err = json.NewEncoder(out).Encode(r)
	} else {
		err = r.WriteText(out)
	}
	if err == nil && r.ExitCode() != 0 {
		err = exitError{r.ExitCode(), fmt.Sprintf("something is wrong; data, logs and history are in %s", o.Dir)}
	}
	return err
}

// inspect is what ottla log verify finds wrong with a data folder.
func inspect(dir string) (problems []string, err error) {
	root, err := absolute(dir)
	if err != nil {
		return nil, err
	}
	s, err := dump.Verify(readOnly{}, root)
	if err == nil {
		err = verifyState(s, root)
	}
	if err != nil {
		return nil, fmt.Errorf("verifying %s: %w", dir, err)
	}
	for _, p := range s.Problems {
		problems = append(problems, fmt.Sprintf("%s at byte %d: %s", p.File, p.Position, p.Text))
	}
	return problems, nil
}
