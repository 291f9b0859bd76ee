package storetest

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// ThroughPgBouncer starts PgBouncer in transaction mode in front of a PostgreSQL
// database, and returns the URL of the database through it. It ends with the test.
func ThroughPgBouncer(t testing.TB, dsn string, connections int) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program = "/usr/sbin/pgbouncer"; !exists(program) {
			t.Fatal("there is no PgBouncer on this machine: run 'make deps', or install it (Debian: apt-get install pgbouncer)")
		}
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	dir, use, err := makeServerDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		use.Close()
		os.RemoveAll(dir)
	})
	credential, err := serverUser(dir)
	if err != nil {
		t.Fatal(err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "pgbouncer.ini")
	text := fmt.Sprintf(`[databases]
* = host=127.0.0.1 port=%s user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = %d
`, u.Port(), port, connections)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-q", config)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Pdeathsig: syscall.SIGKILL}
	if err := startOnOwnThread(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_, _ = cmd.Process.Wait()
	})
	through := strings.Replace(dsn, ":"+u.Port()+"/", ":"+strconv.Itoa(port)+"/", 1)
	awaitDatabase(t, through)
	return through
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// awaitDatabase waits until a database answers.
func awaitDatabase(t testing.TB, dsn string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		conn, err := pgx.Connect(t.Context(), dsn)
		if err == nil {
			_ = conn.Close(t.Context())
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
