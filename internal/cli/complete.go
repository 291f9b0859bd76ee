package cli

import (
	"github.com/spf13/cobra"

	"roster/internal/directory"
)

// What the shell completes: commands and flags by cobra itself, the values that
// there is a list of, and files where a file is wanted. Elsewhere it offers
// nothing: a file's name is no address, and no id.

// addCompletion adds cobra's own command that prints a shell's script.
func addCompletion(root *cobra.Command) {
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.InitDefaultCompletionCmd()
	if cmd, _, err := root.Find([]string{"completion"}); err == nil {
		cmd.Short = "Print the script by which a shell completes commands"
		// Help in place of a script would be run by whoever sources it.
		cmd.RunE = wantsCommand
	}
}

// completeFiles lets the shell offer files for the values of these flags.
func completeFiles(cmd *cobra.Command, flags ...string) {
	for _, f := range flags {
		completeFlag(cmd, f, func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		})
	}
}

// completeValues lets the shell offer these values for a flag.
func completeValues(cmd *cobra.Command, flag string, values ...cobra.Completion) {
	completeFlag(cmd, flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

func completeFlag(cmd *cobra.Command, flag string, fn cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, fn); err != nil {
		panic(err) // the flag is not there: a mistake of ours
	}
}

// completeOneFile offers files for the only argument of a command.
func completeOneFile(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// scopeCompletions are the stored names of all scopes, with their labels.
func scopeCompletions() []cobra.Completion {
	var all []cobra.Completion
	for _, s := range directory.Scopes() {
		all = append(all, cobra.CompletionWithDesc(string(s), s.Label()))
	}
	return all
}

// originCompletions are the origins of an app.
func originCompletions() []cobra.Completion {
	return []cobra.Completion{
		cobra.CompletionWithDesc(string(directory.OriginAdminConsole), "may call the public API"),
		cobra.CompletionWithDesc(string(directory.OriginBotBuilder), "is refused by it"),
	}
}

// algorithmCompletions are the ways in which an app can sign.
func algorithmCompletions() []cobra.Completion {
	var all []cobra.Completion
	for _, a := range directory.Algorithms() {
		with := "with a client secret"
		if a.PublicKey() {
			with = "with an RSA key of its own"
		}
		all = append(all, cobra.CompletionWithDesc(string(a), with))
	}
	return all
}
