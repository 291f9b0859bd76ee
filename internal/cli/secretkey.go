package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/roster"
)

func (e *env) secretKeyCommand() *cobra.Command {
	return group("secret-key", "Look after the key that seals secrets",
		e.secretKeyRotateCommand(), e.secretKeyAddCommand(), e.secretKeyShowCommand())
}

func (e *env) secretKeyRotateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Change to another secret key, while servers run",
		Long: `Makes a new secret key, or takes the one that 'roster secret-key add' left in
the key file, and seals all secrets of the database anew with it. The old key
is then taken out of the file; keep it with the backups of its time.

Servers on this machine go on and notice by themselves. With servers on other
machines run 'roster secret-key add' first and copy the key file to all of
them; copy it once more when the rotation is done. A rotation that was
interrupted goes on when this is run again.

A key file serves one database: others would lose their key.`,
		Example: `  roster secret-key rotate --database /var/lib/roster/roster.db`,
		Args:    wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			return e.with(ctx, roster.Options{MustExist: true, Secrets: true}, func(r *roster.Roster) error {
				done, err := r.RotateSecretKey(ctx, auth.Operator())
				if err != nil {
					return err
				}
				return e.print(done, func(w io.Writer) {
					if done.Resumed {
						fmt.Fprintln(w, "An earlier rotation was not finished. It is now, and no other was begun.")
					}
					fmt.Fprintf(w, "Secret key %d, %s, seals all secrets: %d were sealed anew.\n", done.Version, done.Fingerprint, done.Resealed)
					if len(done.Dropped) > 0 {
						fmt.Fprintf(w, "Taken out of the key file: %s\n", strings.Join(done.Dropped, ", "))
					}
				})
			})
		}),
	}
	e.databaseFlag(cmd)
	e.secretKeyFlag(cmd)
	return cmd
}

func (e *env) secretKeyAddCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Put a new key into the key file, for the next rotation",
		Long: `Puts a new key into the key file and uses it for nothing yet, so that the file
can be copied to all machines before 'roster secret-key rotate'. When a new key
waits there already, no other is made.`,
		Args: wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			return e.with(ctx, roster.Options{MustExist: true, Secrets: true}, func(r *roster.Roster) error {
				fingerprint, added, err := r.AddSecretKey(ctx, auth.Operator())
				if err != nil {
					return err
				}
				return e.print(struct {
					Fingerprint string `json:"fingerprint"`
					Added       bool   `json:"added"`
				}{fingerprint, added}, func(w io.Writer) {
					if added {
						fmt.Fprintf(w, "The key %s is in the file now. Copy the file to all machines, then run 'roster secret-key rotate'.\n", fingerprint)
					} else {
						fmt.Fprintf(w, "The key %s waits in the file already.\n", fingerprint)
					}
				})
			})
		}),
	}
	e.databaseFlag(cmd)
	e.secretKeyFlag(cmd)
	return cmd
}

func (e *env) secretKeyShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show",
		Short: "List the secret keys by their fingerprints",
		Long: `Lists the current secret key, older ones that still seal secrets, and those in
the key file, by their fingerprints, which give nothing away. It works without
the file too, to find out which key is missing.`,
		Args: wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			return e.read(ctx, func(r *roster.Roster) error {
				keys, err := r.SecretKeys(ctx, auth.Operator())
				if err != nil {
					return err
				}
				return e.print(keys, func(w io.Writer) { e.writeKeys(w, keys) })
			})
		}),
	}
	e.databaseFlag(cmd)
	e.secretKeyFlag(cmd)
	return cmd
}

func (e *env) writeKeys(w io.Writer, keys []roster.KeyInfo) {
	rows := make([][]string, len(keys))
	for i, k := range keys {
		version, since, inFile := "", "", "no"
		if k.Version > 0 {
			version, since = strconv.Itoa(k.Version), timeText(k.Created)
		}
		if k.InFile {
			inFile = "yes"
		}
		rows[i] = []string{version, string(k.State), since, strconv.Itoa(k.Seals), k.Fingerprint, inFile}
	}
	writeTable(w, e.width(), []string{"VERSION", "STATE", "SINCE", "SEALS", "FINGERPRINT", "IN FILE"}, rows)
}

func (e *env) platformKeyCommand() *cobra.Command {
	show := &cobra.Command{
		Use:   "show",
		Short: "Print the platform's public key",
		Long: `Prints the public half of the platform's RSA key as a JSON Web Key (RFC 7517).
Apps with Enforce JWE encrypt their tokens to it. The key is made when it is
first asked for, and never changes.`,
		Example: `  roster platform-key show > platform.jwk`,
		Args:    wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			return e.with(ctx, roster.Options{MustExist: true, Secrets: true}, func(r *roster.Roster) error {
				jwk, err := r.PlatformKey(ctx, auth.Operator())
				if err != nil {
					return err
				}
				// JSON everywhere: it is made to be kept in a file.
				_, err = fmt.Fprintln(e.out, string(jwk))
				return err
			})
		}),
	}
	e.databaseFlag(show)
	e.secretKeyFlag(show)
	return group("platform-key", "Show the key that tokens are encrypted to", show)
}
