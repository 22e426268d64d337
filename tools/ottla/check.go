package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ottla.dev/linearizability"
	"ottla.dev/linearizability/search"
)

const checkLong = `Check reads a history of Kafka clients, of any cluster, and says whether it shows what none of a
correct cluster does: lost and duplicated records, offsets that go back, polls that leave records out, wrong orders.

A history is a file of JSON lines; - stands for standard input. go doc ottla.dev/linearizability describes the format.

The exit status is 0 if nothing is wrong, 2 if there are anomalies, 3 if nothing wrong was found but not everything
could be checked, 4 if the history makes no sense, and 1 if something else went wrong.`

const checkExample = `  ottla check history.jsonl
  ottla check history.jsonl --json | jq .verdict
  ottla check history.jsonl --html order.html`

// checkOptions are the flags of `ottla check`.
type checkOptions struct {
	json   bool
	html   string
	search bool
	limit  time.Duration
}

func newCheck() *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:     "check HISTORY",
		Short:   "Check what clients saw of a Kafka cluster",
		Long:    checkLong,
		Example: checkExample,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr(), args[0])
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.json, "json", false, "print the report as one JSON object")
	f.StringVar(&o.html, "html", "", "write Porcupine's picture of what is not linearizable, if anything, to this `file`")
	f.BoolVar(&o.search, "search", true, "search for linearizations with Porcupine as well")
	f.DurationVar(&o.limit, "search-timeout", search.DefaultTimeout, "how long to search each window of operations")
	return cmd
}

func (o *checkOptions) run(in io.Reader, out, errs io.Writer, name string) error {
	if o.html != "" && !o.search {
		return errors.New("--html draws what a search finds: it needs --search")
	}
	if o.limit <= 0 {
		return fmt.Errorf("--search-timeout %s: more than 0", o.limit)
	}
	report, findings, err := o.check(in, name)
	if err != nil {
		return err
	}
	write := report.WriteText
	if o.json {
		write = report.WriteJSON
	}
	if err := write(out); err != nil {
		return err
	}
	if o.html != "" {
		if err := o.draw(errs, findings); err != nil {
			return err
		}
	}
	if code := report.Verdict().ExitCode(); code != linearizability.ExitOK {
		return exitError{code: code}
	}
	return nil
}

func (o *checkOptions) check(in io.Reader, name string) (*linearizability.Report, []search.Finding, error) {
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, nil, err
		}
		defer file.Close()
		in = file
	}
	history, err := linearizability.ReadHistory(in)
	var malformed *linearizability.MalformedError
	if errors.As(err, &malformed) {
		return &linearizability.Report{Malformed: malformed}, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	report := linearizability.Check(history)
	if report.Malformed != nil || !o.search {
		return report, nil, nil
	}
	findings, err := search.Check(history, report, search.Options{Timeout: o.limit})
	return report, findings, err
}

// draw writes a picture for each finding: the first one to the file that was asked for, the others beside it.
func (o *checkOptions) draw(errs io.Writer, findings []search.Finding) error {
	if len(findings) == 0 {
		fmt.Fprintf(errs, "%s was not written: Porcupine has found an order for everything\n", o.html)
	}
	for i := range findings {
		name := o.html
		if i > 0 {
			ext := filepath.Ext(name)
			name = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), i+1, ext)
		}
		if err := drawFinding(name, &findings[i]); err != nil {
			return err
		}
		fmt.Fprintf(errs, "%s shows %s\n", name, findings[i].Object)
	}
	return nil
}

func drawFinding(name string, f *search.Finding) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := f.WriteHTML(file); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return file.Close()
}
