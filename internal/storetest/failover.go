package storetest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// StartStandby starts a standby server that follows p. The standby named "standby" in
// p's synchronous_standby_names is this one.
func (p *Postgres) StartStandby() *Postgres {
	p.t.Helper()
	s, err := newServer(func(s *postgresServer) error {
		return s.tool("pg_basebackup", "-R", "-X", "stream", "--checkpoint=fast", "--no-sync", "-D", s.data(),
			"-d", fmt.Sprintf("host=127.0.0.1 port=%d user=postgres application_name=standby", p.server.port))
	})
	if err != nil {
		p.t.Fatalf("set up a standby: %v", err)
	}
	// What the primary was told by Set came along with its files.
	s.settings = []string{"synchronous_standby_names="}
	return run(p.t, s)
}

// Promote makes a standby take writes, and returns when it does.
func (p *Postgres) Promote() {
	p.t.Helper()
	var promoted bool
	if err := p.server.admin.QueryRow("SELECT pg_promote()").Scan(&promoted); err != nil || !promoted {
		p.t.Fatalf("promote the standby: %v, %v", promoted, err)
	}
}

// Set changes a setting of the server for as long as it lives.
func (p *Postgres) Set(name, value string) {
	p.t.Helper()
	for _, query := range []string{fmt.Sprintf("ALTER SYSTEM SET %s = '%s'", name, value), "SELECT pg_reload_conf()"} {
		if err := p.server.exec(query); err != nil {
			p.t.Fatalf("set %s: %v", name, err)
		}
	}
}

// Freeze stops all processes of the server without ending them: it takes connections
// and answers nobody.
func (p *Postgres) Freeze() {
	p.t.Helper()
	parent := p.server.cmd.Process.Pid
	if err := syscall.Kill(parent, syscall.SIGSTOP); err != nil { // it starts no more children
		p.t.Fatalf("freeze PostgreSQL: %v", err)
	}
	p.frozen = append(children(p.t, parent), parent)
	for _, pid := range p.frozen {
		_ = syscall.Kill(pid, syscall.SIGSTOP) // it may have ended
	}
}

// Thaw lets a frozen server go on.
func (p *Postgres) Thaw() {
	for _, pid := range p.frozen {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	p.frozen = nil
}

// children are the processes that a process has started.
func children(t testing.TB, pid int) []int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for field := range strings.FieldsSeq(string(text)) {
		child, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, child)
	}
	return pids
}

// MultiHost is the URL of a database on several servers, of which one takes writes.
func MultiHost(dsn string, servers ...*Postgres) string {
	hosts := make([]string, len(servers))
	for i, p := range servers {
		hosts[i] = "127.0.0.1:" + strconv.Itoa(p.server.port)
	}
	scheme, rest, _ := strings.Cut(dsn, "@")
	_, path, _ := strings.Cut(rest, "/")
	return scheme + "@" + strings.Join(hosts, ",") + "/" + path
}

// On is the URL of a database on another server.
func (p *Postgres) On(dsn string) string { return MultiHost(dsn, p) }
