package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/directory"
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
		Args:    cobra.NoArgs,
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
	return group("account", "Make accounts", create)
}

func (e *env) appCommand() *cobra.Command {
	var account, origin, secretFile string
	var scopes []string
	var app roster.NewApp
	create := &cobra.Command{
		Use:   "create --account ID --name NAME --scope SCOPE ...",
		Short: "Make a client app",
		Long: `Makes a client app of an account, and prints its client id and its client
secret. The secret cannot be shown again: keep it.

A scope is given by its label or by its stored name:
  User Management > User Management          user_management:user_management
  Profile Management > Role Management       role_management:role_management
  Profile Management > Delete Users Data     delete:delete_user_data
  Logs > Admin Console Audit Logs            logs:admin_console_audit_logs`,
		Example: `  roster app create --account 5f0c... --name Offboarding --scope "User Management > User Management"`,
		Args:    cobra.NoArgs,
		RunE: run(func(ctx context.Context, _ []string) (err error) {
			if app.Scopes, err = parseScopes(scopes); err != nil {
				return usageError{err}
			}
			if app.Origin, err = directory.ParseOrigin(origin); err != nil {
				return usageError{err}
			}
			if secretFile != "" {
				if app.ClientSecret, err = readSecret(secretFile); err != nil {
					return err
				}
			}
			return e.with(ctx, roster.Options{MustExist: true, Secrets: true}, func(r *roster.Roster) error {
				id, secret, err := r.CreateApp(ctx, auth.Operator(), account, app)
				if err != nil {
					return err
				}
				return e.print(struct {
					ClientID     string `json:"clientId"`
					ClientSecret string `json:"clientSecret"`
				}{id, secret}, func(w io.Writer) {
					fmt.Fprintf(w, "Client id      %s\nClient secret  %s\nKeep the secret: it cannot be shown again.\n", id, secret)
				})
			})
		}),
	}
	e.databaseFlag(create)
	e.secretKeyFlag(create)
	f := create.Flags()
	f.StringVar(&account, "account", "", "id of the account")
	f.StringVar(&app.Name, "name", "", "name of the app")
	f.StringArrayVar(&scopes, "scope", nil, "scope of the app; give it again for more")
	f.StringVar(&origin, "origin", string(directory.OriginAdminConsole), "where the app counts as made: admin-console or bot-builder")
	f.StringVar(&app.ClientID, "client-id", "", "client id brought along from elsewhere (default: a new one)")
	f.StringVar(&secretFile, "client-secret-file", "", "file of a client secret brought along (default: a new one)")
	required(create, "account", "name", "scope")
	completeValues(create, "scope", scopeCompletions()...)
	completeValues(create, "origin", originCompletions()...)
	completeFiles(create, "client-secret-file")
	return group("app", "Make client apps", create)
}

func parseScopes(names []string) ([]directory.Scope, error) {
	scopes := make([]directory.Scope, len(names))
	for i, name := range names {
		scope, err := directory.ParseScope(name)
		if err != nil {
			return nil, err
		}
		scopes[i] = scope
	}
	return scopes, nil
}

// readSecret reads a file that holds a client secret and nothing else.
func readSecret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the client secret: %w", err)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", fmt.Errorf("read the client secret: file %s is empty", path)
	}
	return secret, nil
}

func (e *env) botCommand() *cobra.Command {
	var account, name, owner string
	create := &cobra.Command{
		Use:   "create --account ID --name NAME --owner ADDRESS",
		Short: "Make a bot",
		Long: `Makes a bot that belongs to a member of the account, and prints its id. Who
owns a bot cannot be removed from the account.`,
		Example: `  roster bot create --account 5f0c... --name "Help desk" --owner bo@example.com`,
		Args:    cobra.NoArgs,
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
