package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/excerpt"
	"roster/internal/roster"
)

func (e *env) secretAddCommand() *cobra.Command {
	var key keyFiles
	cmd := &cobra.Command{
		Use:   "add CLIENT_ID",
		Short: "Give an app a second secret, or public key, beside the one it has",
		Long: `Gives an app another client secret beside the one that it has, and prints its
number and the secret, which cannot be shown again. An app with RS256 or RS512
gets the public key of --public-key. The app's tokens are good with both from the
next call on, so the program that signs them can change over in its own time;
then retire the old one with 'roster app secret retire'. There are two at most.`,
		Example: `  roster app secret add cs-...
  roster app secret add cs-... --public-key new.pem`,
		Args: wants("CLIENT_ID"),
		RunE: run(func(ctx context.Context, args []string) error {
			var added roster.NewSecret
			var err error
			if added.ClientSecret, added.PublicKey, err = key.read(); err != nil {
				return err
			}
			return e.with(ctx, roster.Options{MustExist: true, Secrets: true}, func(r *roster.Roster) error {
				number, secret, err := r.AddSecret(ctx, auth.Operator(), args[0], added)
				if err != nil {
					return err
				}
				return e.print(struct {
					ClientID     string `json:"clientId"`
					Number       int    `json:"number"`
					ClientSecret string `json:"clientSecret,omitempty"`
				}{args[0], number, secret}, func(w io.Writer) {
					fmt.Fprintf(w, "Number         %d\n", number)
					writeSecret(w, secret)
				})
			})
		}),
	}
	e.databaseFlag(cmd)
	e.secretKeyFlag(cmd)
	key.add(cmd)
	return cmd
}

func (e *env) secretRetireCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retire CLIENT_ID NUMBER",
		Short: "End a secret, or public key, of an app",
		Long: `Ends one of an app's secrets, on every server, from the next call on, and erases
it. The only live one cannot be retired. 'roster app secret list' shows when each
was last used.`,
		Example: `  roster app secret retire cs-... 1`,
		Args:    wants("CLIENT_ID", "NUMBER"),
		RunE: run(func(ctx context.Context, args []string) error {
			number, err := strconv.Atoi(args[1])
			if err != nil || number < 1 {
				return usagef("%q is not the number of a secret: 'roster app secret list' shows them", excerpt.Of(args[1]))
			}
			return e.with(ctx, roster.Options{MustExist: true}, func(r *roster.Roster) error {
				changed, err := r.RetireSecret(ctx, auth.Operator(), args[0], number)
				if err != nil {
					return err
				}
				return e.print(struct {
					ClientID string `json:"clientId"`
					Number   int    `json:"number"`
					Changed  bool   `json:"changed"`
				}{args[0], number, changed}, func(w io.Writer) {
					done := "is retired"
					if !changed {
						done = "was retired already"
					}
					fmt.Fprintf(w, "Secret %d of the app %s %s.\n", number, args[0], done)
				})
			})
		}),
	}
	e.databaseFlag(cmd)
	return cmd
}

func (e *env) secretListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list CLIENT_ID",
		Short: "List the secrets, or public keys, of an app",
		Long: `Lists the secrets of an app by number, retired ones too, with when each was last
used. A secret itself cannot be shown.`,
		Args: wants("CLIENT_ID"),
		RunE: run(func(ctx context.Context, args []string) error {
			return e.with(ctx, roster.Options{MustExist: true}, func(r *roster.Roster) error {
				app, err := r.App(ctx, auth.Operator(), args[0])
				if err != nil {
					return err
				}
				return e.print(secretsJSON(app.Keys), func(w io.Writer) { writeSecrets(w, e.width(), app.Keys) })
			})
		}),
	}
	e.databaseFlag(cmd)
	return cmd
}

// secretJSON is a key of an app in results.
type secretJSON struct {
	Number   int    `json:"number"`
	Live     bool   `json:"live"`
	Created  string `json:"createdOn"`
	LastUsed string `json:"lastUsedOn,omitempty"`
	Retired  string `json:"retiredOn,omitempty"`
}

func secretsJSON(keys []directory.AppKey) []secretJSON {
	all := make([]secretJSON, len(keys))
	for i, k := range keys {
		all[i] = secretJSON{k.Number, k.Live(), timeText(k.Created), timeText(k.LastUsed), timeText(k.Retired)}
	}
	return all
}

func writeSecrets(w io.Writer, width int, keys []directory.AppKey) {
	rows := make([][]string, len(keys))
	for i, k := range keys {
		retired := timeText(k.Retired)
		if k.Live() {
			retired = "no"
		}
		rows[i] = []string{strconv.Itoa(k.Number), timeText(k.Created), orNever(k.LastUsed), retired}
	}
	writeTable(w, width, []string{"SECRET", "CREATED", "LAST USED", "RETIRED"}, rows)
}

// timeText is a time to the second, in UTC; empty for none.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func orNever(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return timeText(t)
}
