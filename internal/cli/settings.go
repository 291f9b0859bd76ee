package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"roster/internal/config"
)

// settings are the flags that the environment can set, each with the commands in
// which it is a setting; nil stands for every command that has the flag.
//
// A setting says where and how roster runs, and may stay in the environment for
// days. A flag that says what one call does is missing here, and so is a new
// flag: a variable that was left over must not remove, restore or erase anything.
var settings = map[string][]string{
	"json":            nil,
	"database":        nil,
	"secret-key-file": nil,
	"account":         nil,
	"restore-window":  nil,
	"erasures":        nil,
	"checkpoint":      nil,
	"checkpoint-key":  nil,

	// The server.
	"addr":                   nil,
	"metrics-addr":           nil,
	"tls-cert":               nil,
	"tls-key":                nil,
	"audit-checkpoint":       nil,
	"audit-checkpoint-every": nil,
	"rate-limit":             {"serve"}, // 'account update' changes the limits of one account
	"auth-failure-limit":     nil,
	"trusted-proxies":        nil,
	"max-ids":                nil,
	"max-body":               nil,
	"max-job-ids":            nil,
	"max-job-body":           nil,
	"job-chunk":              nil,
	"max-bodies":             nil,
	"call-timeout":           nil,

	// The host that is called, and the app that calls it.
	"host":               nil,
	"client-id":          tokenCommands, // 'app create' brings an id along
	"client-secret-file": tokenCommands, // 'app create' and 'app secret add' bring a secret along
	"alg":                nil,
	"key":                nil,
	"jti":                nil,
	"jwe-key":            nil,
	"jwe-enc":            nil,
	"batch-size":         nil,
	"calls-per-minute":   nil,
}

// tokenCommands are the commands that sign tokens as an app.
var tokenCommands = []string{"token", "user remove", "user restore"}

// isSetting says whether the environment can set a flag of a command.
func isSetting(cmd *cobra.Command, flag string) bool {
	only, ok := settings[flag]
	path := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
	return ok && (only == nil || slices.Contains(only, path))
}

// markSettings marks the settings of a command and of all commands below it.
func markSettings(cmd *cobra.Command) {
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if isSetting(cmd, f.Name) {
			config.MarkSetting(f)
		}
	})
	for _, sub := range cmd.Commands() {
		markSettings(sub)
	}
}

// applySettings takes the settings of a command from the environment. It warns of
// a variable that is named like a flag which is no setting, and refuses that of
// --dry-run: to ignore it would remove users who were only to be shown.
func (e *env) applySettings(cmd *cobra.Command) error {
	ignored, err := config.Apply(cmd.Flags())
	for _, flag := range ignored {
		if _, elsewhere := settings[flag]; elsewhere {
			continue // the variable is meant for other commands
		}
		name := config.EnvName(flag)
		if flag == "dry-run" {
			return usagef("%s is set, and a preview cannot be requested by the environment: give --dry-run, or unset %s", name, name)
		}
		fmt.Fprintf(e.err, "roster: %s is ignored: give --%s on the command line\n", name, flag)
	}
	return err
}
