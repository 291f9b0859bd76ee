package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
)

func (e *env) removalRestoreCommand() *cobra.Command {
	s := &restoring{env: e}
	account := ""
	cmd := &cobra.Command{
		Use:   "restore --account ID REMOVAL_ID [ADDRESS ...]",
		Short: "Undo a removal, or a part of it, as the operator",
		Long: `Brings removed users back into an account, straight on the database: with their
groups, roles and access flags, as they were. It may run while 'roster serve'
does. The restore window of the server does not bind the operator: whoever has
not been erased yet can be restored.

` + namingHelp + `
--all restores everybody of the removal.

Those who cannot be restored are listed with the reason, and the exit code is
then 3. What was deleted meanwhile, such as a group, is named: nobody can have it
again.`,
		Example: `  roster removal restore --account 5f0c... rm-... ann@example.com
  roster removal restore --account 5f0c... rm-... --all`,
		Args: wantsSome("REMOVAL_ID", "ADDRESS ..."),
		RunE: run(func(ctx context.Context, args []string) error { return s.onDatabase(ctx, account, args[0], args[1:]) }),
	}
	e.databaseFlag(cmd)
	s.add(cmd)
	cmd.Flags().StringVar(&account, "account", "", "id of the account")
	required(cmd, "account")
	return cmd
}

// onDatabase restores as the operator.
func (s *restoring) onDatabase(ctx context.Context, account, removal string, args []string) error {
	ids, skipped, err := s.collect(args)
	if err != nil {
		return err
	}
	return s.env.with(ctx, roster.Options{MustExist: true}, func(r *roster.Roster) error {
		if err := s.confirm(ctx, removal); err != nil {
			return err
		}
		report := restoreReport{RemovalID: removal, Failed: skipped}
		out := directory.Restoration{}
		if s.all || len(ids) > 0 { // a file may name nobody in all of its rows
			going := s.env.spinner("Restoring users")
			out, err = r.RestoreUsers(ctx, auth.Operator(), account, removal, s.refs(ids), roster.RestoreOptions{})
			going.end()
		}
		if err != nil {
			return s.goesOn(ctx, r, account, removal, err)
		}
		report.add(&out)
		return s.report(&report, nil)
	})
}

// goesOn adds to the error of a restoration that servers finish it, where they do.
func (s *restoring) goesOn(ctx context.Context, r *roster.Roster, account, removal string, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastLook)
	defer cancel()
	record, lookErr := r.Removal(ctx, auth.Operator(), account, removal)
	if lookErr != nil || !record.Restoring() {
		return err
	}
	return fmt.Errorf("%w. The restoration is not over: a server goes on with it, or this command when it is run again; 'roster removal cancel' ends it", err)
}

// lastLook bounds how long a command that was interrupted looks what became of its work.
const lastLook = 5 * time.Second

// refs are the ids as a verb takes them: nil for everybody of the removal.
func (s *restoring) refs(ids []string) []directory.UserRef {
	if s.all {
		return nil
	}
	kind := directory.ByEmail
	if s.names.orgIDs {
		kind = directory.ByOrgUserID
	}
	refs := make([]directory.UserRef, len(ids))
	for i, id := range ids {
		refs[i] = directory.UserRef{Text: id, Kind: kind}
	}
	return refs
}

// add takes what came of a restoration into the report.
func (r *restoreReport) add(out *directory.Restoration) {
	requested := len(r.Failed) + out.Restored + len(out.Refused)
	r.Requested, r.Restored = &requested, &out.Restored
	for _, refusal := range out.Refused {
		ref := out.Refs[refusal.Ref]
		failed := failedJSON{EmailID: ref.Text, Reason: whyNotRestored(refusal.Reason)}
		if ref.Kind == directory.ByOrgUserID {
			failed.OrgUserID, failed.EmailID = ref.Text, refusal.Email
		}
		r.Failed = append(r.Failed, failed)
	}
	for _, l := range out.Lost {
		r.addLost(lostJSON{Kind: string(l.Kind), ID: l.PublicID, Name: l.Name, Users: l.Users})
	}
}

// whyNotRestored tells the operator a reason.
func whyNotRestored(reason directory.Reason) string {
	switch reason {
	case directory.ReasonInvalidID:
		return "not an address, or with --org-ids not an org id"
	case directory.ReasonUserNotFound:
		return "not among those of the removal who are still removed"
	case directory.ReasonUserExists:
		return "a member has this address again"
	case directory.ReasonOrgUserIDIsUsed:
		return "a member has the same org id now"
	default:
		return string(reason)
	}
}
