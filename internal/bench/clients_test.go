package bench

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// clientCalls is how many calls all clients make together.
const clientCalls = 1600

// BenchmarkClients removes one user in each call: one client alone, 16 at once
// in one account, and 16 at once in an account each, since one account's chain
// is written in turn.
func BenchmarkClients(b *testing.B) {
	for _, engine := range storetest.Engines {
		for _, c := range []struct {
			name              string
			clients, accounts int
		}{{"1", 1, 1}, {"16", 16, 1}, {"16-accounts", 16, 16}} {
			b.Run(engine+"/"+c.name, func(b *testing.B) {
				d := prepare(b, engine)
				for b.Loop() {
					b.StopTimer()
					dsn := d.copyOf(b)
					apps := addAccounts(b, d, dsn, c.accounts)
					url := serve(b, dsn, d.key)
					remove := make([]func([]string), len(apps))
					for i, app := range apps {
						remove[i] = remover(b, url, app)
						remove[i]([]string{clientUser(i, clientCalls)}) // opens connections, prepares statements
					}
					b.StartTimer()
					took := callAtOnce(c.clients, func(i int) { remove[i%len(remove)]([]string{clientUser(i%len(remove), i)}) })
					b.ReportMetric(clientCalls/took.Seconds(), "calls/s")
					b.ReportMetric(0, "ns/op")
				}
			})
		}
	}
}

// clientUser is the address of the i-th user of an account.
func clientUser(account, i int) string { return fmt.Sprintf("user.%d@account-%d.example", i, account) }

// addAccounts gives the database n more accounts with users for the calls, and
// returns an app of each.
func addAccounts(b *testing.B, d *data, dsn string, n int) []rosterApp {
	b.Helper()
	ctx := context.Background()
	r, err := roster.Open(ctx, roster.Options{Database: dsn, Secrets: true, SecretKeyFile: d.key})
	check(b, err)
	apps := make([]rosterApp, n)
	for a := range apps {
		account, err := r.CreateAccount(ctx, auth.Operator(), "Bench", fmt.Sprintf("owner@account-%d.example", a))
		check(b, err)
		apps[a].id, apps[a].secret, err = r.CreateApp(ctx, auth.Operator(), account,
			roster.NewApp{Name: "Bench", Scopes: []directory.Scope{directory.ScopeUserManagement}})
		check(b, err)
		rows := make([]roster.ImportRow, clientCalls+1)
		for i := range rows {
			rows[i] = roster.ImportRow{Line: i + 1, Email: clientUser(a, i)}
		}
		_, err = r.ImportUsers(ctx, auth.Operator(), account, rows, roster.ImportOptions{})
		check(b, err)
	}
	check(b, r.Close())
	return apps
}

// callAtOnce makes calls 0 to clientCalls-1 by so many clients and returns how
// long all of them took. Client c makes the calls c, c+clients ...
func callAtOnce(clients int, call func(i int)) time.Duration {
	started := time.Now()
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := c; i < clientCalls; i += clients {
				call(i)
			}
		})
	}
	wg.Wait()
	return time.Since(started)
}
