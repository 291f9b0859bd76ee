package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
)

func (e *env) roleCommand() *cobra.Command {
	return group("role", "Make roles, and give them to people and groups",
		e.roleCreateCommand(), e.roleListCommand(), e.roleShowCommand(), e.roleUpdateCommand(), e.roleDeleteCommand(),
		e.roleAssignCommand("assign", "Give a role to users and groups", "assigned", true),
		e.roleAssignCommand("unassign", "Take a role from users and groups", "unassigned", false),
	)
}

const (
	roleHelp = `ROLE is the name of a role, or its id. Where an admin role and a bot role have
the same name, --kind says which is meant.`
	permissionHelp = `A permission is written as NAME=VALUE: of an admin role YES or NO, of a bot role
FULL, VIEW, YES or NO.

These permissions of admin roles decide what a user can do in the Admin Console:
userManagement, groupManagement, roleManagement, botManagement, appManagement and
auditLogs; viewOnly lets a user look at everything and change nothing. roster
stores all others, and those of bot roles, for the clients of its API.`
)

// roleCmd is a command about a role of an account.
type roleCmd struct {
	accountCmd

	kind string
}

func (c *roleCmd) add(cmd *cobra.Command) {
	c.accountCmd.add(cmd)
	cmd.Flags().StringVar(&c.kind, "kind", "", "kind of the role: admin or bot")
	completeValues(cmd, "kind", string(directory.AdminRole), string(directory.BotRole))
}

// parsed is the kind, empty where none was given.
func (c *roleCmd) parsed() (directory.RoleKind, error) {
	if c.kind == "" {
		return "", nil
	}
	kind, err := directory.ParseRoleKind(c.kind)
	if err != nil {
		return "", usageError{err}
	}
	return kind, nil
}

// find finds the role that a command is about.
func (c *roleCmd) find(ctx context.Context, r *roster.Roster, ref string) (directory.Role, error) {
	kind, err := c.parsed()
	if err != nil {
		return directory.Role{}, err
	}
	return r.FindRole(ctx, auth.Operator(), c.account, kind, ref)
}

func parsePermissions(kind directory.RoleKind, texts []string) (directory.Permissions, error) {
	permissions := directory.Permissions{}
	for _, text := range texts {
		name, value, err := directory.ParsePermission(kind, text)
		if err != nil {
			return nil, usageError{err}
		}
		permissions[name] = value
	}
	return permissions, nil
}

func (e *env) roleCreateCommand() *cobra.Command {
	c := &roleCmd{accountCmd: accountCmd{env: e}}
	var role roster.NewRole
	var permissions []string
	cmd := &cobra.Command{
		Use:   "create --account ID --kind KIND --name NAME",
		Short: "Make a role",
		Long: `Makes a role, and prints its id. An admin role gives rights in the account, a bot
role in the bot in which it is assigned.

` + permissionHelp,
		Example: `  roster role create --account 5f0c... --kind admin --name Offboarding --permission userManagement=YES
  roster role create --account 5f0c... --kind bot --name Analyst --permission analytics=VIEW --permission test=NO`,
		Args: wants(),
		RunE: run(func(ctx context.Context, _ []string) (err error) {
			if role.Kind, err = c.parsed(); err != nil {
				return err
			}
			if role.Permissions, err = parsePermissions(role.Kind, permissions); err != nil {
				return err
			}
			return c.with(ctx, func(r *roster.Roster) error {
				id, err := r.CreateRole(ctx, auth.Operator(), c.account, role)
				if err != nil {
					return err
				}
				return e.print(struct {
					RoleID string `json:"roleId"`
				}{id}, func(w io.Writer) { fmt.Fprintf(w, "Role %s\n", id) })
			})
		}),
	}
	c.add(cmd)
	f := cmd.Flags()
	f.StringVar(&role.Name, "name", "", "name of the role")
	f.StringVar(&role.Description, "description", "", "what the role is for")
	f.StringArrayVar(&permissions, "permission", nil, "permission of the role as NAME=VALUE; give it again for more")
	required(cmd, "kind", "name")
	return cmd
}

// roleJSON is a role in results.
type roleJSON struct {
	ID          string                `json:"roleId"`
	Kind        string                `json:"kind"`
	Name        string                `json:"name"`
	Description string                `json:"description"`
	BuiltIn     bool                  `json:"builtIn"`
	Permissions directory.Permissions `json:"permissions"`
	Created     string                `json:"createdOn"`
}

func newRoleJSON(r *directory.Role) roleJSON {
	return roleJSON{r.PublicID, string(r.Kind), r.Name, r.Description, r.BuiltIn, r.Permissions, timeText(r.Created)}
}

func (e *env) roleListCommand() *cobra.Command {
	c := &roleCmd{accountCmd: accountCmd{env: e}}
	var page directory.Page
	cmd := &cobra.Command{
		Use:     "list --account ID",
		Short:   "List the roles of an account",
		Long:    `Lists the roles of an account, the built-in ones first.`,
		Example: `  roster role list --account 5f0c... --kind bot`,
		Args:    wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			kind, err := c.parsed()
			if err == nil {
				err = checkPage(page)
			}
			if err != nil {
				return err
			}
			return c.read(ctx, func(r *roster.Roster) error {
				list, err := r.Roles(ctx, auth.Operator(), c.account, kind, page)
				if err != nil {
					return err
				}
				items := make([]roleJSON, len(list.Items))
				rows := make([][]string, len(items))
				for i := range items {
					items[i] = newRoleJSON(&list.Items[i])
					rows[i] = []string{items[i].ID, items[i].Kind, yesNo(items[i].BuiltIn), items[i].Name, items[i].Created}
				}
				return e.print(pageJSON("roles", list.Total, list.More, items), func(w io.Writer) {
					writePage(w, e.width(), []string{"ROLE", "KIND", "BUILT IN", "NAME", "CREATED"}, rows, list.Total, "role")
				})
			})
		}),
	}
	c.add(cmd)
	pageFlags(cmd, &page, "roles")
	return cmd
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (e *env) roleShowCommand() *cobra.Command {
	c := &roleCmd{accountCmd: accountCmd{env: e}}
	cmd := &cobra.Command{
		Use:   "show --account ID ROLE",
		Short: "Show a role, and how many have it",
		Long: `Shows a role with what it allows, how many users it was given to, themselves and in
whatever bot, and which groups.

` + roleHelp,
		Example: `  roster role show --account 5f0c... "Bot Tester"`,
		Args:    wants("ROLE"),
		RunE: run(func(ctx context.Context, args []string) error {
			kind, err := c.parsed()
			if err != nil {
				return err
			}
			return c.read(ctx, func(r *roster.Roster) error {
				role, err := r.Role(ctx, auth.Operator(), c.account, kind, args[0])
				if err != nil {
					return err
				}
				out := struct {
					roleJSON

					Users  int      `json:"users"`
					Groups []string `json:"groups"`
				}{newRoleJSON(&role.Role), role.Users, namesOf(role.Groups)}
				return e.print(out, func(w io.Writer) { writeRole(w, e.width(), out.roleJSON, out.Users, out.Groups) })
			})
		}),
	}
	c.add(cmd)
	return cmd
}

func writeRole(w io.Writer, width int, r roleJSON, users int, groups []string) {
	fields(w, "Role", r.ID, "Name", r.Name, "Kind", r.Kind, "Built in", yesNo(r.BuiltIn), "Description", orNone(r.Description), "Created", r.Created,
		"Users", strconv.Itoa(users), "Groups", strconv.Itoa(len(groups)))
	for _, name := range groups {
		fmt.Fprintf(w, "  %s\n", printable(name))
	}
	if len(r.Permissions) == 0 {
		return
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(r.Permissions)) {
		rows = append(rows, []string{name, string(r.Permissions[name])})
	}
	writeTable(w, width, []string{"PERMISSION", "VALUE"}, rows)
}
