package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
)

func (e *env) groupCommand() *cobra.Command {
	return group("group", "Make groups, and put people and groups into them",
		e.groupCreateCommand(), e.groupListCommand(), e.groupShowCommand(), e.groupRenameCommand(), e.groupDescribeCommand(),
		e.groupDeleteCommand(),
		e.groupUsersCommand(groupUsers{
			use: "add", short: "Put users into a group", done: "added",
			long:   "Puts users into a group: all who are named or, when one is no user of the account,\nnobody. Who is in it already is no failure.",
			change: (*roster.Roster).AddToGroup,
		}),
		e.groupUsersCommand(groupUsers{
			use: "remove", short: "Take users out of a group", done: "removed",
			long:   "Takes users out of a group: all who are named or, when one is no user of the\naccount, nobody. Who is not in it is no failure. They stay users of the account.",
			change: (*roster.Roster).RemoveFromGroup,
		}),
		e.groupNestCommand("nest", "Put a group into another",
			"Puts a group into another. Who is in the first then has the roles of the other,\ntoo. A group can be in several others, but never within itself.",
			"is in", "was already in", (*roster.Roster).NestGroup),
		e.groupNestCommand("unnest", "Take a group out of another",
			"Takes a group out of another. Who is in the first then lacks the roles of the\nother.",
			"is no longer in", "was not in", (*roster.Roster).UnnestGroup),
	)
}

const groupHelp = `GROUP is the name of a group, or its id.`

func (e *env) groupCreateCommand() *cobra.Command {
	c := &accountCmd{env: e}
	var names naming
	var g roster.NewGroup
	cmd := &cobra.Command{
		Use:   "create --account ID --name NAME [ADDRESS ...]",
		Short: "Make a group",
		Long: `Makes a group of users of the account, or an empty one, and prints its id.

` + namingHelp,
		Example: `  roster group create --account 5f0c... --name Staff ann@example.com bo@example.com
  roster group create --account 5f0c... --name Everybody --from people.csv`,
		RunE: run(func(ctx context.Context, args []string) (err error) {
			if g.Members, err = names.refs(e, args, false); err != nil {
				return err
			}
			return c.with(ctx, func(r *roster.Roster) error {
				id, err := r.MakeGroup(ctx, auth.Operator(), c.account, g)
				if err != nil {
					return err
				}
				return e.print(struct {
					GroupID string `json:"groupId"`
				}{id}, func(w io.Writer) { fmt.Fprintf(w, "Group %s\n", id) })
			})
		}),
	}
	c.add(cmd)
	names.add(cmd)
	cmd.Flags().StringVar(&g.Name, "name", "", "name of the group")
	cmd.Flags().StringVar(&g.Description, "description", "", "what the group is for")
	required(cmd, "name")
	return cmd
}

// groupJSON is a group in results.
type groupJSON struct {
	ID          string   `json:"groupId"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Users       int      `json:"users"`
	Nested      []string `json:"nested"` // names
	Created     string   `json:"createdOn"`
}

func newGroupJSON(g *directory.GroupEntry, users int) groupJSON {
	return groupJSON{g.PublicID, g.Name, g.Description, users, namesOf(g.Nested), timeText(g.Created)}
}

func namesOf(groups []directory.Group) []string {
	names := make([]string, len(groups))
	for i := range groups {
		names[i] = groups[i].Name
	}
	return names
}

func (e *env) groupListCommand() *cobra.Command {
	c := &accountCmd{env: e}
	var page directory.Page
	cmd := &cobra.Command{
		Use:     "list --account ID",
		Short:   "List the groups of an account",
		Long:    `Lists the groups of an account in the order in which they were made.`,
		Example: `  roster group list --account 5f0c...`,
		Args:    wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			if err := checkPage(page); err != nil {
				return err
			}
			var list directory.List[directory.GroupEntry]
			var users []int
			err := c.read(ctx, func(r *roster.Roster) (err error) {
				if list, err = r.Groups(ctx, auth.Operator(), c.account, page); err != nil {
					return err
				}
				users = make([]int, len(list.Items))
				ids := make([]directory.GroupID, len(list.Items))
				for i := range ids {
					ids[i] = list.Items[i].ID
				}
				return r.EachGroupUser(ctx, auth.Operator(), c.account, ids, func(at int, some []directory.Member) error {
					users[at] += len(some)
					return nil
				})
			})
			if err != nil {
				return err
			}
			items := make([]groupJSON, len(list.Items))
			rows := make([][]string, len(items))
			for i := range items {
				items[i] = newGroupJSON(&list.Items[i], users[i])
				rows[i] = []string{items[i].ID, strconv.Itoa(users[i]), strconv.Itoa(len(items[i].Nested)), items[i].Name, items[i].Created}
			}
			return e.print(pageJSON("groups", list.Total, list.More, items), func(w io.Writer) {
				writePage(w, e.width(), []string{"GROUP", "USERS", "GROUPS", "NAME", "CREATED"}, rows, list.Total, "group")
			})
		}),
	}
	c.add(cmd)
	pageFlags(cmd, &page, "groups")
	return cmd
}

func (e *env) groupRenameCommand() *cobra.Command {
	return e.groupUpdateCommand("rename GROUP NAME", "Give a group another name", "NAME",
		`  roster group rename --account 5f0c... Staff "Support staff"`,
		func(text *string) roster.GroupChange { return roster.GroupChange{Name: text} })
}

func (e *env) groupDescribeCommand() *cobra.Command {
	return e.groupUpdateCommand("describe GROUP TEXT", "Say what a group is for", "TEXT",
		`  roster group describe --account 5f0c... Staff "Everybody who answers customers"`,
		func(text *string) roster.GroupChange { return roster.GroupChange{Description: text} })
}

func (e *env) groupUpdateCommand(use, short, what, example string, change func(*string) roster.GroupChange) *cobra.Command {
	c := &accountCmd{env: e}
	cmd := &cobra.Command{
		Use: use, Short: short, Long: short + ".\n\n" + groupHelp, Example: example,
		Args: wants("GROUP", what),
		RunE: run(func(ctx context.Context, args []string) error {
			return c.with(ctx, func(r *roster.Roster) error {
				g, err := r.FindGroup(ctx, auth.Operator(), c.account, args[0])
				if err != nil {
					return err
				}
				changed, err := r.UpdateGroup(ctx, auth.Operator(), c.account, g.PublicID, change(&args[1]))
				if err != nil {
					return err
				}
				return e.printChanged("groupId", g.PublicID, changed, "The group "+g.PublicID+" is updated.", "The group "+g.PublicID+" is so already.")
			})
		}),
	}
	c.add(cmd)
	return cmd
}

// groupUsers is a command that puts users into a group, or takes them out.
type groupUsers struct {
	use, short, long, done string
	change                 func(*roster.Roster, context.Context, auth.Caller, string, string, []directory.UserRef) (int, error)
}

func (e *env) groupUsersCommand(g groupUsers) *cobra.Command {
	c := &accountCmd{env: e}
	var names naming
	cmd := &cobra.Command{
		Use:     g.use + " --account ID GROUP ADDRESS ...",
		Short:   g.short,
		Long:    g.long + "\n\n" + groupHelp + "\n\n" + namingHelp,
		Example: "  roster group " + g.use + " --account 5f0c... Staff ann@example.com\n  roster group " + g.use + " --account 5f0c... Staff --from people.csv",
		Args:    wantsSome("GROUP", "ADDRESS ..."),
		RunE: run(func(ctx context.Context, args []string) error {
			users, err := names.refs(e, args[1:], true)
			if err != nil {
				return err
			}
			return c.with(ctx, func(r *roster.Roster) error {
				found, err := r.FindGroup(ctx, auth.Operator(), c.account, args[0])
				if err != nil {
					return err
				}
				n, err := g.change(r, ctx, auth.Operator(), c.account, found.PublicID, users)
				if err != nil {
					return err
				}
				return e.print(map[string]any{"groupId": found.PublicID, "requested": len(users), g.done: n}, func(w io.Writer) {
					fmt.Fprintf(w, "%d of %s %s.\n", n, plural(len(users), "user"), g.done)
				})
			})
		}),
	}
	c.add(cmd)
	names.add(cmd)
	return cmd
}

func (e *env) groupNestCommand(use, short, long, done, already string,
	change func(*roster.Roster, context.Context, auth.Caller, string, string, string) (bool, error),
) *cobra.Command {
	c := &accountCmd{env: e}
	cmd := &cobra.Command{
		Use:     use + " --account ID GROUP OTHER",
		Short:   short,
		Long:    long + "\n\nGROUP and OTHER are names of groups, or ids.",
		Example: "  roster group " + use + " --account 5f0c... Sales Staff",
		Args:    wants("GROUP", "OTHER"),
		RunE: run(func(ctx context.Context, args []string) error {
			return c.with(ctx, func(r *roster.Roster) error {
				child, err := r.FindGroup(ctx, auth.Operator(), c.account, args[0])
				if err != nil {
					return err
				}
				parent, err := r.FindGroup(ctx, auth.Operator(), c.account, args[1])
				if err != nil {
					return err
				}
				changed, err := change(r, ctx, auth.Operator(), c.account, child.PublicID, parent.PublicID)
				if err != nil {
					return err
				}
				return e.printChanged("groupId", child.PublicID, changed, "The group "+child.Name+" "+done+" "+parent.Name+".", "The group "+child.Name+" "+already+" "+parent.Name+".")
			})
		}),
	}
	c.add(cmd)
	return cmd
}
