package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/roster"
)

func (e *env) accountCommand() *cobra.Command {
	return group("account", "Make accounts, look at them and change them",
		e.accountCreateCommand(), e.accountListCommand(), e.accountShowCommand(), e.accountUpdateCommand(), e.accountTransferCommand())
}

func (e *env) accountCreateCommand() *cobra.Command {
	var name, owner string
	cmd := &cobra.Command{
		Use:   "create --name NAME --owner-email ADDRESS",
		Short: "Make an account",
		Long: `Makes an account with its owner, the primary master admin, who is its first
member and cannot be removed while that is so. Prints the account's id.`,
		Example: `  roster account create --name "Example Corp" --owner-email ann@example.com`,
		Args:    wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			var id string
			err := roster.Create(ctx, e.options(roster.Options{}), func(r *roster.Roster) (err error) {
				id, err = r.CreateAccount(ctx, auth.Operator(), name, owner)
				return err
			})
			if err != nil {
				return err
			}
			return e.print(struct {
				AccountID string `json:"accountId"`
			}{id}, func(w io.Writer) { fmt.Fprintf(w, "Account %s\n", id) })
		}),
	}
	e.databaseFlag(cmd)
	cmd.Flags().StringVar(&name, "name", "", "name of the account")
	cmd.Flags().StringVar(&owner, "owner-email", "", "address of the account's owner")
	required(cmd, "name", "owner-email")
	return cmd
}

// accountJSON is an account in results.
type accountJSON struct {
	ID        string `json:"accountId"`
	Name      string `json:"name"`
	Owner     string `json:"owner"` // address
	RateLimit string `json:"rateLimit"`
	Created   string `json:"createdOn"`
}

func newAccountJSON(a roster.AccountEntry) accountJSON {
	return accountJSON{a.PublicID, a.Name, a.OwnerEmail, cmp.Or(a.RateLimits, serversLimits), timeText(a.Created)}
}

func (e *env) accountListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the accounts",
		Long:    `Lists all accounts in the order in which they were made.`,
		Example: `  roster account list`,
		Args:    wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			return e.read(ctx, func(r *roster.Roster) error {
				accounts, err := r.Accounts(ctx, auth.Operator())
				if err != nil {
					return err
				}
				list := make([]accountJSON, len(accounts))
				rows := make([][]string, len(accounts))
				for i, a := range accounts {
					list[i] = newAccountJSON(a)
					rows[i] = []string{list[i].ID, list[i].Owner, list[i].Name, list[i].Created}
				}
				return e.print(list, func(w io.Writer) {
					if len(rows) == 0 {
						fmt.Fprintln(w, "There are no accounts: make one with 'roster account create'.")
						return
					}
					writeTable(w, e.width(), []string{"ACCOUNT", "OWNER", "NAME", "CREATED"}, rows)
				})
			})
		}),
	}
	e.databaseFlag(cmd)
	return cmd
}

func (e *env) accountShowCommand() *cobra.Command {
	c := &accountCmd{env: e}
	cmd := &cobra.Command{
		Use:     "show --account ID",
		Short:   "Show an account, and how much there is in it",
		Long:    `Shows an account with its owner, its rate limits, and how much there is in it.`,
		Example: `  roster account show --account 5f0c...`,
		Args:    wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			return c.read(ctx, func(r *roster.Roster) error {
				a, err := r.Account(ctx, auth.Operator(), c.account)
				if err != nil {
					return err
				}
				out := struct {
					accountJSON

					Users  int `json:"users"`
					Groups int `json:"groups"`
					Roles  int `json:"roles"`
					Bots   int `json:"bots"`
					Apps   int `json:"apps"`
				}{newAccountJSON(a.AccountEntry), a.Users, a.Groups, a.Roles, a.Bots, a.Apps}
				return e.print(out, func(w io.Writer) {
					fields(w, "Account", out.ID, "Name", out.Name, "Owner", out.Owner, "Rate limit", out.RateLimit, "Created", out.Created,
						"Users", strconv.Itoa(out.Users), "Groups", strconv.Itoa(out.Groups), "Roles", strconv.Itoa(out.Roles),
						"Bots", strconv.Itoa(out.Bots), "Apps", strconv.Itoa(out.Apps))
				})
			})
		}),
	}
	c.add(cmd)
	return cmd
}

func (e *env) accountTransferCommand() *cobra.Command {
	c := &accountCmd{env: e}
	var owner string
	var yes bool
	cmd := &cobra.Command{
		Use:   "transfer --account ID --owner ADDRESS",
		Short: "Give an account another owner",
		Long: `Makes another member the owner of an account, its primary master admin. Who owned
it stays a member, and can be removed from then on, if they own no bot; the new one
cannot. On a terminal it asks first, unless --yes is given.`,
		Example: `  roster account transfer --account 5f0c... --owner bo@example.com`,
		Args:    wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			return c.with(ctx, func(r *roster.Roster) error {
				a, err := r.Account(ctx, auth.Operator(), c.account)
				if err != nil {
					return err
				}
				if !yes {
					what := fmt.Sprintf("This gives the account %s from %s to %s.", printable(a.Name), printable(a.OwnerEmail), printable(owner))
					if err := e.confirm(ctx, what, "transfer", "nothing was changed"); err != nil {
						return err
					}
				}
				changed, err := r.TransferAccount(ctx, auth.Operator(), c.account, owner)
				if err != nil {
					return err
				}
				return e.printChanged("accountId", c.account, changed, "The account "+a.Name+" belongs to "+owner+".", "The account "+a.Name+" belonged to "+owner+" already.")
			})
		}),
	}
	c.add(cmd)
	cmd.Flags().StringVar(&owner, "owner", "", "address of the member who is to own it")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask before changing the owner")
	required(cmd, "owner")
	return cmd
}
