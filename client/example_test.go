package client_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"roster/client"
	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/server"
)

func ExampleClient_RemoveUsers() {
	host, clientID, clientSecret, stop := serve()
	defer stop()

	c, err := client.New(client.Config{Host: host, ClientID: clientID, ClientSecret: clientSecret})
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := c.RemoveUsers(context.Background(), client.RemoveUsersRequest{
		EmailIDs: []string{"ann@example.com", "owner@example.com"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range out.Failed {
		fmt.Printf("%s was not removed: %s\n", f.EmailID, f.Reason.Message)
	}
	// Output: owner@example.com was not removed: Unauthorized to perform this activity
}

func ExampleClient_RemoveUsers_preview() {
	host, clientID, clientSecret, stop := serve()
	defer stop()

	c, err := client.New(client.Config{Host: host, ClientID: clientID, ClientSecret: clientSecret})
	if err != nil {
		fmt.Println(err)
		return
	}
	leavers := []string{"ann@example.com", "bo@example.com"}
	preview, err := c.RemoveUsers(context.Background(), client.RemoveUsersRequest{EmailIDs: leavers, DryRun: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d of %d would be removed\n", len(leavers)-len(preview.Failed), len(leavers))
	// Output: 2 of 2 would be removed
}

func ExampleClient_RestoreUsers() {
	host, clientID, clientSecret, stop := serve()
	defer stop()

	c, err := client.New(client.Config{Host: host, ClientID: clientID, ClientSecret: clientSecret})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	removed, err := c.RemoveUsers(ctx, client.RemoveUsersRequest{EmailIDs: []string{"ann@example.com", "bo@example.com"}, Atomic: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(removed.Message)
	some, err := c.RestoreUsers(ctx, removed.RemovalID, client.RestoreUsersRequest{EmailIDs: []string{"ann@example.com"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(some.Message)
	rest, err := c.RestoreUsers(ctx, removed.RemovalID, client.RestoreUsersRequest{All: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rest.Message)
	// Output:
	// Users are removed Successfully
	// Users are restored Successfully
	// Users are restored Successfully
}

// serve serves an account of owner@, ann@ and bo@example.com until stop is
// called. It panics when it cannot.
func serve() (host, clientID, clientSecret string, stop func()) {
	dir, err := os.MkdirTemp("", "roster-example-")
	check(err)
	ctx, cancel := context.WithCancel(context.Background())
	s, err := server.New(ctx, server.Config{
		Addr: "127.0.0.1:0", Roster: roster.Options{Database: filepath.Join(dir, "roster.db")}, Log: slog.New(slog.DiscardHandler),
	})
	check(err)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	op := auth.Operator()
	account, err := s.Roster().CreateAccount(ctx, op, "Example", "owner@example.com")
	check(err)
	rows := []roster.ImportRow{{Line: 1, Email: "ann@example.com"}, {Line: 2, Email: "bo@example.com"}}
	_, err = s.Roster().ImportUsers(ctx, op, account, rows, roster.ImportOptions{})
	check(err)
	clientID, clientSecret, err = s.Roster().CreateApp(ctx, op, account, roster.NewApp{
		Name: "Offboarding", Scopes: []directory.Scope{directory.ScopeUserManagement},
	})
	check(err)
	return s.URL(), clientID, clientSecret, func() {
		cancel()
		check(<-done)
		check(os.RemoveAll(dir))
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
