package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/roster"
	"roster/internal/storetest"
)

const (
	growthCalls = 2000 // of each size
	// growthImport is how many users one import brings.
	growthImport = 200_000
)

// sized is an account of so many users, on a server of its own.
type sized struct {
	users  int
	remove func([]string)
	order  []int // users to remove, at random
	took   []time.Duration
}

// BenchmarkGrowth removes one user in each call from accounts of 10,000 and of
// 1,000,000 users in turn, and with ROSTER_TEST_LONG also of 10,000,000. The
// ratios are of the medians to that of the smallest account.
func BenchmarkGrowth(b *testing.B) {
	sizes := []int{10_000, 1_000_000}
	if storetest.Long() {
		sizes = append(sizes, 10_000_000)
	}
	for _, engine := range storetest.Engines {
		b.Run(engine, func(b *testing.B) {
			accounts := make([]*sized, len(sizes))
			for i, users := range sizes {
				accounts[i] = grow(b, engine, users)
			}
			for b.Loop() {
				for i := range growthCalls {
					for k := range accounts {
						accounts[(i+k)%len(accounts)].call(i) // nobody is always first
					}
				}
			}
			smallest := accounts[0].median()
			for _, a := range accounts {
				b.ReportMetric(float64(a.median().Nanoseconds())/1000, fmt.Sprintf("%d-us", a.users))
				b.ReportMetric(float64(a.median())/float64(smallest), fmt.Sprintf("%d:%d", a.users, sizes[0]))
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func growthUser(i int) string { return fmt.Sprintf("user.%08d@example.com", i) }

// grow makes an account of so many users and serves it.
func grow(b *testing.B, engine string, users int) *sized {
	b.Helper()
	dsn, key := filepath.Join(b.TempDir(), "roster.db"), filepath.Join(b.TempDir(), "secret.key")
	if engine == "postgres" {
		dsn = storetest.NewKept(b)
	}
	ctx := context.Background()
	r, account, app := openWithApp(b, dsn, key)
	for from := 0; from < users; from += growthImport {
		rows := make([]roster.ImportRow, min(growthImport, users-from))
		for i := range rows {
			rows[i] = roster.ImportRow{Line: i, Email: growthUser(from + i), OrgUserID: fmt.Sprintf("E%08d", from+i)}
		}
		_, err := r.ImportUsers(ctx, auth.Operator(), account, rows, roster.ImportOptions{})
		check(b, err)
	}
	check(b, r.Close())
	if engine == "postgres" {
		db := open(b, dsn)
		mustExec(b, db, `VACUUM ANALYZE`)
		mustExec(b, db, `CHECKPOINT`)
		check(b, db.Close())
	}
	return &sized{
		users: users, remove: remover(b, serve(b, dsn, key), app),
		order: rand.New(rand.NewPCG(1, uint64(users))).Perm(users)[:growthCalls],
	}
}

func (s *sized) call(i int) {
	started := time.Now()
	s.remove([]string{growthUser(s.order[i])})
	s.took = append(s.took, time.Since(started))
}

func (s *sized) median() time.Duration {
	slices.Sort(s.took)
	return s.took[len(s.took)/2]
}
