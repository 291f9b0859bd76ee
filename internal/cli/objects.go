package cli

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"roster/internal/directory"
	"roster/internal/roster"
)

// accountCmd is a command about something of an account.
type accountCmd struct {
	env     *env
	account string
}

func (c *accountCmd) add(cmd *cobra.Command) {
	c.env.databaseFlag(cmd)
	cmd.Flags().StringVar(&c.account, "account", "", "id of the account")
	required(cmd, "account")
}

func (c *accountCmd) with(ctx context.Context, fn func(*roster.Roster) error) error {
	return c.env.with(ctx, roster.Options{MustExist: true}, fn)
}

func (c *accountCmd) read(ctx context.Context, fn func(*roster.Roster) error) error {
	return c.env.read(ctx, fn)
}

// pageFlags add --limit and --offset.
func pageFlags(cmd *cobra.Command, page *directory.Page, what string) {
	cmd.Flags().IntVar(&page.Limit, "limit", 50, "most "+what+" to list")
	cmd.Flags().IntVar(&page.Offset, "offset", 0, "page of that many to list, from 0")
}

func checkPage(page directory.Page) error {
	if page.Limit < 1 || page.Offset < 0 {
		return usagef("--limit must be 1 or more, and --offset 0 or more")
	}
	return nil
}

// writePage writes the table of a page of a list of things.
func writePage(w io.Writer, width int, header []string, rows [][]string, total int, what string) {
	if len(rows) == 0 {
		fmt.Fprintf(w, "None of the account's %s is on this page.\n", plural(total, what))
		return
	}
	writeTable(w, width, header, rows)
	if total > len(rows) {
		fmt.Fprintf(w, "%d of %s; --offset turns the page.\n", len(rows), plural(total, what))
	}
}

// pageJSON is a page of a list in results, its items under a key of their own.
func pageJSON(key string, total int, more bool, items any) map[string]any {
	return map[string]any{"total": total, "availableMore": more, key: items}
}

// printChanged says of a thing, by its id, whether it was changed.
func (e *env) printChanged(key, id string, changed bool, done, already string) error {
	return e.print(map[string]any{key: id, "changed": changed}, func(w io.Writer) {
		if !changed {
			done = already
		}
		fmt.Fprintln(w, printable(done))
	})
}

// refs are users of whom a command was told, for a verb.
func (n *naming) refs(e *env, args []string, some bool) ([]directory.UserRef, error) {
	if len(args) == 0 && n.from == "" {
		if some {
			return nil, usagef("nobody is named: give addresses or --from FILE")
		}
		return nil, nil
	}
	ids, skipped, err := n.collect(e, args)
	if err != nil {
		return nil, err
	}
	if len(skipped) > 0 {
		return nil, fmt.Errorf("%s: line %d: %s", n.from, skipped[0].Line, skipped[0].Reason)
	}
	refs := make([]directory.UserRef, len(ids))
	for i, id := range ids {
		refs[i].Text = id
		if n.orgIDs {
			refs[i].Kind = directory.ByOrgUserID
		}
	}
	return refs, nil
}

// fields writes names and values in two columns.
func fields(w io.Writer, pairs ...string) {
	width := 0
	for pair := range slices.Chunk(pairs, 2) {
		width = max(width, len(pair[0]))
	}
	for pair := range slices.Chunk(pairs, 2) {
		fmt.Fprintf(w, "%-*s  %s\n", width, pair[0], printable(pair[len(pair)-1]))
	}
}

// orNone is a text, or "none".
func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
