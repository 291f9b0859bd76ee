// Package config reads settings from the environment: every flag of every
// command can be given as ROSTER_ and its name in capitals. It is the only
// reader of the environment; the command line wins over it.
package config

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// EnvName is the environment variable that stands in for a flag: ROSTER_SECRET_KEY_FILE
// for --secret-key-file.
func EnvName(flag string) string {
	return "ROSTER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Apply sets every flag that the command line left alone from its environment
// variable, where that is set and not empty.
func Apply(flags *pflag.FlagSet) error {
	var err error
	flags.VisitAll(func(f *pflag.Flag) {
		value := os.Getenv(EnvName(f.Name))
		if f.Changed || value == "" || err != nil || f.Name == "help" {
			return
		}
		if e := flags.Set(f.Name, value); e != nil {
			err = fmt.Errorf("environment variable %s: %w", EnvName(f.Name), e)
		}
	})
	return err
}

// DumbTerminal says whether the terminal is one that cannot move its cursor,
// by TERM=dumb.
func DumbTerminal() bool { return os.Getenv("TERM") == "dumb" }

// ClientSecret is the client secret from ROSTER_CLIENT_SECRET. It has no flag:
// the arguments of a process can be read by others.
func ClientSecret() string { return os.Getenv("ROSTER_CLIENT_SECRET") }
