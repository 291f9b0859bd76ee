package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
)

func (e *env) appCommand() *cobra.Command {
	return group("app", "Make and look after client apps",
		e.appCreateCommand(), e.appListCommand(), e.appShowCommand(), e.appUpdateCommand(),
		e.appStateCommand(appState{
			use: "enable", short: "Let a disabled app call again", done: "enabled", set: (*roster.Roster).EnableApp,
			long: `Lets a disabled app call again, with the secrets and scopes that it had.`,
		}),
		e.appStateCommand(appState{
			use: "disable", short: "Refuse all calls of an app until it is enabled", done: "disabled", set: (*roster.Roster).DisableApp,
			long: `Refuses all calls of an app, on every server, from the next one on. Its secrets
and scopes stay, and 'roster app enable' undoes it.`,
		}),
		e.appStateCommand(appState{
			use: "delete", short: "End an app for good", done: "deleted", set: (*roster.Roster).DeleteApp,
			long: `Refuses all calls of an app, on every server, from the next one on, and erases its
secrets and scopes. It cannot be undone, and its client id cannot be used again.
What it has done stays in the audit log.`,
		}),
		group("scope", "Give scopes to an app or take them from it", e.scopeAddCommand(), e.scopeRemoveCommand()),
		group("secret", "Change an app's client secret or public key", e.secretAddCommand(), e.secretRetireCommand(), e.secretListCommand()),
	)
}

const scopeHelp = `A scope is given by its label or by its stored name:
  User Management > User Management          user_management:user_management
  Profile Management > Role Management       role_management:role_management
  Profile Management > Delete Users Data     delete:delete_user_data
  Logs > Admin Console Audit Logs            logs:admin_console_audit_logs`

func (e *env) appCreateCommand() *cobra.Command {
	var account, origin, algorithm string
	var scopes []string
	var key keyFiles
	var app roster.NewApp
	cmd := &cobra.Command{
		Use:   "create --account ID --name NAME --scope SCOPE ...",
		Short: "Make a client app",
		Long: `Makes a client app of an account, and prints its client id and its client
secret. The secret cannot be shown again: keep it. An app with RS256 or RS512 has
no secret: it signs with a private key of its own, and --public-key names the
file of the public half.

` + scopeHelp,
		Example: `  roster app create --account 5f0c... --name Offboarding --scope "User Management > User Management"
  roster app create --account 5f0c... --name HR --scope user_management:user_management \
    --algorithm RS256 --public-key hr.pem --must-expire`,
		Args: wants(),
		RunE: run(func(ctx context.Context, _ []string) (err error) {
			if app.Scopes, err = parseScopes(scopes); err != nil {
				return usageError{err}
			}
			if app.Origin, err = directory.ParseOrigin(origin); err != nil {
				return usageError{err}
			}
			if app.Algorithm, err = directory.ParseAlgorithm(algorithm); err != nil {
				return usageError{err}
			}
			if app.ClientSecret, app.PublicKey, err = key.read(); err != nil {
				return err
			}
			return e.with(ctx, roster.Options{MustExist: true, Secrets: true}, func(r *roster.Roster) error {
				id, secret, err := r.CreateApp(ctx, auth.Operator(), account, app)
				if err != nil {
					return err
				}
				return e.print(struct {
					ClientID     string `json:"clientId"`
					ClientSecret string `json:"clientSecret,omitempty"`
				}{id, secret}, func(w io.Writer) {
					fmt.Fprintf(w, "Client id      %s\n", id)
					writeSecret(w, secret)
				})
			})
		}),
	}
	e.databaseFlag(cmd)
	e.secretKeyFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&account, "account", "", "id of the account")
	f.StringVar(&app.Name, "name", "", "name of the app")
	f.StringArrayVar(&scopes, "scope", nil, "scope of the app; give it again for more")
	f.StringVar(&origin, "origin", string(directory.OriginAdminConsole), "where the app counts as made: admin-console or bot-builder")
	f.StringVar(&app.ClientID, "client-id", "", "client id brought along from elsewhere (default: a new one)")
	f.StringVar(&algorithm, "algorithm", string(directory.HS256), "how it signs its tokens: HS256, HS512, RS256 or RS512")
	policyFlags(f, &app.Policy)
	key.add(cmd)
	required(cmd, "account", "name", "scope")
	completeValues(cmd, "scope", scopeCompletions()...)
	completeValues(cmd, "origin", originCompletions()...)
	completeValues(cmd, "algorithm", algorithmCompletions()...)
	return cmd
}

// policyFlags adds what an app can demand of its tokens.
func policyFlags(f *pflag.FlagSet, p *directory.AppPolicy) {
	f.BoolVar(&p.MustExpire, "must-expire", false, "refuse its tokens that have no exp")
	f.BoolVar(&p.EnforceJTI, "enforce-jti", false, "refuse its tokens that have no jti, which makes a token good for one call")
	f.BoolVar(&p.EnforceJWE, "enforce-jwe", false, "refuse its tokens that are not encrypted to the platform's key")
}

// keyFiles name the key of an app that is brought along.
type keyFiles struct{ secret, public string }

func (k *keyFiles) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&k.secret, "client-secret-file", "", "file of a client secret brought along (default: a new one)")
	cmd.Flags().StringVar(&k.public, "public-key", "", "file of the RSA public key of an app with RS256 or RS512, as PEM or JWK")
	completeFiles(cmd, "client-secret-file", "public-key")
}

func (k *keyFiles) read() (secret string, public []byte, err error) {
	if k.secret != "" {
		if secret, err = readSecret(k.secret); err != nil {
			return "", nil, err
		}
	}
	if k.public != "" {
		if public, err = os.ReadFile(k.public); err != nil {
			return "", nil, fmt.Errorf("read the public key: %w", err)
		}
	}
	return secret, public, nil
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

// writeSecret shows a client secret, unless the app has none.
func writeSecret(w io.Writer, secret string) {
	if secret != "" {
		fmt.Fprintf(w, "Client secret  %s\nKeep the secret: it cannot be shown again.\n", secret)
	}
}

func (e *env) appUpdateCommand() *cobra.Command {
	var name string
	var policy directory.AppPolicy
	cmd := &cobra.Command{
		Use:   "update CLIENT_ID",
		Short: "Change an app's name, or what it demands of its tokens",
		Long: `Changes what is named and leaves the rest. It holds from the app's next call on:
let whoever signs its tokens follow a demand before you make it. The algorithm
stays: make another app for another one.`,
		Example: `  roster app update cs-... --name "HR offboarding" --must-expire
  roster app update cs-... --enforce-jti=false`,
		Args: wants("CLIENT_ID"),
	}
	e.databaseFlag(cmd)
	e.secretKeyFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "new name of the app")
	policyFlags(f, &policy)
	cmd.RunE = run(func(ctx context.Context, args []string) error {
		var change roster.AppChange
		for flag, set := range map[string]func(){
			"name":        func() { change.Name = &name },
			"must-expire": func() { change.MustExpire = &policy.MustExpire },
			"enforce-jti": func() { change.EnforceJTI = &policy.EnforceJTI },
			"enforce-jwe": func() { change.EnforceJWE = &policy.EnforceJWE },
		} {
			if f.Changed(flag) {
				set()
			}
		}
		if change == (roster.AppChange{}) {
			return usagef("nothing is changed: give --name, --must-expire, --enforce-jti or --enforce-jwe")
		}
		o := roster.Options{MustExist: true, Secrets: policy.EnforceJWE} // which wants the platform's key
		return e.changeApp(ctx, o, args[0], "is updated", "is so already", func(r *roster.Roster) (bool, error) {
			return r.UpdateApp(ctx, auth.Operator(), args[0], change)
		})
	})
	return cmd
}

// appState is a command that takes an app to another state.
type appState struct {
	use, short, long string
	done             string // the state
	set              func(*roster.Roster, context.Context, auth.Caller, string) (bool, error)
}

func (e *env) appStateCommand(s appState) *cobra.Command {
	cmd := &cobra.Command{
		Use:     s.use + " CLIENT_ID",
		Short:   s.short,
		Long:    s.long,
		Example: "  roster app " + s.use + " cs-...",
		Args:    wants("CLIENT_ID"),
		RunE: run(func(ctx context.Context, args []string) error {
			return e.changeApp(ctx, roster.Options{MustExist: true}, args[0], "is "+s.done, "was "+s.done+" already", func(r *roster.Roster) (bool, error) {
				return s.set(r, ctx, auth.Operator(), args[0])
			})
		}),
	}
	e.databaseFlag(cmd)
	return cmd
}

// changeApp runs a verb that changes an app. It says that the app is done, or was
// so already, which is no failure.
func (e *env) changeApp(ctx context.Context, o roster.Options, clientID, done, already string, change func(*roster.Roster) (bool, error)) error {
	return e.with(ctx, o, func(r *roster.Roster) error {
		changed, err := change(r)
		if err != nil {
			return err
		}
		return e.print(struct {
			ClientID string `json:"clientId"`
			Changed  bool   `json:"changed"`
		}{clientID, changed}, func(w io.Writer) {
			if !changed {
				done = already
			}
			fmt.Fprintf(w, "The app %s %s.\n", clientID, done)
		})
	})
}

func (e *env) scopeAddCommand() *cobra.Command {
	return e.scopeCommand("add", "Give scopes to an app",
		"Gives scopes to an app, which holds from its next call on.", "added", (*roster.Roster).AddScopes)
}

func (e *env) scopeRemoveCommand() *cobra.Command {
	return e.scopeCommand("remove", "Take scopes from an app",
		"Takes scopes from an app, which holds from its next call on, on every server.", "removed", (*roster.Roster).RemoveScopes)
}

func (e *env) scopeCommand(use, short, long, done string,
	change func(*roster.Roster, context.Context, auth.Caller, string, []directory.Scope) ([]directory.Scope, error),
) *cobra.Command {
	cmd := &cobra.Command{
		Use:     use + " CLIENT_ID SCOPE ...",
		Short:   short,
		Long:    long + "\n\n" + scopeHelp,
		Example: `  roster app scope ` + use + ` cs-... "User Management > User Management"`,
		Args:    wants("CLIENT_ID", "SCOPE ..."),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return scopeCompletions(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: run(func(ctx context.Context, args []string) error {
			scopes, err := parseScopes(args[1:])
			if err != nil {
				return usageError{err}
			}
			return e.with(ctx, roster.Options{MustExist: true}, func(r *roster.Roster) error {
				changed, err := change(r, ctx, auth.Operator(), args[0], scopes)
				if err != nil {
					return err
				}
				if changed == nil {
					changed = []directory.Scope{} // an array also when it is empty
				}
				return e.print(map[string]any{"clientId": args[0], done: changed}, func(w io.Writer) {
					for _, s := range changed {
						fmt.Fprintf(w, "%s: %s\n", s.Label(), done)
					}
					if len(changed) == 0 {
						fmt.Fprintf(w, "The app %s is so already: no scope was %s.\n", args[0], done)
					}
				})
			})
		}),
	}
	e.databaseFlag(cmd)
	return cmd
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
