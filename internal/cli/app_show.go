package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
)

// appJSON is an app in results.
type appJSON struct {
	ClientID   string            `json:"clientId"`
	Name       string            `json:"name"`
	Origin     string            `json:"origin"`
	State      string            `json:"state"`
	Algorithm  string            `json:"algorithm"`
	MustExpire bool              `json:"mustExpire"`
	EnforceJTI bool              `json:"enforceJti"`
	EnforceJWE bool              `json:"enforceJwe"`
	Scopes     []directory.Scope `json:"scopes"`
	Created    string            `json:"createdOn"`
}

func newAppJSON(a directory.App) appJSON {
	return appJSON{
		ClientID: a.ClientID, Name: a.Name, Origin: string(a.Origin), State: string(a.State), Algorithm: string(a.Algorithm),
		MustExpire: a.Policy.MustExpire, EnforceJTI: a.Policy.EnforceJTI, EnforceJWE: a.Policy.EnforceJWE,
		Scopes: append([]directory.Scope{}, a.Scopes...), Created: timeText(a.Created),
	}
}

func (e *env) appListCommand() *cobra.Command {
	var account string
	var all bool
	cmd := &cobra.Command{
		Use:   "list --account ID",
		Short: "List the apps of an account",
		Long:  `Lists the apps of an account in the order in which they were made.`,
		Args:  wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			return e.read(ctx, func(r *roster.Roster) error {
				apps, err := r.Apps(ctx, auth.Operator(), account, all)
				if err != nil {
					return err
				}
				list := make([]appJSON, len(apps))
				for i, a := range apps {
					list[i] = newAppJSON(a)
				}
				return e.print(list, func(w io.Writer) { writeApps(w, e.width(), list) })
			})
		}),
	}
	e.databaseFlag(cmd)
	cmd.Flags().StringVar(&account, "account", "", "id of the account")
	cmd.Flags().BoolVar(&all, "all", false, "list deleted apps too")
	required(cmd, "account")
	return cmd
}

func writeApps(w io.Writer, width int, apps []appJSON) {
	if len(apps) == 0 {
		fmt.Fprintln(w, "The account has no apps.")
		return
	}
	rows := make([][]string, len(apps))
	for i, a := range apps {
		rows[i] = []string{a.ClientID, a.State, a.Algorithm, a.Name, a.Created}
	}
	writeTable(w, width, []string{"CLIENT ID", "STATE", "SIGNS", "NAME", "CREATED"}, rows)
}

func (e *env) appShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show CLIENT_ID",
		Short: "Show an app, its secrets, and why its tokens were refused",
		Long: `Shows an app with its scopes, its secrets by number, and why its tokens were
refused: how often, when last, and the X-Request-Id of that call, under which it
stands in the server's log. Whoever knows the client id can make such refusals.
They are some seconds behind the calls, and when a secret was last used a minute
or so.`,
		Example: `  roster app show cs-...`,
		Args:    wants("CLIENT_ID"),
		RunE: run(func(ctx context.Context, args []string) error {
			return e.read(ctx, func(r *roster.Roster) error {
				app, err := r.App(ctx, auth.Operator(), args[0])
				if err != nil {
					return err
				}
				return e.print(newAppDetailsJSON(app), func(w io.Writer) { writeApp(w, e.width(), app) })
			})
		}),
	}
	e.databaseFlag(cmd)
	return cmd
}

// appDetailsJSON is an app with all that there is to it.
type appDetailsJSON struct {
	appJSON
	AccountID string        `json:"accountId"`
	Secrets   []secretJSON  `json:"secrets"`
	Refusals  []refusalJSON `json:"refusals"`
}

// refusalJSON says why tokens of an app were refused.
type refusalJSON struct {
	Reason    string `json:"reason"`
	Count     int    `json:"count"`
	Last      string `json:"lastOn"`
	RequestID string `json:"lastRequestId"`
}

func newAppDetailsJSON(app roster.AppDetails) appDetailsJSON {
	out := appDetailsJSON{newAppJSON(app.App), app.AccountID, secretsJSON(app.Keys), make([]refusalJSON, len(app.Refusals))}
	for i, r := range app.Refusals {
		out.Refusals[i] = refusalJSON{r.Reason, r.Count, timeText(r.Last), r.RequestID}
	}
	return out
}

func writeApp(w io.Writer, width int, app roster.AppDetails) {
	field := func(name, value string) { fmt.Fprintf(w, "%-11s%s\n", name, printable(value)) }
	field("Client id", app.ClientID)
	field("Name", app.Name)
	field("Account", app.AccountID)
	field("State", string(app.State))
	field("Origin", string(app.Origin))
	field("Created", timeText(app.Created))
	field("Signs", string(app.Algorithm))
	field("Demands", demands(app.Policy))
	if len(app.Scopes) == 0 {
		field("Scopes", "none")
	}
	for i, s := range app.Scopes {
		name := "Scopes"
		if i > 0 {
			name = ""
		}
		field(name, s.Label()+"  ("+string(s)+")")
	}
	fmt.Fprintln(w)
	live := slices.DeleteFunc(slices.Clone(app.Keys), func(k directory.AppKey) bool { return !k.Live() })
	if len(live) > 0 {
		writeSecrets(w, width, live)
	}
	if retired := len(app.Keys) - len(live); retired > 0 {
		fmt.Fprintf(w, "%d retired: see 'roster app secret list'.\n", retired)
	}
	fmt.Fprintln(w)
	if len(app.Refusals) == 0 {
		fmt.Fprintln(w, "None of its tokens was refused.")
		return
	}
	rows := make([][]string, len(app.Refusals))
	for i, r := range app.Refusals {
		rows[i] = []string{r.Reason, strconv.Itoa(r.Count), timeText(r.Last), printable(r.RequestID)}
	}
	writeTable(w, width, []string{"REFUSED BECAUSE", "TIMES", "LAST", "LAST REQUEST"}, rows)
}

// demands is what an app demands of its tokens, in words.
func demands(p directory.AppPolicy) string {
	var all []string
	for _, d := range []struct {
		on   bool
		text string
	}{{p.MustExpire, "exp"}, {p.EnforceJTI, "jti"}, {p.EnforceJWE, "encryption (JWE)"}} {
		if d.on {
			all = append(all, d.text)
		}
	}
	if len(all) == 0 {
		return "nothing beyond a right signature"
	}
	return strings.Join(all, ", ")
}
