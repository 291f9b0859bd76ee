package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"roster/client"
)

// apiBatch is how many users go into one call of the public API: enough for its
// cost not to matter, and few enough for progress to be seen.
const apiBatch = 10_000

// apiFlags say which host to call, and as which app.
type apiFlags struct {
	app  appFlags
	host string
}

func (a *apiFlags) add(cmd *cobra.Command) {
	a.app.add(cmd)
	cmd.Flags().StringVar(&a.host, "host", "", "URL of the host, such as https://users.example.com")
	required(cmd, "host")
}

// once makes each call once: a person sees what is wrong, and can give the command
// again.
var once = client.Retry{Attempts: 1}

// client makes a client of the flags, which waits by the clock of e.
func (a *apiFlags) client(retry client.Retry, e *env) (*client.Client, error) {
	secret, kind, err := a.app.keys()
	if err != nil {
		return nil, err
	}
	api, err := client.New(client.Config{
		Host: a.host, ClientID: a.app.clientID, ClientSecret: secret, TokenKind: kind, Retry: retry, Now: e.now, Sleep: e.sleep,
	})
	if err != nil {
		return nil, usageError{err}
	}
	return api, nil
}

// inBatches passes the ids to fn, at most size of them at a time, until it
// fails, and shows a person how far that has come.
func (e *env) inBatches(ctx context.Context, what string, ids []string, size int, fn func(ctx context.Context, batch []string) error) error {
	bar := e.progress(what, len(ids))
	defer bar.end()
	done := 0
	for batch := range slices.Chunk(ids, size) {
		if err := fn(ctx, batch); err != nil {
			return err
		}
		done += len(batch)
		bar.at(done)
	}
	return nil
}
