package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
)

func (e *env) botCommand() *cobra.Command {
	return group("bot", "Make bots, and give them other owners",
		e.botCreateCommand(), e.botListCommand(), e.botTransferCommand(), e.botDeleteCommand())
}

const botHelp = `BOT is the id of a bot, or its name if no other has it.`

func (e *env) botCreateCommand() *cobra.Command {
	c := &accountCmd{env: e}
	var name, owner string
	cmd := &cobra.Command{
		Use:   "create --account ID --name NAME --owner ADDRESS",
		Short: "Make a bot",
		Long: `Makes a bot that belongs to a member of the account, and prints its id. Who
owns a bot cannot be removed from the account.`,
		Example: `  roster bot create --account 5f0c... --name "Help desk" --owner bo@example.com`,
		Args:    wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			return c.with(ctx, func(r *roster.Roster) error {
				id, err := r.CreateBot(ctx, auth.Operator(), c.account, name, owner)
				if err != nil {
					return err
				}
				return e.print(struct {
					BotID string `json:"botId"`
				}{id}, func(w io.Writer) { fmt.Fprintf(w, "Bot %s\n", id) })
			})
		}),
	}
	c.add(cmd)
	cmd.Flags().StringVar(&name, "name", "", "name of the bot")
	cmd.Flags().StringVar(&owner, "owner", "", "address of the member who owns it")
	required(cmd, "name", "owner")
	return cmd
}

// botJSON is a bot in results.
type botJSON struct {
	ID      string `json:"botId"`
	Name    string `json:"name"`
	Owner   string `json:"owner"` // address
	OwnerID string `json:"ownerUserId"`
	Created string `json:"createdOn"`
}

func (e *env) botListCommand() *cobra.Command {
	c := &accountCmd{env: e}
	var page directory.Page
	cmd := &cobra.Command{
		Use:     "list --account ID",
		Short:   "List the bots of an account, and who owns them",
		Long:    `Lists the bots of an account in the order in which they were made.`,
		Example: `  roster bot list --account 5f0c...`,
		Args:    wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			if err := checkPage(page); err != nil {
				return err
			}
			return c.read(ctx, func(r *roster.Roster) error {
				list, err := r.Bots(ctx, auth.Operator(), c.account, page)
				if err != nil {
					return err
				}
				items := make([]botJSON, len(list.Items))
				rows := make([][]string, len(items))
				for i, b := range list.Items {
					items[i] = botJSON{b.PublicID, b.Name, b.OwnerEmail, b.OwnerUserID, timeText(b.Created)}
					rows[i] = []string{items[i].ID, items[i].Owner, items[i].Name, items[i].Created}
				}
				return e.print(pageJSON("bots", list.Total, list.More, items), func(w io.Writer) {
					writePage(w, e.width(), []string{"BOT", "OWNER", "NAME", "CREATED"}, rows, list.Total, "bot")
				})
			})
		}),
	}
	c.add(cmd)
	pageFlags(cmd, &page, "bots")
	return cmd
}

func (e *env) botTransferCommand() *cobra.Command {
	c := &accountCmd{env: e}
	var owner string
	cmd := &cobra.Command{
		Use:   "transfer --account ID BOT --owner ADDRESS",
		Short: "Give a bot another owner",
		Long: `Makes another member the owner of a bot. Who owned it can be removed from then on,
if they own nothing else; the new one cannot.

` + botHelp,
		Example: `  roster bot transfer --account 5f0c... "Help desk" --owner ann@example.com`,
		Args:    wants("BOT"),
		RunE: run(func(ctx context.Context, args []string) error {
			return c.with(ctx, func(r *roster.Roster) error {
				bot, err := r.FindBot(ctx, auth.Operator(), c.account, args[0])
				if err != nil {
					return err
				}
				changed, err := r.TransferBot(ctx, auth.Operator(), c.account, bot.PublicID, owner)
				if err != nil {
					return err
				}
				return e.printChanged("botId", bot.PublicID, changed, "The bot "+bot.Name+" belongs to "+owner+".", "The bot "+bot.Name+" belonged to "+owner+" already.")
			})
		}),
	}
	c.add(cmd)
	cmd.Flags().StringVar(&owner, "owner", "", "address of the member who is to own it")
	required(cmd, "owner")
	return cmd
}

func (e *env) botDeleteCommand() *cobra.Command {
	return e.deleteCommand(deletion{
		what: "bot", key: "botId",
		long: `Deletes a bot, with the roles and tasks that anybody has in it. Its owner can be
removed from then on, if they own nothing else. It cannot be undone: who was
removed from the account, and is restored later, comes back without it, and is
told so.

` + botHelp,
		find: func(ctx context.Context, r *roster.Roster, c *accountCmd, ref string) (id, name string, err error) {
			b, err := r.FindBot(ctx, auth.Operator(), c.account, ref)
			return b.PublicID, b.Name, err
		},
		del: (*roster.Roster).DeleteBot,
	})
}
