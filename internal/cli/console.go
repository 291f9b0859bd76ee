package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/roster"
	"roster/internal/server"
)

func (e *env) consoleCommand() *cobra.Command {
	return group("console", "Let people into the Admin Console", e.consoleLinkCommand())
}

// linkJSON is a link in results.
type linkJSON struct {
	Link    string `json:"link"`
	Email   string `json:"emailId"`
	Account string `json:"accountName"`
	Expires string `json:"expiresOn"`
}

func newLinkJSON(link roster.PasswordLink, host string) linkJSON {
	return linkJSON{strings.TrimSuffix(host, "/") + server.LinkPath(link.Token), link.Email, link.Account, timeText(link.Expires)}
}

func (l linkJSON) write(w io.Writer) {
	fmt.Fprintf(w, "This link sets the password of %s, once, until %s:\n  %s\n", printable(l.Email), l.Expires, l.Link)
}

func (e *env) consoleLinkCommand() *cobra.Command {
	var account, email, host string
	cmd := &cobra.Command{
		Use:   "link --account ID --email ADDRESS",
		Short: "Make a link by which somebody sets their password",
		Long: `Makes a link by which a member of the account sets their password for the Admin
Console, once and within an hour: for the first one, and for one that was lost. The
password opens this account only, and their sessions in it end when it is set. Give
the link to nobody else: whoever opens it first sets the password.

Console users must own the account, or have an admin role with a permission for
the console: see 'roster role create --help'.`,
		Example: `  roster console link --account 5f0c... --email ann@example.com
  roster console link --account 5f0c... --email ann@example.com --host https://directory.example.com`,
		Args: wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			if u, err := url.Parse(host); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
				return usagef("--host must be the address of the server, such as https://directory.example.com")
			}
			return e.with(ctx, roster.Options{MustExist: true}, func(r *roster.Roster) error {
				link, err := r.CreatePasswordLink(ctx, auth.Operator(), account, email)
				if err != nil {
					return err
				}
				out := newLinkJSON(link, host)
				return e.print(out, out.write)
			})
		}),
	}
	e.databaseFlag(cmd)
	cmd.Flags().StringVar(&account, "account", "", "id of the account")
	cmd.Flags().StringVar(&email, "email", "", "address of the member")
	cmd.Flags().StringVar(&host, "host", "http://127.0.0.1:8080", "address of the server, as browsers reach it")
	required(cmd, "account", "email")
	return cmd
}

// firstLink prints the link by which the owner of a new directory sets their
// password, as long as nobody has one.
func (e *env) firstLink(ctx context.Context, s *server.Server) error {
	link, made, err := s.Roster().FirstPasswordLink(ctx, auth.System())
	if err != nil || !made {
		return err
	}
	out := newLinkJSON(link, s.LocalURL())
	return e.print(out, func(w io.Writer) {
		fmt.Fprintln(w, "Nobody can sign in to the Admin Console yet.")
		out.write(w)
	})
}
