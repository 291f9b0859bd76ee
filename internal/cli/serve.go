package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"roster/internal/directory"
	"roster/internal/outfile"
	"roster/internal/publicapi"
	"roster/internal/roster"
	"roster/internal/server"
)

func (e *env) serveCommand() *cobra.Command {
	var cfg server.Config
	var window time.Duration
	var chunk int
	rates := limitsFlag(directory.DefaultRateLimits())
	failures := limitsFlag(publicapi.DefaultFailureLimit())
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the public API and the Admin Console",
		Long: `Serves the public API at /api/public, its OpenAPI document at /openapi.yaml, the
Admin Console at /console, and /healthz and /readyz for whoever watches over it,
until it gets SIGINT or SIGTERM. It then finishes the calls that it has accepted;
a second signal ends it at once.

As long as nobody has a password for the console, it prints a link by which the
owner of the oldest account sets theirs. It works once and for an hour.
'roster console link' makes more.

A new database is set up and an old one is brought up to date. A SQLite database
has one server: a second one is refused. The log goes to standard error, as JSON
unless that is a terminal.`,
		Example: `  roster serve
  roster serve --addr 127.0.0.1:9000 --database /var/lib/roster/roster.db
  roster serve --addr :8443 --tls-cert fullchain.pem --tls-key privkey.pem
  roster serve --database postgres://roster@db.example.com/roster`,
		Args: wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			if err := errors.Join(checkServe(&cfg, chunk), e.checkServeFiles(&cfg)); err != nil {
				return err
			}
			cfg.Log = e.logger()
			cfg.Roster = roster.Options{
				Database: e.database, SecretKeyFile: e.secretKeyFile,
				RateLimits: directory.RateLimits(rates), JobChunk: chunk,
			}
			if window < 0 {
				return usagef("--restore-window must not be negative")
			}
			cfg.Roster.RestoreWindow, cfg.Roster.EraseAtOnce = window, window == 0
			cfg.Limits.Failures = directory.RateLimits(failures)
			return e.serve(ctx, cfg)
		}),
	}
	e.databaseFlag(cmd)
	e.secretKeyFlag(cmd)
	cmd.Flags().StringVar(&cfg.Addr, "addr", "127.0.0.1:8080", "address to listen on")
	cmd.Flags().StringVar(&cfg.MetricsAddr, "metrics-addr", "", "address to serve Prometheus metrics at, as /metrics (default: nowhere)")
	cmd.Flags().StringVar(&cfg.TLSCert, "tls-cert", "", "file of a certificate chain in PEM, to serve HTTPS; read again when it changes")
	cmd.Flags().StringVar(&cfg.TLSKey, "tls-key", "", "file of the certificate's key in PEM")
	completeFiles(cmd, "tls-cert", "tls-key")
	cmd.Flags().DurationVar(&window, "restore-window", roster.DefaultRestoreWindow, "how long removals can be undone before their users are erased; "+
		"0 erases at once. Lengthens the time of removals that were made before, and never shortens it")
	cmd.Flags().StringVar(&cfg.Checkpoints.File, "audit-checkpoint", "", "file to which signed ends of the audit log are appended (default: none)")
	cmd.Flags().DurationVar(&cfg.Checkpoints.Every, "audit-checkpoint-every", time.Hour, "how often")
	cmd.Flags().StringVar(&cfg.Erasures, "erasures", "", "file of the list of erasures, kept with the backups, which grows with each (default: none)")
	completeFiles(cmd, "audit-checkpoint", "erasures")
	cmd.Flags().Var(&rates, "rate-limit", "calls of an account within the last second (s), minute (m) or hour (h), unless it has limits of its own; or off")
	cmd.Flags().Var(&failures, "auth-failure-limit", "refused credentials of one client address; or off")
	cmd.Flags().Var((*proxiesFlag)(&cfg.Limits.Proxies), "trusted-proxies", "networks whose X-Forwarded-For is believed, such as 10.0.0.0/8,::1")
	cmd.Flags().IntVar(&cfg.Limits.MaxIDs, "max-ids", publicapi.DefaultMaxIDs, "most users that one call may name")
	cmd.Flags().Int64Var(&cfg.Limits.MaxBody, "max-body", publicapi.DefaultMaxBody, "largest body of a call, in bytes")
	cmd.Flags().IntVar(&cfg.Limits.MaxJobIDs, "max-job-ids", publicapi.DefaultMaxJobIDs, "most users that one job may name")
	cmd.Flags().Int64Var(&cfg.Limits.MaxJobBody, "max-job-body", publicapi.DefaultMaxJobBody, "largest body of a call that asks for a job, in bytes")
	cmd.Flags().IntVar(&chunk, "job-chunk", roster.DefaultJobChunk, "most users that a job removes in one transaction")
	cmd.Flags().DurationVar(&cfg.Limits.CallTimeout, "call-timeout", publicapi.DefaultCallTimeout,
		"how long the database may take for a call before it is answered by 503; a COMMIT that has begun gets 10s more")
	cmd.Flags().Int64Var(&cfg.Limits.MaxBodies, "max-bodies", 0,
		"bytes of bodies that all calls together hold at once; 0 for 16 times --max-body")
	return cmd
}

// serve starts a server, says how its owner gets in, and runs it.
func (e *env) serve(ctx context.Context, cfg server.Config) error {
	s, err := server.New(ctx, cfg)
	if err != nil {
		return err
	}
	if err := e.firstLink(ctx, s); err != nil {
		cfg.Log.Warn("no link to set the owner's password was made: see 'roster console link'", "error", err)
	}
	return s.Run(ctx)
}

// checkServe refuses settings that no server can have.
func checkServe(cfg *server.Config, chunk int) error {
	if cfg.Limits.MaxIDs < 1 || cfg.Limits.MaxBody < 1 {
		return usagef("--max-ids and --max-body must be 1 or more")
	}
	if cfg.Limits.MaxJobIDs < 1 || cfg.Limits.MaxJobBody < 1 || chunk < 1 {
		return usagef("--max-job-ids, --max-job-body and --job-chunk must be 1 or more")
	}
	if least := 2 * cfg.Limits.MaxBody; cfg.Limits.MaxBodies != 0 && cfg.Limits.MaxBodies < least {
		return usagef("--max-bodies must be 0 or at least twice --max-body: %d", least)
	}
	if cfg.Limits.CallTimeout < time.Second {
		return usagef("--call-timeout must be 1s or more")
	}
	if cfg.Checkpoints.Every < time.Second {
		return usagef("--audit-checkpoint-every must be 1s or more")
	}
	if (cfg.TLSCert == "") != (cfg.TLSKey == "") {
		return usagef("--tls-cert and --tls-key go together")
	}
	return nil
}

// checkServeFiles refuses files to append to that are the same, or that the server
// needs for something else.
func (e *env) checkServeFiles(cfg *server.Config) error {
	used := []string{cfg.TLSCert, cfg.TLSKey, e.secretKeyFile}
	if !strings.Contains(e.database, "://") {
		used = append(append(used, e.database), outfile.Companions(e.database)...)
	}
	for _, path := range []string{cfg.Checkpoints.File, cfg.Erasures} {
		if path == "" {
			continue
		}
		if err := outfile.Check(path, used...); err != nil {
			return err
		}
		used = append(used, path, path+".lock")
	}
	return nil
}

// logger writes for people on a terminal and for programs elsewhere.
func (e *env) logger() *slog.Logger {
	if isTerminal(e.err) {
		return slog.New(slog.NewTextHandler(e.err, nil))
	}
	return slog.New(slog.NewJSONHandler(e.err, nil))
}

func (e *env) migrateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Set up a database or bring an old one up to date",
		Long: `Sets up an empty database, or brings one of an earlier version up to date.
'roster serve' does the same when it starts. 'roster account create' sets up an
empty database, and 'roster db restore' brings a backup up to date. No other
command changes a schema.`,
		Args: wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			return e.with(ctx, roster.Options{Migration: roster.MigrateAll}, func(r *roster.Roster) error {
				if err := r.Ready(ctx); err != nil {
					return err
				}
				return e.print(struct {
					Engine string `json:"database"`
					Ready  bool   `json:"ready"`
				}{r.Engine(), true}, func(w io.Writer) { fmt.Fprintln(w, "The database is up to date.") })
			})
		}),
	}
	e.databaseFlag(cmd)
	return cmd
}
