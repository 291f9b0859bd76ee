package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"roster/client"
	"roster/internal/config"
)

// appFlags say as which app to call.
type appFlags struct {
	clientID   string
	secretFile string
}

func (a *appFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.clientID, "client-id", "", "client id of the app")
	cmd.Flags().StringVar(&a.secretFile, "client-secret-file", "", "file of the app's client secret (default: the secret in ROSTER_CLIENT_SECRET)")
	required(cmd, "client-id")
	completeFiles(cmd, "client-secret-file")
}

func (a *appFlags) secret() (string, error) {
	if a.secretFile != "" {
		return readSecret(a.secretFile)
	}
	if secret := config.ClientSecret(); secret != "" {
		return secret, nil
	}
	return "", usageError{errors.New("the client secret is missing: name its file with --client-secret-file or set ROSTER_CLIENT_SECRET")}
}

func (e *env) tokenCommand() *cobra.Command {
	var app appFlags
	var o client.TokenOptions
	cmd := &cobra.Command{
		Use:   "token --client-id ID",
		Short: "Make a token for the public API",
		Long: `Makes the JWT that goes into the header "auth" of a call to the public API,
signed with HS256 by the client secret of an app. It needs no server and no
database.`,
		Example: `  ROSTER_CLIENT_SECRET=... roster token --client-id cs-...
  roster token --client-id cs-... --client-secret-file secret.txt --ttl 5m --jti`,
		Args: cobra.NoArgs,
		RunE: run(func(context.Context, []string) (err error) {
			o.ClientID = app.clientID
			if o.ClientSecret, err = app.secret(); err != nil {
				return err
			}
			token, err := client.NewToken(o)
			if err != nil {
				return err
			}
			if !e.json { // a token is plain text everywhere: it is made to be pasted
				_, err := fmt.Fprintln(e.out, token)
				return err
			}
			return e.print(struct {
				Token string `json:"token"`
			}{token}, func(io.Writer) {})
		}),
	}
	app.add(cmd)
	cmd.Flags().DurationVar(&o.TTL, "ttl", 10*time.Minute, "how long the token is valid")
	cmd.Flags().BoolVar(&o.JTI, "jti", false, "give the token an id of its own")
	return cmd
}
