package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// version is what ottla --version and the broker's banner say.
const version = "0.1.0-dev"

func main() {
	started := time.Now()
	os.Exit(exitCode(newRoot(started).Execute()))
}

func newRoot(started time.Time) *cobra.Command {
	root := &cobra.Command{
		Use:           "ottla",
		Short:         "An event streaming broker that speaks Apache Kafka's protocol",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("ottla {{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newServe(started), newCluster(), newTopic(), newBrokerCommand(), newQuorum(), newLog(),
		newStorage())
	root.AddCommand(simCommand())
	root.AddCommand(newCheck(), newChaos(), newBench())
	return root
}

// exitError ends the process with a status of its own. Its text is printed unless it is empty.
type exitError struct {
	code int
	text string
}

func (e exitError) Error() string { return e.text }

// exitCode prints an error as lines after the program's name.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if line != "" {
			fmt.Fprintln(os.Stderr, "ottla:", line)
		}
	}
	var exit exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	return 1
}
