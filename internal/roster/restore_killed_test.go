package roster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/store"
	"roster/internal/storetest"
)

const restoreChild = "ROSTER_TEST_RESTORE_CHILD"

// restoreCase is a whole removal that a child process restores, with less in one
// transaction than there is. It travels as JSON.
type restoreCase struct {
	DSN, Account, Removal string
	At                    int64 // the statement at which the child kills itself; 0 for none
}

// open opens the directory with trace called before each statement.
func (c *restoreCase) open(trace func(string)) (*roster.Roster, error) {
	return roster.Open(context.Background(), roster.Options{Database: c.DSN, JobChunk: 25, RestoreAtOnce: 30, Store: store.Options{Trace: trace}})
}

// runRestoreChild is the program of the child process. It prints how many statements
// the restoration took.
func runRestoreChild(spec string) int {
	var c restoreCase
	if err := json.Unmarshal([]byte(spec), &c); err != nil {
		panic(err)
	}
	var count atomic.Int64
	count.Store(-1_000_000)
	r, err := c.open(func(string) {
		if count.Add(1) == c.At {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // the signal is on its way
		}
	})
	if err != nil {
		panic(err)
	}
	count.Store(0)
	out, err := r.RestoreUsers(context.Background(), auth.Operator(), c.Account, c.Removal, nil, roster.RestoreOptions{RequestID: "id"})
	if err != nil {
		panic(err)
	}
	fmt.Printf("[%d,%d]\n", count.Load(), out.Restored)
	return 0
}

// run restores in a child process. It returns what the child printed, and whether it
// was killed.
func (c *restoreCase) run(t *testing.T) (printed [2]int64, killed bool) {
	t.Helper()
	spec, err := json.Marshal(c)
	must(t, err)
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), restoreChild+"="+string(spec))
	out, err := child.Output()
	storetest.WaitAlone(t, c.DSN)
	if err != nil && strings.Contains(err.Error(), "killed") {
		return printed, true
	}
	must(t, err)
	must(t, json.Unmarshal(out, &printed))
	return printed, false
}

// A process that restores a removal in many transactions is killed at random
// statements. The next server restores the rest: never a part of the users alone, and
// nobody twice.
func TestKilledRestorationIsFinished(t *testing.T) {
	t.Parallel()
	const users = 300
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		rng := rand.New(rand.NewPCG(seed, 2))
		c := &restoreCase{DSN: dsn}
		r, err := c.open(nil)
		must(t, err)
		defer func() { must(t, r.Close()) }()
		var refs []directory.UserRef
		c.Account, refs = jobAccount(t, r, "one", users)
		caller := callerOf(t, dsn, c.Account)
		statements, begun, rounds := int64(0), 0, 1+storetest.Count(5, 100)
		for round := range rounds {
			out, err := r.RemoveUsers(ctx, caller, refs, roster.RemovalOptions{})
			must(t, err)
			c.Removal = out.PublicID
			if round > 0 { // at first nobody is killed, to count
				c.At = 1 + rng.Int64N(statements)
			}
			must(t, r.Close())
			printed, killed := c.run(t)
			r, err = c.open(nil)
			must(t, err)
			if killed != (round > 0) {
				t.Fatalf("killed at statement %d: %v", c.At, killed)
			}
			workAll(t, r)
			record, err := r.Removal(ctx, auth.Operator(), c.Account, c.Removal)
			must(t, err)
			switch {
			case round == 0:
				if statements = printed[0]; printed[1] != users {
					t.Fatalf("%d users are restored", printed[1])
				}
			case record.Restored == users:
				begun++
			case record.Restored > 0:
				t.Fatalf("killed at statement %d of %d: %d of %d users are restored", c.At, statements, record.Restored, users)
			}
			_, err = r.RestoreUsers(ctx, auth.Operator(), c.Account, c.Removal, nil, roster.RestoreOptions{})
			must(t, err)
			if n := len(keysOf(t, r, c.Account)); n != users+1 {
				t.Fatalf("killed at statement %d: %d members", c.At, n)
			}
		}
		if begun == 0 {
			t.Error("no restoration was begun before the kill")
		}
		var records int
		must(t, storetest.SQL(t, dsn).QueryRow("SELECT COUNT(*) FROM audit_records WHERE kind = '"+string(directory.AuditUserRestored)+"'").Scan(&records))
		if records != users*rounds {
			t.Errorf("%d records of restored users, want %d", records, users*rounds)
		}
		_, err = r.VerifyAudit(ctx, auth.Operator())
		must(t, err)
	})
}
