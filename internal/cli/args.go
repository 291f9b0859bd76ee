package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"roster/internal/excerpt"
)

// wants checks the arguments of a command: one for each name, and any number
// for a last name that ends in "...". It says which one is missing or too many.
func wants(names ...string) cobra.PositionalArgs {
	usage := "no arguments"
	more := false
	if len(names) > 0 {
		usage = strings.Join(names, " ")
		more = strings.HasSuffix(usage, "...")
	}
	return func(cmd *cobra.Command, args []string) error {
		switch n := len(names); {
		case len(args) < n:
			return usagef("%s is missing: '%s' wants %s", strings.TrimSuffix(names[len(args)], " ..."), cmd.CommandPath(), usage)
		case len(args) > n && !more:
			return usagef("%q is too many: '%s' wants %s", excerpt.Of(args[n]), cmd.CommandPath(), usage)
		}
		return nil
	}
}

// wantsSome checks that the first argument is there; more may follow.
func wantsSome(first, more string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("%s is missing: '%s' wants %s [%s]", first, cmd.CommandPath(), first, more)
		}
		return nil
	}
}
