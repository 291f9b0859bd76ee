package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"roster/internal/store"
)

// templateName is the database with the current schema from which each test's
// own is copied.
const templateName = "roster_template"

// postgresVariable is the environment variable that has the port of the PostgreSQL
// server of a whole test run. Without it each test binary starts a server.
const postgresVariable = "ROSTER_TEST_POSTGRES_PORT"

// postgresServer is the PostgreSQL server of a test binary, or of a whole test run.
type postgresServer struct {
	bin        string
	dir        string
	inUse      *os.File // keeps others from removing dir
	credential *syscall.Credential
	port       int
	admin      *sql.DB
	cmd        *exec.Cmd // nil while it does not run
	settings   []string  // more of them, as name=value
}

var (
	startOnce = sync.OnceValues(findPostgres)
	running   atomic.Pointer[postgresServer]
	databases atomic.Int64
)

// newPostgres makes a database from a template and returns its DSN.
func newPostgres(t testing.TB, template string) string {
	t.Helper()
	s := server(t)
	name := s.database(t, template)
	p := &pools{byDSN: map[string]*sql.DB{}}
	sharing.Store(s.dsn(name), p)
	t.Cleanup(func() {
		sharing.Delete(s.dsn(name))
		p.close()
		if err := s.exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("drop database %s: %v", name, err)
		}
	})
	return s.dsn(name)
}

// server returns the server of the test binary, started by its first caller.
func server(t testing.TB) *postgresServer {
	t.Helper()
	s, err := startOnce()
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	return s
}

// database makes a database from a template and returns its name.
func (s *postgresServer) database(t testing.TB, template string) string {
	t.Helper()
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), databases.Add(1)) // other test binaries may use the server
	if err := s.create(name, template); err != nil {
		t.Fatalf("create database %s: %v", name, err)
	}
	return name
}

func (s *postgresServer) dsn(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

// create copies a template, file by file: the other way, through the log, is for
// large servers and takes three times as long. PostgreSQL refuses two copies of
// one at once, so they take turns.
func (s *postgresServer) create(name, template string) error {
	createMu.Lock()
	defer createMu.Unlock()
	return s.exec("CREATE DATABASE " + name + " TEMPLATE " + template + " STRATEGY file_copy")
}

var createMu sync.Mutex

// Fsync makes both engines flush what they commit. A benchmark sets it before it
// asks for the first database; tests do without, since none cuts the power.
var Fsync bool

// NewKept makes a database with the current schema that lives until the test
// binary ends.
func NewKept(t testing.TB) string {
	t.Helper()
	s := server(t)
	return s.dsn(s.database(t, templateName))
}

// Copy makes a copy of a database that nobody is connected to, until the test ends.
func Copy(t testing.TB, dsn string) string {
	t.Helper()
	return newPostgres(t, dsn[strings.LastIndex(dsn, "/")+1:strings.Index(dsn, "?")])
}

func (s *postgresServer) exec(query string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.admin.PingContext(ctx); err != nil { // replaces a connection that the server has ended
		return err
	}
	_, err := s.admin.ExecContext(ctx, query)
	return err
}

// findPostgres returns the server of the whole test run, or else starts one for
// this test binary.
func findPostgres() (*postgresServer, error) {
	text := os.Getenv(postgresVariable)
	if text == "" {
		return startPostgres()
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", postgresVariable, err)
	}
	s := &postgresServer{port: port}
	s.admin, err = sql.Open("pgx", s.dsn("postgres"))
	return s, err
}

// startPostgres starts a server with the template.
func startPostgres() (*postgresServer, error) {
	s, err := initPostgres()
	if err != nil {
		return nil, err
	}
	running.Store(s)
	if err := s.start(); err != nil {
		return nil, err
	}
	if err := s.exec("CREATE DATABASE " + templateName + " TEMPLATE template0"); err != nil {
		return nil, err
	}
	return s, migrateTemplate(s.dsn(templateName))
}

// Share prepares what the test binaries of a whole run share, in a new directory:
// a PostgreSQL server and the built program. It returns the environment variables by which
// they find both, and a function that ends the server and removes the files.
func Share() (variables []string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "roster-program-")
	if err != nil {
		return nil, nil, err
	}
	stop = func() {
		stopPostgres()
		_ = os.RemoveAll(dir)
	}
	program, err := BuildProgram(dir)
	if err != nil {
		stop()
		return nil, nil, err
	}
	s, err := startPostgres()
	if err != nil {
		stop()
		return nil, nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	return []string{programVariable + "=" + program, postgresVariable + "=" + strconv.Itoa(s.port)}, stop, nil
}

// initPostgres creates the data of a server in a directory of its own.
func initPostgres() (*postgresServer, error) {
	return newServer(func(s *postgresServer) error {
		return s.tool("initdb", "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	})
}

// newServer makes a directory for a server, lets fill create the data in it, and finds
// a free port. With an error nothing is left behind.
func newServer(fill func(*postgresServer) error) (_ *postgresServer, err error) {
	s := &postgresServer{}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(s.dir)
		}
	}()
	if s.bin, err = postgresBin(); err != nil {
		return nil, err
	}
	if s.dir, s.inUse, err = makeServerDir(); err != nil {
		return nil, err
	}
	if s.credential, err = serverUser(s.dir); err != nil {
		return nil, err
	}
	if err := fill(s); err != nil {
		return nil, err
	}
	if s.port, err = freePort(); err != nil {
		return nil, err
	}
	s.admin, err = sql.Open("pgx", s.dsn("postgres"))
	return s, err
}

// tool runs a program of PostgreSQL as the server's user.
func (s *postgresServer) tool(name string, args ...string) error {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

func (s *postgresServer) data() string { return filepath.Join(s.dir, "data") }

// start starts the server and waits until it answers. The server dies with the
// test binary, however that ends.
func (s *postgresServer) start() error {
	flush := "off"
	if Fsync {
		flush = "on"
	}
	// synchronous_commit stays on, as the product demands.
	args := []string{
		"-D", s.data(), "-p", strconv.Itoa(s.port), "-k", s.dir,
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=" + flush, "-c", "full_page_writes=" + flush,
		"-c", "max_connections=300", "-c", "autovacuum=off", "-c", "log_min_messages=fatal",
	}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	s.cmd = exec.Command(filepath.Join(s.bin, "postgres"), args...)
	s.cmd.Dir = s.dir
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential, Pdeathsig: syscall.SIGQUIT}
	if err := startOnOwnThread(s.cmd); err != nil {
		s.cmd = nil
		return err
	}
	return s.wait()
}

// stop sends the server a signal and waits for its end, if it runs.
func (s *postgresServer) stop(signal syscall.Signal) error {
	if s.cmd == nil {
		return nil
	}
	err := s.cmd.Process.Signal(signal)
	_, _ = s.cmd.Process.Wait()
	s.cmd = nil
	return err
}

// startOnOwnThread starts the command from a thread that lives as long as the
// test binary: the death signal is bound to the thread, not to the process.
func startOnOwnThread(cmd *exec.Cmd) error {
	started := make(chan error)
	starter() <- func() { started <- cmd.Start() }
	return <-started
}

// starter is the way to that thread.
var starter = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for start := range work {
			start()
		}
	}()
	return work
})

func (s *postgresServer) wait() error {
	deadline := time.Now().Add(time.Minute)
	for {
		err := s.exec("SELECT 1")
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond) // until the server answers
	}
}

func migrateTemplate(dsn string) error {
	ctx := context.Background()
	st, err := store.Open(ctx, dsn, store.Options{})
	if err != nil {
		return err
	}
	return errors.Join(st.Migrate(ctx), st.Close())
}

func stopPostgres() {
	s := running.Load()
	if s == nil {
		return
	}
	_ = s.stop(syscall.SIGQUIT) // at once: nobody needs the data
	_ = os.RemoveAll(s.dir)
}

// postgresBin finds the server's programs: in PG_BIN, where Debian puts them,
// or on the PATH. The newest version wins.
func postgresBin() (string, error) {
	if dir := os.Getenv("PG_BIN"); dir != "" {
		return dir, nil
	}
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(dirs, func(a, b string) int { return majorVersion(b) - majorVersion(a) })
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	return "", errors.New("there is no PostgreSQL server on this machine: run 'make deps', " +
		"or install one (Debian: apt-get install postgresql) or set PG_BIN to the directory of initdb")
}

func majorVersion(binDir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(binDir)))
	return n
}

// serverUser returns whom to run the server as: PostgreSQL refuses root, so
// root runs it as the user postgres and gives that the directory.
func serverUser(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("root cannot run PostgreSQL and there is no user postgres: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// freePort finds a port below those that systems give to outgoing connections
// (32768 and up, or 49152): one of these could take it while the server is
// stopped.
func freePort() (port int, err error) {
	for range 100 {
		port = 10_000 + rand.IntN(22_000)
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}

// Tool runs a program of the PostgreSQL server's own version.
func Tool(t testing.TB, name string, args ...string) {
	t.Helper()
	dir, err := postgresBin()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), filepath.Join(dir, name), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
}
