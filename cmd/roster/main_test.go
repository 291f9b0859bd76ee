package main_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"roster/client"
	"roster/internal/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// command makes a run of the program with an empty home.
func command(t *testing.T, home string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), storetest.Program(t), args...)
	cmd.Env = append(os.Environ(), "HOME="+home)
	return cmd
}

// result runs a command that prints JSON.
func result(t *testing.T, home string, args ...string) map[string]any {
	t.Helper()
	cmd := command(t, home, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("roster %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	var fields map[string]any
	if err := json.Unmarshal(out, &fields); err != nil {
		t.Fatalf("roster %s printed %q: %v", strings.Join(args, " "), out, err)
	}
	return fields
}

// TestStopFinishesWhatWasAccepted sends a signal while a call is half sent: the
// call is answered, the removal stands, and the program ends with 0.
func TestStopFinishesWhatWasAccepted(t *testing.T) {
	t.Parallel()
	for _, engine := range storetest.Engines {
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			t.Run(engine+"/"+signal.String(), func(t *testing.T) {
				t.Parallel()
				stopDuringCall(t, storetest.Empty(t, engine), signal)
			})
		}
	}
}

func stopDuringCall(t *testing.T, dsn string, signal os.Signal) {
	home := t.TempDir()
	account := result(t, home, "account", "create", "--database", dsn, "--name", "X", "--owner-email", "owner@example.com")["accountId"].(string)
	app := result(t, home, "app", "create", "--database", dsn, "--account", account, "--name", "App", "--scope", "user_management:user_management")
	people := filepath.Join(home, "people.csv")
	if err := os.WriteFile(people, []byte("emailId\nann@example.com\nbo@example.com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	result(t, home, "user", "import", "--database", dsn, "--account", account, people)

	serve := command(t, home, "serve", "--database", dsn, "--addr", "127.0.0.1:0", "--rate-limit", "off")
	addr, log := startServe(t, serve)
	token, err := client.NewToken(client.TokenOptions{ClientID: app["clientId"].(string), ClientSecret: app["clientSecret"].(string), TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := `{"deleteEmailIds":["ann@example.com"]}`
	// The interim answer shows that the server is reading the body.
	fmt.Fprintf(conn, "DELETE /api/public/users HTTP/1.1\r\nHost: x\r\nauth: %s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", token, len(body))
	answers := bufio.NewReader(conn)
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("answer %q, error %v", line, err)
	}
	if err := serve.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	waitFor(t, log, `"msg":"stopping"`)
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Log("a connection was still taken while stopping") // it is closed unanswered
	}
	io.WriteString(conn, body)
	rest, err := io.ReadAll(answers)
	if err != nil || !strings.HasSuffix(string(rest), `{"msg":"Users are removed Successfully"}`) {
		t.Errorf("answer %q, error %v", rest, err)
	}
	if err := serve.Wait(); err != nil {
		t.Errorf("serve: %v", err)
	}
	out, err := command(t, home, "user", "list", "--database", dsn, "--account", account).Output()
	if err != nil || strings.Contains(string(out), "ann@") || !strings.Contains(string(out), "bo@") {
		t.Errorf("members %s, error %v", out, err)
	}
}

var servingLine = regexp.MustCompile(`"msg":"serving","addr":"([^"]+)"`)

// startServe starts the server and returns its address and its further log.
func startServe(t *testing.T, serve *exec.Cmd) (addr string, log *bufio.Scanner) {
	t.Helper()
	stderr, err := serve.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { serve.Process.Kill() })
	log = bufio.NewScanner(stderr)
	for log.Scan() {
		if m := servingLine.FindStringSubmatch(log.Text()); m != nil {
			return m[1], log
		}
	}
	t.Fatalf("serve ended before it served: %v", log.Err())
	return "", nil
}

func waitFor(t *testing.T, log *bufio.Scanner, text string) {
	t.Helper()
	for log.Scan() {
		if strings.Contains(log.Text(), text) {
			return
		}
	}
	t.Fatalf("the log ended without %s", text)
}

// TestDemoLeavesNothingBehind runs the demo as a user does, stops it with
// Ctrl-C, and looks at the temporary directory.
func TestDemoLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	demo := command(t, home, "demo")
	demo.Env = append(demo.Env, "TMPDIR="+home)
	stdout, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { demo.Process.Kill() })
	waitFor(t, bufio.NewScanner(stdout), "Ctrl-C stops the demo")
	if err := demo.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, stdout)
	if err := demo.Wait(); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Errorf("demo: %v", err)
	}
	left, err := os.ReadDir(home)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, error %v", left, err)
	}
}
