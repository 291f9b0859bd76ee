package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"roster/client"
	"roster/internal/storetest"
)

// testDirectory is a database with one account, its people and an app, all made
// by the command line.
type testDirectory struct {
	*testing.T
	dsn, home, account     string
	clientID, clientSecret string
	users                  []string // addresses, without the owner's
}

func newDirectory(t *testing.T, engine string, population int) *testDirectory {
	t.Helper()
	d := &testDirectory{T: t, dsn: storetest.Empty(t, engine), home: t.TempDir()}
	d.account = result(t, d.home, "account", "create", "--database", d.dsn, "--name", "X", "--owner-email", "owner@example.com")["accountId"].(string)
	app := result(t, d.home, "app", "create", "--database", d.dsn, "--account", d.account, "--name", "App", "--scope", "user_management:user_management")
	d.clientID, d.clientSecret = app["clientId"].(string), app["clientSecret"].(string)
	var file strings.Builder
	file.WriteString("emailId,orgUserId,firstName\n")
	for i := range population {
		d.users = append(d.users, fmt.Sprintf("user.%06d@example.com", i))
		fmt.Fprintf(&file, "%s,E%06d,First\n", d.users[i], i)
	}
	people := filepath.Join(d.home, "people.csv")
	if err := os.WriteFile(people, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	result(t, d.home, "user", "import", "--database", d.dsn, "--account", d.account, people)
	return d
}

// serve starts a server and returns it with its address.
func (d *testDirectory) serve() (server *exec.Cmd, addr string) {
	d.Helper()
	server = command(d.T, d.home, "serve", "--database", d.dsn, "--addr", "127.0.0.1:0", "--rate-limit", "off")
	addr, log := startServe(d.T, server)
	go func() {
		for log.Scan() { // keep the pipe empty
		}
	}()
	return server, addr
}

// list is the addresses of the live members, the owner's first.
func (d *testDirectory) list() []string {
	d.Helper()
	out, err := command(d.T, d.home, "user", "list", "--database", d.dsn, "--account", d.account).Output()
	if err != nil {
		d.Fatal(err)
	}
	var users []struct {
		EmailID string `json:"emailId"`
	}
	if err := json.Unmarshal(out, &users); err != nil {
		d.Fatal(err)
	}
	emails := make([]string, len(users))
	for i, u := range users {
		emails[i] = u.EmailID
	}
	return emails
}

// client calls the server at addr as the directory's app.
func (d *testDirectory) client(addr string) *client.Client {
	d.Helper()
	c, err := client.New(client.Config{
		Host: "http://" + addr, ClientID: d.clientID, ClientSecret: d.clientSecret,
		Retry: client.Retry{Attempts: 1}, // servers here are killed for good
	})
	if err != nil {
		d.Fatal(err)
	}
	return c
}
