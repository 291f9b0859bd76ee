package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
)

// groupDetailsJSON is a group with all that there is to it.
type groupDetailsJSON struct {
	groupJSON
	In    []string    `json:"in"` // names of the groups in which it is nested
	Roles []grantJSON `json:"roles"`
	// Members are there when they were asked for.
	Members []groupUserJSON `json:"members,omitempty"`
}

// grantJSON is a role that a group has.
type grantJSON struct {
	RoleID  string `json:"roleId"`
	Role    string `json:"role"`
	Kind    string `json:"kind"`
	BotID   string `json:"botId,omitempty"`
	BotName string `json:"botName,omitempty"`
}

// groupUserJSON is somebody who is in a group.
type groupUserJSON struct {
	EmailID   string `json:"emailId"`
	UserID    string `json:"userId"`
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
	Status    string `json:"status"`
}

func (e *env) groupShowCommand() *cobra.Command {
	c := &accountCmd{env: e}
	var users bool
	cmd := &cobra.Command{
		Use:   "show --account ID GROUP",
		Short: "Show a group",
		Long: `Shows a group: how many users are in it, which groups are nested in it, in which
it is nested itself, and which roles it was given. With --users, also who is in it.

` + groupHelp,
		Example: `  roster group show --account 5f0c... Staff --users`,
		Args:    wants("GROUP"),
		RunE: run(func(ctx context.Context, args []string) error {
			return c.read(ctx, func(r *roster.Roster) error {
				g, err := r.Group(ctx, auth.Operator(), c.account, args[0])
				if err != nil {
					return err
				}
				out := newGroupDetailsJSON(&g)
				if users {
					out.Members = []groupUserJSON{}
					err = r.EachGroupUser(ctx, auth.Operator(), c.account, []directory.GroupID{g.ID}, func(_ int, some []directory.Member) error {
						for i := range some {
							m := &some[i]
							out.Members = append(out.Members, groupUserJSON{m.Email, m.UserID, m.Profile.FirstName, m.Profile.LastName, string(m.Status)})
						}
						return nil
					})
				}
				if err != nil {
					return err
				}
				return e.print(out, func(w io.Writer) { writeGroup(w, e.width(), &out) })
			})
		}),
	}
	c.add(cmd)
	cmd.Flags().BoolVar(&users, "users", false, "list who is in it, too")
	return cmd
}

func newGroupDetailsJSON(g *roster.GroupDetails) groupDetailsJSON {
	out := groupDetailsJSON{groupJSON: newGroupJSON(&g.GroupEntry, g.Users), In: namesOf(g.Parents), Roles: make([]grantJSON, len(g.Roles))}
	for i, grant := range g.Roles {
		out.Roles[i] = grantJSON{RoleID: grant.Role.PublicID, Role: grant.Role.Name, Kind: string(grant.Role.Kind)}
		if grant.Bot != nil {
			out.Roles[i].BotID, out.Roles[i].BotName = grant.Bot.PublicID, grant.Bot.Name
		}
	}
	return out
}

func writeGroup(w io.Writer, width int, g *groupDetailsJSON) {
	roles := make([]string, len(g.Roles))
	for i, r := range g.Roles {
		roles[i] = r.Role
		if r.BotID != "" {
			roles[i] += " in " + r.BotName
		}
	}
	fields(w, "Group", g.ID, "Name", g.Name, "Description", orNone(g.Description), "Created", g.Created, "Users", strconv.Itoa(g.Users),
		"Nested in it", orNone(strings.Join(g.Nested, ", ")), "Nested in", orNone(strings.Join(g.In, ", ")), "Roles", orNone(strings.Join(roles, ", ")))
	if len(g.Members) == 0 {
		return
	}
	fmt.Fprintln(w)
	rows := make([][]string, len(g.Members))
	for i, m := range g.Members {
		rows[i] = []string{m.EmailID, m.Status, strings.TrimSpace(m.FirstName + " " + m.LastName), m.UserID}
	}
	writeTable(w, width, []string{"ADDRESS", "STATUS", "NAME", "USER ID"}, rows)
}

func (e *env) groupDeleteCommand() *cobra.Command {
	return e.deleteCommand(deletion{
		what: "group", key: "groupId",
		long: `Deletes a group. Its users stay users of the account, and lose the roles that they
had by it. It cannot be undone: who was removed from the account, and is restored
later, comes back without it, and is told so.

` + groupHelp,
		find: func(ctx context.Context, r *roster.Roster, c *accountCmd, ref string) (id, name string, err error) {
			g, err := r.FindGroup(ctx, auth.Operator(), c.account, ref)
			return g.PublicID, g.Name, err
		},
		del: (*roster.Roster).DeleteGroup,
	})
}

// deletion is a command that deletes something of an account for good.
type deletion struct {
	what, key, long string
	find            func(ctx context.Context, r *roster.Roster, c *accountCmd, ref string) (id, name string, err error)
	del             func(*roster.Roster, context.Context, auth.Caller, string, string) error
}

func (e *env) deleteCommand(d deletion) *cobra.Command {
	c := &accountCmd{env: e}
	var yes bool
	arg := strings.ToUpper(d.what)
	cmd := &cobra.Command{
		Use:     "delete --account ID " + arg,
		Short:   "Delete a " + d.what + " for good",
		Long:    d.long + "\n\nOn a terminal it asks first, unless --yes is given.",
		Example: "  roster " + d.what + " delete --account 5f0c... \"Help desk\"",
		Args:    wants(arg),
		RunE: run(func(ctx context.Context, args []string) error {
			return c.with(ctx, func(r *roster.Roster) error {
				id, name, err := d.find(ctx, r, c, args[0])
				if err != nil {
					return err
				}
				if !yes {
					what := fmt.Sprintf("This deletes the %s %s (%s) for good.", d.what, printable(name), id)
					if err := e.confirm(ctx, what, "delete", "nothing was deleted"); err != nil {
						return err
					}
				}
				if err := d.del(r, ctx, auth.Operator(), c.account, id); err != nil {
					return err
				}
				return e.print(map[string]string{d.key: id, "name": name}, func(w io.Writer) {
					fmt.Fprintf(w, "The %s %s is deleted.\n", d.what, printable(name))
				})
			})
		}),
	}
	c.add(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask before deleting")
	return cmd
}
