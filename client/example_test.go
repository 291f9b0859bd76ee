package client_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

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

func ExampleClient_RemoveAll() {
	host, clientID, clientSecret, stop := serve()
	defer stop()

	c, err := client.New(client.Config{Host: host, ClientID: clientID, ClientSecret: clientSecret})
	if err != nil {
		fmt.Println(err)
		return
	}
	leavers := []string{"ann@example.com", "owner@example.com", "bo@example.com"}
	o := client.RemoveAllOptions{BatchSize: 2, CallsPerMinute: 60}
	for batch, err := range c.RemoveAll(context.Background(), slices.Values(leavers), o) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, f := range batch.Failed {
			fmt.Printf("%s was not removed: %s\n", f.EmailID, f.Reason.Message)
		}
		fmt.Printf("%d of %d are dealt with\n", batch.Mark.Users, len(leavers))
	}
	// Output:
	// owner@example.com was not removed: Unauthorized to perform this activity
	// 2 of 3 are dealt with
	// 3 of 3 are dealt with
}

// What is written down before and after each call lets another process go on,
// whenever this one ends.
func ExampleClient_RemoveAll_resume() {
	host, clientID, clientSecret, stop := serve()
	defer stop()

	c, err := client.New(client.Config{Host: host, ClientID: clientID, ClientSecret: clientSecret})
	if err != nil {
		fmt.Println(err)
		return
	}
	leavers := []string{"ann@example.com", "bo@example.com"}
	var saved client.Mark // in a file, in earnest, and synced to the disk
	o := client.RemoveAllOptions{
		Run: "leavers of July", BatchSize: 1, Settle: true,
		Before: func(b *client.Batch) error { saved = b.Mark; return nil },
	}
	for batch, err := range c.RemoveAll(context.Background(), slices.Values(leavers), o) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(batch.Removed)
		saved = batch.Mark
		break // here the process dies
	}
	o.From = saved
	for batch, err := range c.RemoveAll(context.Background(), slices.Values(leavers), o) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(batch.Removed)
		saved = batch.Mark
	}
	// Output:
	// [ann@example.com]
	// [bo@example.com]
}

func ExampleClient_StartRemoval() {
	host, clientID, clientSecret, stop := serve()
	defer stop()

	c, err := client.New(client.Config{Host: host, ClientID: clientID, ClientSecret: clientSecret})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	job, err := c.StartRemoval(ctx, client.RemoveUsersRequest{
		EmailIDs: []string{"ann@example.com", "bo@example.com"}, IdempotencyKey: "leavers-of-July",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	job, err = c.WaitRemoval(ctx, job.ID, time.Second, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %d of %d were removed\n", job.State, job.Removed, job.Requested)
	// Output: completed: 2 of 2 were removed
}

func ExampleClient_Removals() {
	host, clientID, clientSecret, stop := serve()
	defer stop()

	c, err := client.New(client.Config{Host: host, ClientID: clientID, ClientSecret: clientSecret})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if _, err := c.RemoveUsers(ctx, client.RemoveUsersRequest{EmailIDs: []string{"ann@example.com"}}); err != nil {
		fmt.Println(err)
		return
	}
	for removal, err := range c.Removals(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%d of %d were removed\n", removal.Removed, removal.Requested)
	}
	// Output: 1 of 1 were removed
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
