package client_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roster/client"
	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// served is an account of owner@ on a real server, and a client that may do all.
type served struct {
	*rostertest.Server

	account string
	api     *client.Client
}

func newServed(t *testing.T, dsn string) *served {
	t.Helper()
	s := &served{Server: rostertest.Start(t, dsn, rostertest.Options{})}
	s.account = s.Account("owner@example.com")
	app := s.AppWith(s.account, directory.OriginAdminConsole,
		directory.ScopeUserManagement, directory.ScopeRoleManagement, directory.ScopeAuditLogs)
	var err error
	s.api, err = client.New(client.Config{
		Host: s.URL, ClientID: app.ClientID, ClientSecret: app.Secret, TokenKind: client.TokenKind{JTI: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// all reads a list to its end.
func all[T any](t *testing.T, list iter.Seq2[T, error]) []T {
	t.Helper()
	var items []T
	for item, err := range list {
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, item)
	}
	return items
}

// An account is filled, changed, looked at and emptied by the client alone.
func TestWholeAPI(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := newServed(t, dsn)
		ctx := t.Context()
		bot := s.Bot(s.account, "Help desk", "owner@example.com")
		group, err := s.Roster.CreateGroup(ctx, auth.Operator(), s.account, "Staff", nil)
		if err != nil {
			t.Fatal(err)
		}
		roles := map[string]client.Role{}
		for _, r := range all(t, s.api.Roles(ctx, "")) {
			roles[r.Name] = r
		}
		if r := roles["Bot Tester"]; len(roles) != 4 || r.Type != client.BotRole || r.Permissions["tasks"] != "VIEW" || roles["admin"].Permissions["auditLogs"] != "YES" {
			t.Errorf("roles %+v", roles)
		}
		if kinds := all(t, s.api.Roles(ctx, client.AdminRole)); len(kinds) != 1 || kinds[0].Name != "admin" {
			t.Errorf("admin roles %+v", kinds)
		}

		s.create(t, bot, group, roles)
		s.change(t, group)
		s.assign(t, bot, roles)
		s.readLists(t, bot, group)
		s.removeAndRestore(t)
		s.readAudit(t)
		s.VerifyAudit()
	})
}

func (s *served) create(t *testing.T, bot, group string, roles map[string]client.Role) {
	t.Helper()
	out, err := s.api.CreateUsers(t.Context(), client.CreateUsersRequest{Codes: true, SendEmail: new(false), Users: []client.NewUser{
		{
			UserInfo: client.UserInfo{EmailID: "ann@example.com", OrgUserID: "E1", FirstName: new("Ann"), LastName: new("Archer")},
			Groups:   []string{group}, Roles: []client.UserRole{{RoleID: roles["Bot Tester"].ID, BotID: bot}},
			Tasks: []client.BotTasks{{BotID: bot, Dialogs: []string{"dg-1"}}}, CanCreateBot: new(false),
		},
		{UserInfo: client.UserInfo{EmailID: "bo@example.com"}},
		{UserInfo: client.UserInfo{EmailID: "owner@example.com", FirstName: new("Olga")}},
	}})
	want := &client.UsersResult{Failed: []client.UserNotDone{{
		EmailID: "owner@example.com", FirstName: "Olga", Reason: client.Reason{Message: "User already exists", Code: "USER_EXISTS"},
	}}}
	if diff := cmp.Diff(want, out); err != nil || diff != "" {
		t.Errorf("create: error %v, result\n%s", err, diff)
	}
}

func (s *served) change(t *testing.T, group string) {
	t.Helper()
	out, err := s.api.UpdateUsers(t.Context(), client.UpdateUsersRequest{Users: []client.UserChange{
		{UserInfo: client.UserInfo{OrgUserID: "E1", LastName: new("Berg")}, Groups: &client.GroupsChange{RemoveFrom: []string{group}}, Tasks: new([]client.BotTasks{})},
		{UserInfo: client.UserInfo{EmailID: "bo@example.com", OrgUserID: "E2"}, Groups: &client.GroupsChange{AddTo: []string{group}}, IsDeveloper: new(false)},
	}})
	if diff := cmp.Diff(&client.UsersResult{Message: "Users are updated Successfully"}, out); err != nil || diff != "" {
		t.Errorf("update: error %v, result\n%s", err, diff)
	}
	if err := s.api.SetUserAccess(t.Context(), client.UserAccess{EmailIDs: ann, CanCreateBot: new(true), IsDeveloper: new(true)}); err != nil {
		t.Error(err)
	}
	err = s.api.SetUserAccess(t.Context(), client.UserAccess{EmailIDs: []string{"nobody@example.com"}})
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != 400 || e.Message != "One or more entered emails not found" {
		t.Errorf("access: error %v", err)
	}
	users, err := s.api.UsersInfo(t.Context(), client.UsersInfoRequest{EmailIDs: ann, OrgUserIDs: []string{"E2", "E9"}, Codes: true})
	if err != nil || len(users) != 3 {
		t.Fatalf("error %v, users %+v", err, users)
	}
	if u := users[0]; u.LastName != "Berg" || !u.CanCreateBot || len(u.Groups)+len(u.Tasks) != 0 || len(u.BotRoles) != 1 || u.BotRoles[0].BotName != "Help desk" || u.Status != "not active" || u.LastLogin != nil || u.Reason != nil {
		t.Errorf("ann is %+v", u)
	}
	if u := users[1]; u.EmailID != "bo@example.com" || u.IsDeveloper || !slices.Equal(u.Groups, []client.GroupName{{ID: group, Name: "Staff"}}) {
		t.Errorf("bo is %+v", u)
	}
	if u := users[2]; u.OrgUserID != "E9" || u.Reason == nil || u.Reason.Code != "USER_NOT_FOUND" {
		t.Errorf("nobody is %+v", u)
	}
}

func (s *served) assign(t *testing.T, bot string, roles map[string]client.Role) {
	t.Helper()
	out, err := s.api.AssignAdminRoles(t.Context(), []client.RoleAssignment{
		{RoleID: roles["admin"].ID, AddUsers: ann, AddGroups: []string{"Staff"}},
		{RoleID: roles["Bot Tester"].ID, AddUsers: ann},
	})
	want := []client.AssignmentResult{
		{RoleID: roles["admin"].ID, Status: "success"},
		{RoleID: roles["Bot Tester"].ID, Status: "failure", Reason: &client.Reason{Message: "Invalid roleId", Code: "INVALID_ROLE"}},
	}
	if diff := cmp.Diff(want, out); err != nil || diff != "" {
		t.Errorf("admin roles: error %v, result\n%s", err, diff)
	}
	out, err = s.api.AssignBotRoles(t.Context(), []client.RoleAssignment{{RoleID: roles["Bot Developer"].ID, BotID: bot, AddOrgUserIDs: []string{"E2"}}})
	if diff := cmp.Diff([]client.AssignmentResult{{RoleID: roles["Bot Developer"].ID, Status: "success"}}, out); err != nil || diff != "" {
		t.Errorf("bot roles: error %v, result\n%s", err, diff)
	}
}

func (s *served) readLists(t *testing.T, bot, group string) {
	t.Helper()
	var more []string
	for i := range 120 {
		more = append(more, fmt.Sprintf("u%d@example.com", i))
	}
	s.Users(s.account, more...)
	users := all(t, s.api.AllUserRoles(t.Context()))
	names := map[string]bool{}
	for _, u := range users {
		names[u.Username] = true
	}
	if len(users) != 123 || len(names) != 123 || users[0].Username != "owner@example.com" || users[1].Username != "ann@example.com" {
		t.Errorf("%d users of %d names", len(users), len(names))
	}
	if u := users[2]; u.OrgUserID != "E2" || u.AccountID != s.account || len(u.AdminRoles) != 1 || u.AdminRoles[0].Groups[0].ID != group || u.BotRoles[0].BotID != bot {
		t.Errorf("bo is %+v", u)
	}
	for range s.api.AllUserRoles(t.Context()) {
		break // a loop may end early
	}
	groups := all(t, s.api.Groups(t.Context()))
	if len(groups) != 1 || groups[0].ID != group || groups[0].UserCount != 1 || groups[0].Users[0].EmailID != "bo@example.com" {
		t.Errorf("groups %+v", groups)
	}
	bots := all(t, s.api.Bots(t.Context()))
	if len(bots) != 1 || bots[0].ID != bot || bots[0].Name != "Help desk" || time.Since(bots[0].CreatedOn) > time.Hour {
		t.Errorf("bots %+v", bots)
	}
}

func (s *served) removeAndRestore(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	out, err := s.api.RemoveUsers(ctx, client.RemoveUsersRequest{EmailIDs: []string{"owner@example.com", "ann@example.com"}, Codes: true, IncludeMeta: true, IdempotencyKey: "k"})
	want := []client.FailedUser{{EmailID: "owner@example.com", Reason: client.Reason{Message: "Unauthorized to perform this activity", Code: "ACCOUNT_OWNER"}}}
	if err != nil || out.Total != 1 || out.RemovalID == "" || !cmp.Equal(want, out.Failed) {
		t.Fatalf("error %v, result %+v", err, out)
	}
	removal, err := s.api.Removal(ctx, out.RemovalID)
	if err != nil || !removal.Over() || removal.Removed != 1 || removal.Failed != 1 || !cmp.Equal(want, removal.FailedUsers) || removal.FinishedOn == nil {
		t.Errorf("error %v, removal %+v", err, removal)
	}
	text, err := s.api.RemovalCSV(ctx, out.RemovalID)
	if err != nil || string(text) != "emailId,orgUserId,reason,reasonCode\nowner@example.com,,Unauthorized to perform this activity,ACCOUNT_OWNER\n" {
		t.Errorf("error %v, CSV %q", err, text)
	}
	if _, err := s.api.CancelRemoval(ctx, out.RemovalID); !isStatus(err, 409) {
		t.Errorf("cancel: error %v", err)
	}
	back, err := s.api.RestoreUsers(ctx, out.RemovalID, client.RestoreUsersRequest{All: true, DryRun: true})
	if err != nil || !back.DryRun || back.Message == "" {
		t.Errorf("preview: error %v, result %+v", err, back)
	}
	back, err = s.api.RestoreUsers(ctx, out.RemovalID, client.RestoreUsersRequest{EmailIDs: annAndBo, Atomic: true, Codes: true})
	if err != nil || !back.Atomic || len(back.Failed) != 1 || back.Failed[0].Reason.Code != "USER_NOT_FOUND" {
		t.Errorf("all or nobody: error %v, result %+v", err, back)
	}
	if back, err = s.api.RestoreUsers(ctx, out.RemovalID, client.RestoreUsersRequest{All: true, IdempotencyKey: "k2"}); err != nil || back.Message == "" {
		t.Errorf("restore: error %v, result %+v", err, back)
	}
	s.job(t, out.RemovalID, want)
}

// job removes two by a job; call is the removal before it, and want who is refused.
func (s *served) job(t *testing.T, call string, want []client.FailedUser) {
	t.Helper()
	ctx := t.Context()
	req := client.RemoveUsersRequest{EmailIDs: []string{"owner@example.com", "u0@example.com", "u1@example.com"}, IdempotencyKey: "job"}
	job, err := s.api.StartRemoval(ctx, req)
	if err != nil || job.Requested != 3 {
		t.Fatalf("error %v, job %+v", err, job)
	}
	again, err := s.api.StartRemoval(ctx, req)
	if err != nil || again.ID != job.ID {
		t.Errorf("error %v, another job %+v", err, again)
	}
	job, err = s.api.WaitRemoval(ctx, job.ID, 50*time.Millisecond, nil)
	if err != nil || job.State != client.StateCompleted || job.Removed != 2 || !cmp.Equal(want, job.FailedUsers) {
		t.Errorf("error %v, job %+v", err, job)
	}
	if _, err := s.api.StartRemoval(ctx, client.RemoveUsersRequest{EmailIDs: ann, Atomic: true}); err == nil {
		t.Error("a job can be atomic")
	}
	var ids []string
	for _, r := range all(t, s.api.Removals(ctx)) {
		ids = append(ids, r.ID)
	}
	if !slices.Equal(ids, []string{job.ID, call}) {
		t.Errorf("removals %q", ids)
	}
	if _, err := s.api.Removal(ctx, "rm-0"); !isStatus(err, 404) {
		t.Errorf("an unknown removal: error %v", err)
	}
	for _, call := range []func(context.Context, string) error{
		func(ctx context.Context, id string) error { _, err := s.api.Removal(ctx, id); return err },
		func(ctx context.Context, id string) error { _, err := s.api.RemovalCSV(ctx, id); return err },
	} {
		if err := call(ctx, "../users"); err == nil || !strings.Contains(err.Error(), "is not the id of a removal") {
			t.Errorf("error %v", err)
		}
	}
}

func isStatus(err error, status int) bool {
	e, ok := errors.AsType[*client.Error](err)
	return ok && e.Status == status
}

func (s *served) readAudit(t *testing.T) {
	t.Helper()
	records := all(t, s.api.AuditLogs(t.Context(), client.AuditLogsRequest{}))
	if len(records) < 130 {
		t.Fatalf("%d records", len(records))
	}
	slices.Reverse(records)
	after := all(t, s.api.AuditLogs(t.Context(), client.AuditLogsRequest{After: records[9].ID}))
	if diff := cmp.Diff(records[10:], after); diff != "" {
		t.Errorf("the records behind the tenth (-want +got):\n%s", diff)
	}
	if last := records[len(records)-1]; last.Name != "User Deleted" || last.Category != "User Management" || time.Since(last.Time()) > time.Hour {
		t.Errorf("the last record is %+v", last)
	}
	if none := all(t, s.api.AuditLogs(t.Context(), client.AuditLogsRequest{To: time.Now().Add(-time.Hour)})); len(none) != 0 {
		t.Errorf("%d records of an hour ago", len(none))
	}
	if these := all(t, s.api.AuditLogs(t.Context(), client.AuditLogsRequest{From: time.Now().Add(-time.Hour)})); len(these) != len(records) {
		t.Errorf("%d records of the last hour, not %d", len(these), len(records))
	}
}

// A list whose newest come first tells each once, although others are added while
// it is read.
func TestListWhileOthersAdd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := newServed(t, dsn)
		add := func(from, to int) { // a record each
			var ids []string
			for i := from; i < to; i++ {
				ids = append(ids, fmt.Sprintf("u%d@example.com", i))
			}
			s.Users(s.account, ids...)
		}
		add(0, 150)
		seen, n := map[string]int{}, 0
		for r, err := range s.api.AuditLogs(t.Context(), client.AuditLogsRequest{}) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 50 {
				add(150, 270) // more than a page
			}
			seen[r.ID]++
		}
		for id, times := range seen {
			if times != 1 {
				t.Errorf("%s was told %d times", id, times)
			}
		}
		if n < 151 || n >= 270 {
			t.Errorf("%d records", n)
		}
	})
}
