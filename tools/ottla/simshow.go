package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ottla.dev/linearizability/search"
	"ottla.dev/sim"
	"ottla.dev/sim/fault"
)

//go:embed simshow.html
var showPage string

func showCommand() *cobra.Command {
	var o simOptions
	var name string
	cmd := &cobra.Command{
		Use:   "show SEED|PLAN",
		Short: "Draw a picture of a simulation",
		Long: "Draw a picture of a simulation, as one HTML file that needs nothing else: a lane for each machine and\n" +
			"client, faults as bands, messages as arrows; below them leaders, ISR and high watermarks of partitions. If a\n" +
			"check has failed, what led there is marked and listed. It can be zoomed, and says what is under the mouse.\n" +
			"Porcupine's picture of what clients saw is written beside it, and linked.",
		Example: "  ottla sim show 47 --brokers 3\n  ottla sim show 47.plan --out 47.html",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.show(args[0], name, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.brokers, "brokers", 1, "how many brokers the seed's world has")
	f.BoolVar(&o.cluster, "cluster", false, "the seed draws how many brokers there are")
	f.StringVar(&name, "out", "simulation.html", "write the picture to this `file`")
	return cmd
}

func (o *simOptions) show(what, name string, out io.Writer) error {
	if o.brokers < 1 || o.brokers > fault.MaxBrokers {
		return fmt.Errorf("--brokers %d: 1 to %d", o.brokers, fault.MaxBrokers)
	}
	plan, err := o.seedOrPlan(what)
	if err != nil {
		return err
	}
	p := newPicture(plan, o.named(what))
	w := sim.New(plan, p.line)
	r := runWorld(w, searchOneIn)
	p.finish(r.Failure, r.Stats.Simulated)
	if err := p.showHistory(w, name); err != nil {
		return err
	}
	page, err := p.page()
	if err != nil {
		return err
	}
	if err := os.WriteFile(name, page, 0o600); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %d messages; open it in a browser\n", name, len(p.Messages))
	if p.History != "" {
		fmt.Fprintf(out, "%s: what Porcupine makes of %s\n", filepath.Join(filepath.Dir(name), p.History), p.HistoryOf)
	}
	return nil
}

// showHistory writes Porcupine's picture of the history beside the page: of the partition that the failure is about, if
// that was recorded.
func (p *picture) showHistory(w *sim.World, page string) error {
	about := ""
	if p.Failed != nil && len(p.Failed.Parts) > 0 {
		about = p.Failed.Parts[0]
	}
	f, ok := search.Picture(w.History(), about, search.Options{Timeout: searchTimeout, WindowOps: searchWindowOps,
		WindowProcesses: searchWindowProcesses})
	if !ok {
		return nil
	}
	name := strings.TrimSuffix(page, filepath.Ext(page)) + "-history.html"
	p.History, p.HistoryOf, p.HistoryIllegal = filepath.Base(name), f.Object, f.Illegal
	return drawFinding(name, &f)
}

// page puts the data into the page. JSON as Go writes it has no < in it.
func (p *picture) page() ([]byte, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	return []byte(strings.Replace(showPage, "/*DATA*/", string(text), 1)), nil
}
