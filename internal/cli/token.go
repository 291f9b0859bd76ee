package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"roster/client"
	"roster/internal/config"
)

// appFlags say as which app to call, and what its tokens are like.
type appFlags struct {
	clientID    string
	secretFile  string
	kind        client.TokenKind
	keyFile     string
	platformJWK string // file
}

func (a *appFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.clientID, "client-id", "", "client id of the app")
	f.StringVar(&a.secretFile, "client-secret-file", "", "file of the app's client secret (default: the secret in ROSTER_CLIENT_SECRET)")
	f.StringVar(&a.kind.Algorithm, "alg", "HS256", "algorithm of the app: "+strings.Join(client.Algorithms(), ", "))
	f.StringVar(&a.keyFile, "key", "", "file of the private key that RS256 and RS512 sign with, as PEM or JWK")
	f.BoolVar(&a.kind.JTI, "jti", false, "give each token an id of its own, good for one call")
	f.StringVar(&a.platformJWK, "jwe-key", "", "file of the host's public JWK, to encrypt the token to")
	f.StringVar(&a.kind.Encryption, "jwe-enc", "", "encryption of the token: "+strings.Join(client.Encryptions(), ", ")+" (default: A256GCM)")
	required(cmd, "client-id")
	completeFiles(cmd, "client-secret-file", "key", "jwe-key")
	completeValues(cmd, "alg", algorithmCompletions()...)
	completeValues(cmd, "jwe-enc", client.Encryptions()...)
}

// keys reads what the app signs with, a client secret or a private key, and
// what its tokens are encrypted to.
func (a *appFlags) keys() (secret string, kind client.TokenKind, err error) {
	kind = a.kind
	if a.platformJWK != "" {
		if kind.PlatformKey, err = os.ReadFile(a.platformJWK); err != nil {
			return "", kind, fmt.Errorf("read the platform's key: %w", err)
		}
	}
	if a.keyFile != "" {
		if kind.PrivateKey, err = os.ReadFile(a.keyFile); err != nil {
			return "", kind, fmt.Errorf("read the private key: %w", err)
		}
	}
	switch {
	case a.secretFile != "":
		secret, err = readSecret(a.secretFile)
		return secret, kind, err
	case strings.HasPrefix(kind.Algorithm, "RS"):
		if a.keyFile == "" {
			return "", kind, usagef("the private key is missing: name its file with --key")
		}
		return "", kind, nil // the secret in the environment is another app's
	}
	if secret = config.ClientSecret(); secret == "" {
		return "", kind, usagef("the client secret is missing: name its file with --client-secret-file or set ROSTER_CLIENT_SECRET")
	}
	return secret, kind, nil
}

func (e *env) tokenCommand() *cobra.Command {
	var app appFlags
	var o client.TokenOptions
	cmd := &cobra.Command{
		Use:   "token --client-id ID",
		Short: "Make a token for the public API",
		Long: `Makes the JWT that goes into the header "auth" of a call to the public API,
signed by the client secret of an app, or by its private key where its algorithm
is RS256 or RS512. It needs no server and no database.

An app with Enforce JTI wants --jti. One with Enforce JWE wants the token
encrypted to the host's public key: --jwe-key names a file with that key as a
JSON Web Key, whose "alg" says how, RSA-OAEP or RSA-OAEP-256.`,
		Example: `  ROSTER_CLIENT_SECRET=... roster token --client-id cs-...
  roster token --client-id cs-... --client-secret-file secret.txt --ttl 5m --jti
  roster token --client-id cs-... --alg RS256 --key private.pem
  roster token --client-id cs-... --client-secret-file secret.txt --jwe-key platform.jwk`,
		Args: wants(),
		RunE: run(func(context.Context, []string) (err error) {
			o.ClientID = app.clientID
			if o.ClientSecret, o.TokenKind, err = app.keys(); err != nil {
				return err
			}
			token, err := client.NewToken(o)
			if err != nil {
				return usageError{err}
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
	return cmd
}
