package main

import "github.com/spf13/cobra"

// exitUsage is the status of a command that was called in a way it does not understand, or on what is not there.
const exitUsage = 2

func newLog() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "log",
		Short: "Read and check log directories, offline or beside a running broker",
		Args:  usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	cmd.AddCommand(newLogDump(), newLogVerify())
	for _, c := range append(cmd.Commands(), cmd) {
		c.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError(cmd, err) })
	}
	return cmd
}

// usage makes wrong arguments end with exitUsage.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError(cmd, err)
		}
		return nil
	}
}

func usageError(cmd *cobra.Command, err error) error {
	return exitError{code: exitUsage, text: err.Error() + "\nsee " + cmd.CommandPath() + " --help"}
}
