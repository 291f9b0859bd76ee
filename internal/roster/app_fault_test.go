package roster_test

import (
	"context"
	"errors"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
)

// appFaultVerbs work on f.App, which has two secrets, or on f.Other, which has
// one and is disabled.
var appFaultVerbs = []faultVerb{
	{name: "update app", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		name, yes := "New", true
		return wantDone(r.UpdateApp(ctx, auth.Operator(), f.App, roster.AppChange{Name: &name, EnforceJTI: &yes}))
	}},
	{name: "enable app", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		return wantDone(r.EnableApp(ctx, auth.Operator(), f.Other))
	}},
	{name: "disable app", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		return wantDone(r.DisableApp(ctx, auth.Operator(), f.App))
	}},
	{name: "delete app", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		return wantDone(r.DeleteApp(ctx, auth.Operator(), f.App))
	}},
	{name: "give scope", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		added, err := r.AddScopes(ctx, auth.Operator(), f.App, []directory.Scope{directory.ScopeAuditLogs})
		return wantDone(len(added) > 0, err)
	}},
	{name: "take scope", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		removed, err := r.RemoveScopes(ctx, auth.Operator(), f.App, []directory.Scope{directory.ScopeUserManagement})
		return wantDone(len(removed) > 0, err)
	}},
	{name: "add secret", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		_, _, err := r.AddSecret(ctx, auth.Operator(), f.Other, roster.NewSecret{})
		return err
	}},
	{name: "retire secret", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		return wantDone(r.RetireSecret(ctx, auth.Operator(), f.App, 1))
	}},
}

// wantDone makes an error of a verb that found nothing to do.
func wantDone(changed bool, err error) error {
	if err == nil && !changed {
		err = errors.New("nothing was changed")
	}
	return err
}
