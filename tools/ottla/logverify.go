package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"ottla.dev/core/log/dump"
	"ottla.dev/core/raft"
)

const verifyLong = `Verify checks the files of a log directory or of one partition's folder: batches whole and valid,
offsets and leader epochs in order, compressed records readable, and indexes, snapshots and
checkpoints in agreement with the batches.

It prints a line for each problem, with the file, the position in bytes and what is wrong, and a
summary. The exit status is 0 if nothing is wrong, 1 if something is, and 2 if the command was not
understood.

It only reads. On the folder of a broker that runs or was killed, what follows the last whole batch
of a log is reported as a note, not as a problem: the next start cuts it off.`

const verifyExample = `  ottla log verify ottla-data
  ottla log verify ottla-data/orders-0
  ottla log verify --json ottla-data | jq 'select(.problem)'`

func newLogVerify() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "verify DIR",
		Short:   "Check that the files of logs are sound and agree with each other",
		Long:    verifyLong,
		Example: verifyExample,
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runVerify(cmd.OutOrStdout(), args[0], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

func runVerify(to io.Writer, dir string, asJSON bool) error {
	root, err := absolute(dir)
	if err != nil {
		return err
	}
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return exitError{code: exitUsage, text: fmt.Sprintf("cannot verify %s: it is no folder, or cannot be read", dir)}
	}
	s, err := dump.Verify(readOnly{}, root)
	if err == nil {
		err = verifyState(s, root)
	}
	if err != nil {
		return fmt.Errorf("verifying %s: %w", dir, err)
	}
	if s.Partitions == 0 && len(s.Problems) == 0 {
		return exitError{code: exitUsage, text: fmt.Sprintf("there are no logs in %s; name a log directory, "+
			"such as ottla-data, or a partition's folder in one", dir)}
	}
	out := bufio.NewWriter(to)
	printProblems(out, "problem", s.Problems, root, dir, asJSON)
	printProblems(out, "note", s.Notes, root, dir, asJSON)
	printSummary(out, s, asJSON)
	if err := out.Flush(); err != nil {
		return err
	}
	if len(s.Problems) > 0 {
		return exitError{code: 1}
	}
	return nil
}

// verifyState checks the quorum's state files, which package dump does not know.
func verifyState(s *dump.Summary, root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != raft.StateFile {
			if os.IsNotExist(err) {
				return nil // removed by a running broker
			}
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if _, err := raft.DecodeState(b); err != nil {
			s.Problems = append(s.Problems, dump.Problem{File: filepath.ToSlash(path), Position: dump.WholeFile,
				Text: err.Error()})
		}
		return nil
	})
}

func printProblems(out io.Writer, kind string, list []dump.Problem, root, given string, asJSON bool) {
	for _, p := range list {
		p.File = asGiven(p.File, root, given)
		switch {
		case asJSON:
			b, _ := plainJSON(map[string]dump.Problem{kind: p}) // strings and numbers can always be encoded
			fmt.Fprintf(out, "%s\n", b)
		case p.Position == dump.WholeFile:
			fmt.Fprintf(out, "%s: %s: %s\n", kind, p.File, p.Text)
		default:
			fmt.Fprintf(out, "%s: %s at byte %d: %s\n", kind, p.File, p.Position, p.Text)
		}
	}
}

func printSummary(out io.Writer, s *dump.Summary, asJSON bool) {
	if asJSON {
		b, _ := json.Marshal(map[string]any{"summary": map[string]any{"partitions": s.Partitions, "segments": s.Segments,
			"batches": s.Batches, "records": s.Records, "bytes": s.Bytes, "problems": len(s.Problems), "notes": len(s.Notes)}})
		fmt.Fprintf(out, "%s\n", b)
		return
	}
	verdict := "no problems"
	if len(s.Problems) > 0 {
		verdict = count(len(s.Problems), "problem")
	}
	if len(s.Notes) > 0 {
		verdict += ", " + count(len(s.Notes), "note")
	}
	fmt.Fprintf(out, "%s in %s, %s, %s with %s, %s.\n", verdict, count(s.Partitions, "partition"),
		count(s.Segments, "segment"), count(int(s.Batches), "batch"), count(int(s.Records), "record"),
		count(int(s.Bytes), "byte"))
}

// count gives a number with its noun.
func count(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case noun == "batch":
		noun = "batche"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
