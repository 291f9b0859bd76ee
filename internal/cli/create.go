package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/roster"
)

func (e *env) accountCommand() *cobra.Command {
	var name, owner string
	create := &cobra.Command{
		Use:   "create --name NAME --owner-email ADDRESS",
		Short: "Make an account",
		Long: `Makes an account with its owner, the primary master admin, who is its first
member and can never be removed. Prints the account's id.`,
		Example: `  roster account create --name "Example Corp" --owner-email ann@example.com`,
		Args:    wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			return e.with(ctx, roster.Options{}, func(r *roster.Roster) error {
				id, err := r.CreateAccount(ctx, auth.Operator(), name, owner)
				if err != nil {
					return err
				}
				return e.print(struct {
					AccountID string `json:"accountId"`
				}{id}, func(w io.Writer) { fmt.Fprintf(w, "Account %s\n", id) })
			})
		}),
	}
	e.databaseFlag(create)
	create.Flags().StringVar(&name, "name", "", "name of the account")
	create.Flags().StringVar(&owner, "owner-email", "", "address of the account's owner")
	required(create, "name", "owner-email")
	return group("account", "Make accounts and change them", create, e.accountUpdateCommand())
}

func (e *env) botCommand() *cobra.Command {
	var account, name, owner string
	create := &cobra.Command{
		Use:   "create --account ID --name NAME --owner ADDRESS",
		Short: "Make a bot",
		Long: `Makes a bot that belongs to a member of the account, and prints its id. Who
owns a bot cannot be removed from the account.`,
		Example: `  roster bot create --account 5f0c... --name "Help desk" --owner bo@example.com`,
		Args:    wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			return e.with(ctx, roster.Options{MustExist: true}, func(r *roster.Roster) error {
				id, err := r.CreateBot(ctx, auth.Operator(), account, name, owner)
				if err != nil {
					return err
				}
				return e.print(struct {
					BotID string `json:"botId"`
				}{id}, func(w io.Writer) { fmt.Fprintf(w, "Bot %s\n", id) })
			})
		}),
	}
	e.databaseFlag(create)
	create.Flags().StringVar(&account, "account", "", "id of the account")
	create.Flags().StringVar(&name, "name", "", "name of the bot")
	create.Flags().StringVar(&owner, "owner", "", "address of the member who owns it")
	required(create, "account", "name", "owner")
	return group("bot", "Make bots", create)
}
