// Package config reads settings from the environment: a flag that is marked as
// a setting can be given as ROSTER_ and its name in capitals. It is the only
// reader of the environment; the command line wins over it.
package config

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// EnvName is the environment variable of a flag: ROSTER_SECRET_KEY_FILE
// for --secret-key-file.
func EnvName(flag string) string {
	return "ROSTER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// setting is the annotation of the flags that the environment can set.
const setting = "roster_setting"

// MarkSetting lets the environment set a flag, and makes its help name the variable.
func MarkSetting(f *pflag.Flag) {
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[setting] = []string{EnvName(f.Name)}
	f.Usage += " [env: " + EnvName(f.Name) + "]"
}

// Apply sets every setting that the command line left alone from its environment
// variable, where that is set and not empty. It returns the names of the flags
// that have such a variable too, but are no settings and were left as they are.
func Apply(flags *pflag.FlagSet) (ignored []string, err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		value := os.Getenv(EnvName(f.Name))
		switch {
		case f.Changed || value == "" || err != nil || f.Name == "help":
		case f.Annotations[setting] == nil:
			ignored = append(ignored, f.Name)
		default:
			if e := flags.Set(f.Name, value); e != nil {
				err = fmt.Errorf("environment variable %s: %w", EnvName(f.Name), e)
			}
		}
	})
	return ignored, err
}

// DumbTerminal says whether the terminal is one that cannot move its cursor,
// by TERM=dumb.
func DumbTerminal() bool { return os.Getenv("TERM") == "dumb" }

// ClientSecret is the client secret from ROSTER_CLIENT_SECRET. It has no flag:
// the arguments of a process can be read by others.
func ClientSecret() string { return os.Getenv("ROSTER_CLIENT_SECRET") }
