package main_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"roster/client"
	"roster/internal/storetest"
)

// What a call may add to the resident memory of an idle server, in bytes: 64 MB
// for 100,000 users, the page cache of the connection that writes apart. That
// has a size of its own, see internal/store.
const (
	callBase    = 4_000_000
	callPerUser = 600
	pageCache   = 64 << 20
)

// TestMemoryOfALargeCall bounds the resident memory that a call adds to an idle
// server: docs/performance.md has the figures. Each call goes to a server that
// has just started, since memory that was used once stays with the process.
func TestMemoryOfALargeCall(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the peak of a process's memory is read from /proc")
	}
	users := 8000
	if storetest.Long() {
		users = 100_000
	}
	for _, engine := range storetest.Engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			d := newDirectory(t, engine, 2*users)
			// Users from all over the account touch the most pages.
			rng := rand.New(rand.NewPCG(1, 2))
			rng.Shuffle(len(d.users), func(i, k int) { d.users[i], d.users[k] = d.users[k], d.users[i] })
			unknown, invalid := make([]string, users), make([]string, users)
			for i := range users {
				unknown[i] = fmt.Sprintf("nobody.%06d@example.com", i)
				invalid[i] = fmt.Sprintf("nobody.%06d.example.com", i)
			}
			for _, c := range []struct {
				name   string
				ids    []string
				failed int
			}{
				{"one user", d.users[len(d.users)-1:], 0},
				{"nobody is known", unknown, users},
				{"no id is valid", invalid, users},
				{"all leave", d.users[:users], 0},
			} {
				grown := d.memoryOf(c.ids, c.failed)
				cache := d.pageCache()
				t.Logf("%s, %d users: %.1f MB above idle, of which at most %.1f are a page cache", c.name, len(c.ids), mb(grown), mb(cache))
				if most := callBase + callPerUser*len(c.ids) + cache; grown > most {
					t.Errorf("%s: %.1f MB above idle, want at most %.1f", c.name, mb(grown), mb(most))
				}
				// The ids themselves cannot take less, so a smaller figure sees nothing.
				if least := len(strings.Join(c.ids, "")); grown < least {
					t.Errorf("%s: %.1f MB above idle, yet the ids alone take %.1f", c.name, mb(grown), mb(least))
				}
			}
		})
	}
}

// pageCache is how many bytes of the database file the server may keep, which
// is nothing where it has none.
func (d *testDirectory) pageCache() int {
	if strings.HasPrefix(d.dsn, "postgres") {
		return 0
	}
	file, err := os.Stat(d.dsn)
	if err != nil {
		d.Fatal(err)
	}
	return min(pageCache, int(file.Size()))
}

func mb(bytes int) float64 { return float64(bytes) / 1e6 }

// memoryOf starts a server, makes one call and returns by how many bytes the
// peak of the server's resident memory has grown.
func (d *testDirectory) memoryOf(ids []string, failed int) int {
	d.Helper()
	serve, addr := d.serve()
	idle := peakMemory(d.T, serve.Process.Pid)
	out, err := d.client(addr).RemoveUsers(context.Background(), client.RemoveUsersRequest{EmailIDs: ids})
	if err != nil || len(out.Failed) != failed {
		d.Fatalf("error %v, answer %+.300v", err, out)
	}
	grown := peakMemory(d.T, serve.Process.Pid) - idle
	if err := serve.Process.Signal(os.Interrupt); err != nil {
		d.Error(err)
	}
	if err := serve.Wait(); err != nil {
		d.Errorf("serve: %v", err)
	}
	return grown
}

var peakLine = regexp.MustCompile(`(?m)^VmHWM:\s*(\d+) kB$`)

// peakMemory is the most bytes of memory that a process has had resident.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	m := peakLine.FindSubmatch(status)
	if m == nil {
		t.Fatalf("no peak in %s", status)
	}
	kb, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}
