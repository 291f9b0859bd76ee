package publicapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// auditEntry is a record as the wire has it.
type auditEntry struct {
	At          int64  `json:"timestampValue"`
	Time        string `json:"Date/Time"` //nolint:tagliatelle // as the wire has it
	Description string
	Name        string
	Category    string
	ID          string `json:"AuditLogId"` //nolint:tagliatelle // as the wire has it
}

type auditPage struct {
	Total int          `json:"total"`
	Logs  []auditEntry `json:"auditlogs"`
	More  bool         `json:"moreAvailable"`
}

// auditLogs reads a page, and checks that its bytes are those of the contract.
func (w *world) auditLogs(app rostertest.App, query string) auditPage {
	w.T.Helper()
	got := w.send(rostertest.Request{Method: http.MethodGet, Path: "/api/public/auditlogs" + query, Token: app.Token(nil)})
	var page auditPage
	if err := json.Unmarshal([]byte(got.Body), &page); err != nil || got.Status != 200 {
		w.T.Fatalf("%s: answered %d %s", query, got.Status, got.Body)
	}
	var items []string
	for _, e := range page.Logs {
		at := time.UnixMilli(e.At).UTC().Format("2006-01-02T15:04:05.000Z")
		text := func(s string) string {
			b, err := json.Marshal(s)
			if err != nil {
				w.T.Fatal(err)
			}
			return strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">").Replace(string(b))
		}
		items = append(items, fmt.Sprintf(`{"timestampValue":%d,"Date/Time":"%s","Description":%s,"Name":"%s","Category":"%s","AuditLogId":"%s"}`,
			e.At, at, text(e.Description), e.Name, e.Category, e.ID))
	}
	w.compare(got, 200, fmt.Sprintf(`{"total":%d,"auditlogs":[%s],"moreAvailable":%v}`, page.Total, strings.Join(items, ","), page.More), nil)
	return page
}

func (p *auditPage) ids() (ids []string) {
	for _, e := range p.Logs {
		ids = append(ids, e.ID)
	}
	return ids
}

// auditApp is an app of the account that may read its audit log, and remove users.
func (w *world) auditApp() rostertest.App {
	w.T.Helper()
	return w.keep(w.AppWith(w.account, directory.OriginAdminConsole, directory.ScopeAuditLogs, directory.ScopeUserManagement))
}

// Contract 5.7: what the records say, newest first.
func TestAuditLogs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		app := w.auditApp()
		seen := w.auditLogs(app, "").Total
		op := auth.Operator()
		group, err := w.Roster.CreateGroup(t.Context(), op, w.account, "R&D <1>", []string{ann})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Roster.AssignRole(t.Context(), op, w.account, directory.RoleAdmin, "", []string{bob}); err != nil {
			t.Fatal(err)
		}
		w.Remove(app, emails(ann))
		if err := w.Roster.DeleteGroup(t.Context(), op, w.account, group); err != nil {
			t.Fatal(err)
		}
		page := w.auditLogs(app, "")
		by := fmt.Sprintf(`App "test" (%s)`, app.ClientID)
		want := [][3]string{
			{`The operator deleted group "R&D <1>"`, "Group Deleted", "Group Management"},
			{by + " removed user ann@example.com from the account", "User Deleted", "User Management"},
			{`The operator gave user bob@example.com admin role "admin"`, "Admin Role Assigned to Users", "Role Management"},
			{`The operator added user ann@example.com to group "R&D <1>"`, "Users Added to Group", "Group Management"},
			{`The operator created group "R&D <1>"`, "Group Created", "Group Management"},
			{`The operator set the scopes of app "test"`, "App Scopes Assigned", "Security & Control"},
			{`The operator created app "test"`, "App Created", "Security & Control"},
		}
		if page.Total != seen+5 || page.More {
			t.Errorf("%d records, after %d", page.Total, seen)
		}
		for i, e := range want {
			if got := page.Logs[i]; got.Description != e[0] || got.Name != e[1] || got.Category != e[2] {
				t.Errorf("record %d is %+v, want %q", i, got, e)
			}
		}
		ids := page.ids()
		if !slices.IsSortedFunc(ids, func(a, b string) int { return strings.Compare(b, a) }) || len(slices.Compact(ids)) != page.Total || len(ids[0]) != 24 {
			t.Errorf("ids %q", ids)
		}
		// A person who was erased is named by an id.
		_, err = w.Roster.PurgeRemoval(t.Context(), op, w.account, w.removal(emails(cleo)))
		if err != nil {
			t.Fatal(err)
		}
		if got := w.auditLogs(app, "?size=1").Logs[0]; !strings.HasPrefix(got.Description, "The operator erased user u-") {
			t.Errorf("erased: %+v", got)
		}
	})
}

// Pages neither skip nor repeat, in both directions, whatever their size.
func TestAuditLogPages(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		app := w.auditApp()
		people := make([]string, 130)
		for i := range people {
			people[i] = fmt.Sprintf("user.%d@example.com", i)
		}
		w.Users(w.account, people...)
		w.Remove(app, emails(people[:40]...))
		var all []string
		for offset := 0; ; offset++ {
			page := w.auditLogs(app, fmt.Sprintf("?size=100&offset=%d", offset))
			all = append(all, page.ids()...)
			if page.More != (len(all) < page.Total) {
				t.Fatalf("page %d says more: %v, of %d after %d", offset, page.More, page.Total, len(all))
			}
			if !page.More {
				break
			}
		}
		if got := w.auditLogs(app, "?size=1000"); len(got.Logs) != 100 {
			t.Errorf("%d on a page", len(got.Logs))
		}
		for _, size := range []int{1, 7, 99} {
			var back []string
			for offset := range (len(all) + size - 1) / size {
				page := w.auditLogs(app, fmt.Sprintf("?size=%d&offset=%d", size, offset))
				back = append(back, page.ids()...)
			}
			if !slices.Equal(all, back) {
				t.Errorf("pages of %d have other records", size)
			}
		}
		if got := w.auditLogs(app, fmt.Sprintf("?offset=%d", len(all))); len(got.Logs) != 0 || got.Total != len(all) || got.More {
			t.Errorf("behind the last page: %+v", got)
		}
		// Towards newer records, behind any of them, also while others are added.
		oldest := slices.Clone(all)
		slices.Reverse(oldest)
		for _, from := range []int{0, 5, len(all) - 30} {
			after := oldest[from]
			next := slices.Clone(oldest[:from+1])
			for {
				page := w.auditLogs(app, "?size=37&fetchAfter="+after)
				next = append(next, page.ids()...)
				if !page.More {
					break
				}
				after = next[len(next)-1]
				w.Users(w.account, fmt.Sprintf("more.%d.%d@example.com", from, len(next)))
			}
			if !slices.Equal(next[:len(oldest)], oldest) || len(slices.Compact(next)) < len(oldest)+1 && from != len(all)-30 {
				t.Errorf("after record %d: %d records, want %d and more", from, len(next), len(oldest))
			}
		}
	})
}

// Dates may come as a day or as a time, and the bounds in either order.
func TestAuditLogDates(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		var now atomic.Pointer[time.Time]
		set := func(at time.Time) { now.Store(&at) }
		set(time.Date(2031, 7, 1, 23, 59, 59, 999_999_000, time.UTC))
		w := start(t, dsn, rostertest.Options{Clock: func() time.Time { return *now.Load() }})
		app := w.auditApp()
		first := w.auditLogs(app, "").Total
		set(time.Date(2031, 7, 2, 0, 0, 0, 0, time.UTC))
		w.Users(w.account, "second@example.com")
		set(time.Date(2031, 7, 3, 12, 0, 0, 500_000_000, time.UTC))
		w.Users(w.account, "third@example.com")
		for query, want := range map[string]int{
			"?fromDate=2031-07-01&toDate=2031-07-01":                             first,
			"?fromDate=2031-07-02&toDate=2031-07-02":                             1,
			"?fromDate=2031-07-03&toDate=2031-07-02":                             2,
			"?toDate=2031-07-02":                                                 first + 1,
			"?fromDate=2031-07-02":                                               2,
			"?fromDate=2031-07-03T12:00:00.500Z&toDate=2031-07-03T12:00:00.500Z": 1,
			"?fromDate=2031-07-03T12:00:00.501Z":                                 0,
			"?toDate=2031-07-02T00:00:00Z&fromDate=2031-07-03T12:00:00.499Z":     1,
			"?fromDate=" + url.QueryEscape("2031-07-02T02:00:00+02:00"):          2,
			"?fromDate=2032-01-01":                                               0,
			"?fromDate=2031-07-02&toDate=2031-07-02&size=5&offset=0&x=y&fetchAfter=000000000000000000000000": 1,
		} {
			if got := w.auditLogs(app, query); got.Total != want || len(got.Logs) != min(want, 100) {
				t.Errorf("%s: %d records, want %d", query, got.Total, want)
			}
		}
		for _, query := range []string{
			"fromDate=yesterday", "toDate=2031-13-01", "fromDate=", "fromDate=2031-07-01&fromDate=2031-07-01", "size=0", "size=-1", "size=x",
			"offset=1.5", "fetchAfter=", "fetchAfter=zz", "fetchAfter=00000000000000000000000g", "fetchAfter=+0000000000000000000001", "size=1&size=2", "size=%zz",
		} {
			got := w.send(rostertest.Request{Method: http.MethodGet, Path: "/api/public/auditlogs?" + query, Token: app.Token(nil)})
			w.compare(got, 412, invalidArgs, nil)
		}
	})
}

// The scope is needed, and no account sees another's records.
func TestAuditLogsOfOthers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		page := w.auditLogs(w.auditApp(), "")
		if page.Total != len(page.Logs) || page.More { // they all fit into a page
			t.Errorf("%d records of %d, more: %v: are those of another account counted?", len(page.Logs), page.Total, page.More)
		}
		for _, e := range page.Logs {
			if strings.Contains(e.Description, "other@") || strings.Contains(e.Description, "foreign@") {
				t.Errorf("another account's record: %+v", e)
			}
		}
		got := w.send(rostertest.Request{Method: http.MethodGet, Path: "/api/public/auditlogs", Token: w.app.Token(nil)})
		w.compare(got, 401, badScope, nil)
		got = w.send(rostertest.Request{Method: http.MethodPost, Path: "/api/public/auditlogs/", Token: w.app.Token(nil)})
		w.compare(got, 405, notAllowed, header1("Allow", "GET"))
	})
}
