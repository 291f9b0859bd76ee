package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"roster/internal/directory"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// The audit log is what the document says, and each of its examples is met.
func TestDocumentedAuditLogs(t *testing.T) {
	t.Parallel()
	const path = "/api/public/auditlogs"
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		at := time.Date(2031, 7, 2, 6, 0, 0, 250_000_000, time.UTC) // unlike that of everything else
		c := newChecker(t, rostertest.Start(t, dsn, rostertest.Options{RateLimits: directory.DefaultRateLimits()}))
		for _, st := range slices.Concat([]step{
			{status: 200, example: "first", query: "?size=1&fromDate=2031-07-01"},
			{status: 200, example: "none", query: "?fromDate=2001-01-01&toDate=2001-01-01"},
			{status: 412, example: "types", query: "?size=0", invalid: true},
			{status: 412, example: "types", query: "?fetchAfter=x", invalid: true},
			{status: 412, example: "types", query: "?toDate=tomorrow"},
			{status: 429, example: "limit", before: noCallLeft},
		}, refusedCalls("")) {
			t.Run(fmt.Sprintf("%d %s%s", st.status, st.example, st.query), func(t *testing.T) {
				people := newCast(c.Server)
				people.app = c.AppWith(people.account, directory.OriginAdminConsole, directory.ScopeAuditLogs, directory.ScopeUserManagement)
				people.scopeless = c.AppWith(people.account, directory.OriginAdminConsole, directory.ScopeUserManagement)
				if st.example == "first" {
					c.Users(people.account, "zoe@example.com")
					storetest.Exec(t, dsn, `UPDATE audit_chain SET created_at = $1 WHERE number = (
SELECT MAX(c.number) FROM audit_chain c JOIN accounts a ON a.id = c.account_id WHERE a.public_id = $2)
AND account_id = (SELECT id FROM accounts WHERE public_id = $2)`, at.UnixMicro(), people.account)
				}
				c.step(t, people, st, rostertest.Request{Method: http.MethodGet, Path: path + st.query})
			})
		}
		if !t.Failed() {
			c.everyExampleSeen(path, unprovoked)
		}
	})
}
