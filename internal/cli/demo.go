package cli

import (
	"context"

	"github.com/spf13/cobra"

	"roster/internal/demo"
)

func (e *env) demoCommand() *cobra.Command {
	o := demo.Options{Out: e.out, Err: e.err}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a removal on a throw-away server",
		Long: `Serves a throw-away directory with a sample account of a few thousand people,
removes some of them over HTTP, restores one, and prints each request and answer
as they go over the wire. It then stays up, so that you can try your own, until Ctrl-C,
which deletes everything; with --once it ends at once.`,
		Args: wants(),
		RunE: run(func(ctx context.Context, _ []string) error { return demo.Run(ctx, o) }),
	}
	cmd.Flags().BoolVar(&o.Once, "once", false, "end after the story")
	cmd.Flags().StringVar(&o.Addr, "addr", "127.0.0.1:0", "address to listen on; port 0 takes a free one")
	return cmd
}
