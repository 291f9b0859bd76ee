// Package demo shows the product at work: it serves a throw-away directory with
// a sample account, removes some of its users over HTTP and restores one, and
// prints each request and answer as they go over the wire. It uses the same server and
// verbs as everybody else.
package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"time"

	"roster/client"
	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/server"
)

// Options say how to run the demo.
type Options struct {
	// Addr is where to listen; port 0 takes a free one.
	Addr string
	// Once ends the demo after the story; else it serves until ctx ends.
	Once bool
	// Out gets what is shown, Err what goes wrong.
	Out, Err io.Writer
}

const (
	sampleSize = 3000
	owner      = "olga.owner@example.com"
	// deskOwner owns a bot in the sample account, as in the published page,
	// whose failure answer thus comes back just as it is printed there.
	deskOwner = "deskkore1@gmail.com"
	tokenLife = time.Hour
)

// sample is the account that the demo works on.
type sample struct {
	account string
	size    int                // members in all
	rows    []roster.ImportRow // those without a name in the story
	app     client.TokenOptions
}

// Run serves a throw-away directory, fills it, removes some users from it over
// HTTP and shows that. Nothing of it is left behind.
func Run(ctx context.Context, o Options) (err error) {
	dir, err := os.MkdirTemp("", "roster-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	srv, err := server.New(ctx, server.Config{
		Addr:   o.Addr,
		Roster: roster.Options{Database: filepath.Join(dir, "demo.db"), RateLimits: directory.DefaultRateLimits()},
		Log:    slog.New(slog.NewTextHandler(o.Err, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	defer stop()
	stopped := make(chan error, 1)
	go func() { stopped <- srv.Run(serving) }()

	if err = show(ctx, o, srv); err == nil && !o.Once {
		<-ctx.Done()
		fmt.Fprintln(o.Out, "\nStopped. Nothing of the demo is left behind.")
	}
	stop()
	return errors.Join(err, <-stopped)
}

// show fills the directory and tells the story.
func show(ctx context.Context, o Options, srv *server.Server) error {
	s, err := fill(ctx, srv.Roster())
	if err != nil {
		return fmt.Errorf("fill the sample account: %w", err)
	}
	fmt.Fprintf(o.Out, "roster serves a sample account of %d people at %s\n", s.size, srv.URL())

	if err := s.story(ctx, o.Out, srv.URL()); err != nil {
		return err
	}
	if err := s.count(ctx, o.Out, srv.Roster()); err != nil || o.Once {
		return err
	}
	token, err := client.NewToken(s.app)
	if err != nil {
		return err
	}
	link, err := srv.Roster().CreatePasswordLink(ctx, auth.Operator(), s.account, owner)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.Out, `
--- Your turn. The token is good for an hour. ---

curl -X DELETE '%s/api/public/users' \
  -H 'auth: %s' \
  -H 'Content-Type: application/json' \
  -d '{"orgUserIds":["%s"]}'

In the Admin Console you undo it. Set a password, and sign in as %s:

%s

Ctrl-C stops the demo and deletes its data.
`, srv.URL(), token, s.rows[3].OrgUserID, owner, srv.LocalURL()+server.LinkPath(link.Token))
	return nil
}

// story makes the calls of the demo.
func (s *sample) story(ctx context.Context, out io.Writer, url string) error {
	const users = "/api/public/users"
	body := func(emails ...string) string { return `{"deleteEmailIds":["` + strings.Join(emails, `","`) + `"]}` }
	three := body(s.rows[0].Email, strings.ToUpper(s.rows[1].Email), s.rows[9].Email)

	fmt.Fprint(out, "\n--- A preview: could these three leave? It changes nothing. ---\n\n")
	if _, err := s.call(ctx, out, http.MethodDelete, url+users+"?dryRun=true", three); err != nil {
		return err
	}
	fmt.Fprint(out, "\n--- The three leave. Case does not matter. ---\n\n")
	answer, err := s.call(ctx, out, http.MethodDelete, url+users, three)
	if err != nil {
		return err
	}
	fmt.Fprint(out, "\n--- One leaves; the other owns a bot and must hand it over first. ---\n\n")
	if _, err := s.call(ctx, out, http.MethodDelete, url+users, body(deskOwner, s.rows[2].Email)); err != nil {
		return err
	}
	fmt.Fprint(out, "\n--- The first of the three was a mistake: back, with groups and roles. ---\n\n")
	undo := url + users + "/removals/" + answer.Get("X-Removal-Id") + "/restore"
	_, err = s.call(ctx, out, http.MethodPost, undo, body(s.rows[0].Email))
	return err
}

// fill makes the sample account.
func fill(ctx context.Context, r *roster.Roster) (*sample, error) {
	op := auth.Operator()
	account, err := r.CreateAccount(ctx, op, "Example Corp", owner)
	if err != nil {
		return nil, err
	}
	s := &sample{account: account, size: sampleSize + 2, rows: people(sampleSize)} // the owners of account and desk too
	desk := roster.ImportRow{Line: sampleSize + 1, Email: deskOwner, Profile: directory.Profile{FirstName: "Desk", LastName: "Kore"}}
	out, err := r.ImportUsers(ctx, op, account, append(s.rows, desk), roster.ImportOptions{})
	if err != nil {
		return nil, err
	}
	if len(out.Bad) > 0 {
		return nil, fmt.Errorf("the sample has bad people: %v", out.Bad[0])
	}
	s.rows = s.rows[:sampleSize]
	if err := s.addGroups(ctx, r); err != nil {
		return nil, err
	}
	if err := s.addBots(ctx, r); err != nil {
		return nil, err
	}
	id, secret, err := r.CreateApp(ctx, op, account, roster.NewApp{
		Name: "Offboarding", Scopes: []directory.Scope{directory.ScopeUserManagement},
	})
	s.app = client.TokenOptions{ClientID: id, ClientSecret: secret, TTL: tokenLife}
	return s, err
}

// addGroups puts everybody into the group of their department, and makes a few
// of them administrators.
func (s *sample) addGroups(ctx context.Context, r *roster.Roster) error {
	members := make(map[string][]string)
	for _, row := range s.rows {
		members[row.Profile.Department] = append(members[row.Profile.Department], row.Email)
	}
	for _, department := range departments {
		if _, err := r.CreateGroup(ctx, auth.Operator(), s.account, department, members[department]); err != nil {
			return err
		}
	}
	return r.AssignRole(ctx, auth.Operator(), s.account, directory.RoleAdmin, "", []string{s.rows[0].Email, s.rows[100].Email})
}

// addBots makes bots with their owners, developers and testers.
func (s *sample) addBots(ctx context.Context, r *roster.Roster) error {
	owners := []string{deskOwner, s.rows[200].Email, s.rows[201].Email, s.rows[201].Email, owner}
	for i, bot := range []string{"Help desk", "Payroll", "Travel", "Meeting rooms", "Onboarding"} {
		id, err := r.CreateBot(ctx, auth.Operator(), s.account, bot, owners[i])
		if err != nil {
			return err
		}
		for k, role := range []string{directory.RoleBotDeveloper, directory.RoleBotTester} {
			first := 300 + 20*i + 10*k
			var names []string
			for _, row := range s.rows[first : first+10] {
				names = append(names, row.Email)
			}
			if err := r.AssignRole(ctx, auth.Operator(), s.account, role, id, names); err != nil {
				return err
			}
		}
	}
	return nil
}

// call calls the public API with a fresh token, prints the request and the
// answer as they went over the wire, and returns the answer's header.
func (s *sample) call(ctx context.Context, out io.Writer, method, url, body string) (http.Header, error) {
	token, err := client.NewToken(s.app)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("auth", token)
	sent, err := httputil.DumpRequestOut(req, true)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("call the server: %w", err)
	}
	defer resp.Body.Close()
	received, err := httputil.DumpResponse(resp, true)
	if err != nil {
		return nil, err
	}
	printWire(out, "> ", sent)
	fmt.Fprintln(out)
	printWire(out, "< ", received)
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the call was refused: %s", resp.Status)
	}
	return resp.Header, nil
}

func printWire(out io.Writer, mark string, message []byte) {
	for line := range bytes.Lines(message) {
		fmt.Fprintf(out, "%s%s\n", mark, bytes.TrimRight(line, "\r\n"))
	}
}

// count reads the outcome back from the database.
func (s *sample) count(ctx context.Context, out io.Writer, r *roster.Roster) error {
	n := 0
	err := r.EachUser(ctx, auth.Operator(), s.account, func(directory.Member) error {
		n++
		return nil
	})
	if err != nil {
		return err
	}
	report, err := r.VerifyAudit(ctx, auth.Operator())
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n--- %d people are left. The audit log is whole: %d records. ---\n", n, report.Records)
	return nil
}
