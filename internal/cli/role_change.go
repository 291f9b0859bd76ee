package cli

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/excerpt"
	"roster/internal/roster"
)

func (e *env) roleUpdateCommand() *cobra.Command {
	c := &roleCmd{accountCmd: accountCmd{env: e}}
	var name, description string
	var permissions []string
	var change roster.RoleChange
	cmd := &cobra.Command{
		Use:   "update --account ID ROLE",
		Short: "Change a role",
		Long: `Changes what is named and leaves the rest. A built-in role cannot be changed.

` + permissionHelp + `

` + roleHelp,
		Example: `  roster role update --account 5f0c... Analyst --name Reviewer --permission test=YES --forget tasks`,
		Args:    wants("ROLE"),
	}
	c.add(cmd)
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "new name of the role")
	f.StringVar(&description, "description", "", "what the role is for")
	f.StringArrayVar(&permissions, "permission", nil, "permission to set, as NAME=VALUE; give it again for more")
	f.StringArrayVar(&change.Forget, "forget", nil, "permission to take from the role; give it again for more")
	cmd.RunE = run(func(ctx context.Context, args []string) error {
		if f.Changed("name") {
			change.Name = &name
		}
		if f.Changed("description") {
			change.Description = &description
		}
		if change.Name == nil && change.Description == nil && len(permissions)+len(change.Forget) == 0 {
			return usagef("nothing is changed: give --name, --description, --permission or --forget")
		}
		return c.with(ctx, func(r *roster.Roster) error {
			role, err := c.find(ctx, r, args[0])
			if err != nil {
				return err
			}
			if change.Permit, err = parsePermissions(role.Kind, permissions); err != nil {
				return err
			}
			changed, err := r.UpdateRole(ctx, auth.Operator(), c.account, role.PublicID, change)
			if err != nil {
				return err
			}
			return e.printChanged("roleId", role.PublicID, changed, "The role "+role.PublicID+" is updated.", "The role "+role.PublicID+" is so already.")
		})
	})
	return cmd
}

func (e *env) roleDeleteCommand() *cobra.Command {
	return e.deleteCommand(deletion{
		what: "role", key: "roleId",
		long: `Deletes a role, and takes it from everybody who has it. It cannot be undone: who was
removed from the account, and is restored later, comes back without it, and is
told so. A built-in role cannot be deleted.

ROLE is the name of a role, or its id, which tells an admin role from a bot role of
the same name.`,
		find: func(ctx context.Context, r *roster.Roster, c *accountCmd, ref string) (id, name string, err error) {
			role, err := r.FindRole(ctx, auth.Operator(), c.account, "", ref)
			return role.PublicID, role.Name, err
		},
		del: (*roster.Roster).DeleteRole,
	})
}

// roleAssign is a command that gives a role or takes it away.
type roleAssign struct {
	roleCmd

	names  naming
	bot    string
	groups []string
}

func (e *env) roleAssignCommand(use, short, done string, give bool) *cobra.Command {
	c := &roleAssign{roleCmd: roleCmd{accountCmd: accountCmd{env: e}}}
	cmd := &cobra.Command{
		Use:   use + " --account ID ROLE [ADDRESS ...]",
		Short: short,
		Long: short + `: a role of the account or, with --bot, one in that bot. All
who are named are handled or, when one is not there, nobody. What is so already is
no failure. Whoever is in a group has its roles, too.

` + roleHelp + ` With --bot, it is a bot role. BOT is the id of a
bot, or its name if no other has it.

` + namingHelp,
		Example: `  roster role ` + use + ` --account 5f0c... admin ann@example.com
  roster role ` + use + ` --account 5f0c... "Bot Tester" --bot "Help desk" --group Staff`,
		Args: wantsSome("ROLE", "ADDRESS ..."),
		RunE: run(func(ctx context.Context, args []string) error { return c.run(ctx, args, done, give) }),
	}
	c.add(cmd)
	c.names.add(cmd)
	cmd.Flags().StringVar(&c.bot, "bot", "", "bot in which the role is meant")
	cmd.Flags().StringArrayVar(&c.groups, "group", nil, "group that is meant, by name or id; give it again for more")
	return cmd
}

func (c *roleAssign) run(ctx context.Context, args []string, done string, give bool) error {
	users, err := c.names.refs(c.env, args[1:], len(c.groups) == 0)
	if err != nil {
		return err
	}
	return c.with(ctx, func(r *roster.Roster) error {
		role, item, err := c.item(ctx, r, args[0])
		if err != nil {
			return err
		}
		if give {
			item.AddUsers, item.AddGroups = users, c.groups
		} else {
			item.RemoveUsers, item.RemoveGroups = users, c.groups
		}
		failures, err := r.AssignRoles(ctx, auth.Operator(), c.account, role.Kind, []directory.RoleAssignment{item}, "")
		if err == nil && failures[0] != nil {
			err = failures[0].Explain(item)
		}
		if err != nil {
			return err
		}
		out := map[string]any{"roleId": role.PublicID, "users": len(users), "groups": len(c.groups)}
		if item.BotID != "" {
			out["botId"] = item.BotID
		}
		return c.env.print(out, func(w io.Writer) {
			fmt.Fprintf(w, "The role %s is %s: %s, %s.\n", printable(role.Name), done, plural(len(users), "user"), plural(len(c.groups), "group"))
		})
	})
}

// item finds the role, the bot and the groups that are meant. Groups are named by
// their names from here on.
func (c *roleAssign) item(ctx context.Context, r *roster.Roster, ref string) (role directory.Role, item directory.RoleAssignment, err error) {
	if c.bot != "" && c.kind == "" {
		c.kind = string(directory.BotRole)
	}
	if role, err = c.find(ctx, r, ref); err != nil {
		return role, item, err
	}
	item.RoleID = role.PublicID
	switch {
	case role.Kind == directory.AdminRole && c.bot != "":
		return role, item, usagef("%q is an admin role: it is not given in a bot", excerpt.Of(role.Name))
	case role.Kind == directory.BotRole && c.bot == "":
		return role, item, usagef("%q is a bot role: give --bot", excerpt.Of(role.Name))
	case c.bot != "":
		bot, err := r.FindBot(ctx, auth.Operator(), c.account, c.bot)
		if err != nil {
			return role, item, err
		}
		item.BotID = bot.PublicID
	}
	var names []string
	for _, ref := range c.groups {
		g, err := r.FindGroup(ctx, auth.Operator(), c.account, ref)
		if err != nil {
			return role, item, err
		}
		if !slices.Contains(names, g.Name) {
			names = append(names, g.Name)
		}
	}
	c.groups = names
	return role, item, nil
}
