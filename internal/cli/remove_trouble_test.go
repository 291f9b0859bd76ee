package cli

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"roster/internal/hosttest"
)

// long is a removal of a long list from a host in trouble.
type long struct {
	t       *testing.T
	host    *hosttest.Host
	clock   *hosttest.Clock
	ids     []string
	members map[string]string // those of the list who are there, and why they cannot go
	wanted  map[string]bool
	dir     string
}

// newLong makes a list of n, of which each tenth is not there and each tenth cannot
// be removed.
func newLong(t *testing.T, r *rand.Rand, n int, cfg hosttest.Config) *long {
	t.Helper()
	l := &long{t: t, clock: hosttest.NewClock(), members: map[string]string{"bystander@example.com": ""}, wanted: map[string]bool{}, dir: t.TempDir()}
	for i := range n {
		id := fmt.Sprintf("u%d@example.com", i)
		l.ids = append(l.ids, id)
		switch r.IntN(10) {
		case 0:
		case 1:
			l.members[id] = "Unauthorized to perform this activity"
		default:
			l.members[id], l.wanted[id] = "", true
		}
	}
	cfg.Now = l.clock.Now
	l.host = hosttest.Start(t, l.members, cfg)
	l.write("leavers.txt", strings.Join(l.ids, "\n"))
	l.write("secret.txt", hosttest.Secret)
	return l
}

func (l *long) path(name string) string { return filepath.Join(l.dir, name) }

func (l *long) write(name, text string) {
	l.t.Helper()
	if err := os.WriteFile(l.path(name), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

func (l *long) args(more ...string) []string {
	return append([]string{
		"user", "remove", "--host", l.host.URL, "--client-id", "cs-1", "--client-secret-file", l.path("secret.txt"),
		"--from", l.path("leavers.txt"), "--yes", "--report-file", l.path("report.csv"),
	}, more...)
}

// run runs the command by the clock of the test, until ctx ends.
func (l *long) run(ctx context.Context, more ...string) (code int, report removalReport, stderr string) {
	l.t.Helper()
	var out, errs bytes.Buffer
	e := &env{in: strings.NewReader(""), out: &out, err: &errs, now: l.clock.Now, sleep: func(ctx context.Context, d time.Duration) error {
		l.clock.Add(d)
		return ctx.Err()
	}}
	code = e.main(ctx, l.args(more...))
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &report); err != nil {
			l.t.Fatalf("%v: %s", err, &out)
		}
	}
	return code, report, errs.String()
}

// checkReport compares the report file with what happened: each user of the list
// is in it once, in the order of the list, with what came of them. exact says that
// nothing may be unclear.
func (l *long) checkReport(exact bool) (unclear int) {
	l.t.Helper()
	text, err := os.ReadFile(l.path("report.csv"))
	if err != nil {
		l.t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		l.t.Fatal(err)
	}
	var told []string
	for _, row := range rows[1:] {
		id, outcome, reason := row[0], row[2], row[3]
		told = append(told, id)
		why, member := l.members[id]
		switch {
		case l.wanted[id] && outcome == "removed" && reason == "":
		case !member && outcome == "not removed" && strings.HasPrefix(reason, "User not found"):
		case member && !l.wanted[id] && outcome == "not removed" && reason == why:
		case !exact && outcome == "unclear" && (l.wanted[id] || !member):
			unclear++
		default:
			l.t.Errorf("the report says %q", row)
		}
	}
	if !slices.Equal(told, l.ids) {
		l.t.Errorf("the report lists %d users, not the %d of the list in their order", len(told), len(l.ids))
	}
	for id, n := range l.host.Seen().Removed {
		if n != 1 || !l.wanted[id] {
			l.t.Errorf("%s was removed %d times", id, n)
		}
	}
	if len(l.host.Seen().Removed) != len(l.wanted) {
		l.t.Errorf("%d users were removed, not %d", len(l.host.Seen().Removed), len(l.wanted))
	}
	return unclear
}

// A long list is removed through a limit of 60 a minute, broken connections, cut
// answers and a host that is busy, by a command that dies again and again and goes
// on by its resume file. In the end exactly the right people are gone, and the
// report is right about each of them.
func TestLongRemovalThroughTrouble(t *testing.T) {
	t.Parallel()
	for seed := range uint64(24) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 7))
			keys := seed%2 == 0
			l := newLong(t, r, 50+r.IntN(150), hosttest.Config{
				KeepsKeys: keys, PerMinute: 60, Trouble: 0.4 * r.Float64(), Seed: seed, Busy: r.IntN(20),
			})
			size, pace, resume := 1+r.IntN(9), 60*r.IntN(2), l.path("resume")
			for runs := 1; ; runs++ {
				if runs > 300 {
					t.Fatal("no end")
				}
				ctx, cancel := context.WithCancel(t.Context())
				dies := 1 + r.IntN(25)
				l.host.OnCall(func(int) {
					if dies--; dies == 0 {
						cancel()
					}
				})
				code, report, stderr := l.run(ctx, "--resume-file", resume, "--batch-size", strconv.Itoa(size), "--calls-per-minute", strconv.Itoa(pace))
				cancel()
				if code == exitFailed {
					l.tear(r, resume)
					continue
				}
				if (code == exitDone) != (len(report.Failed)+len(report.Unclear) == 0) || (code != exitDone && code != exitPartial) {
					t.Fatalf("exit code %d, %s", code, stderr)
				}
				unclear := l.checkReport(keys)
				if report.Requested != len(l.ids) || report.Removed+len(report.Failed)+len(report.Unclear) != len(l.ids) || len(report.Unclear) != unclear {
					t.Errorf("of %d users %d are removed, %d failed, %d unclear", report.Requested, report.Removed, len(report.Failed), len(report.Unclear))
				}
				if keys && report.Removed != len(l.wanted) {
					t.Errorf("%d removed, not %d", report.Removed, len(l.wanted))
				}
				break
			}
			// Once more: nothing is done, and the report is the same.
			calls := l.host.Seen().Calls
			code, report, stderr := l.run(t.Context(), "--resume-file", resume, "--batch-size", strconv.Itoa(size))
			if code == exitFailed || l.host.Seen().Calls != calls || report.DoneBefore != len(l.ids) || !strings.Contains(stderr, "an earlier run has dealt with all of the list") {
				t.Errorf("exit code %d, %d calls, report %+v, %s", code, l.host.Seen().Calls-calls, report, stderr)
			}
			l.checkReport(keys)
		})
	}
}

// tear leaves the last line unfinished, as a power cut may, if it is one about what
// a call did: nothing was done after it.
func (l *long) tear(r *rand.Rand, path string) {
	l.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		l.t.Fatal(err)
	}
	last := bytes.LastIndexByte(text[:len(text)-1], '\n') + 1
	if !bytes.HasPrefix(text[last:], []byte(`{"done"`)) || r.IntN(2) == 0 {
		return
	}
	if err := os.Truncate(path, int64(last+r.IntN(len(text)-last))); err != nil {
		l.t.Fatal(err)
	}
}

// Without a resume file several calls go through trouble as well, and one call
// alone is made once.
func TestRemovalWithoutResumeFile(t *testing.T) {
	t.Parallel()
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 8))
		l := newLong(t, r, 100, hosttest.Config{KeepsKeys: seed%2 == 0, PerMinute: 60, Trouble: 0.2, Seed: seed})
		code, report, stderr := l.run(t.Context(), "--batch-size", "7")
		if code != exitPartial || report.Requested != 100 {
			t.Fatalf("seed %d: exit code %d, %s", seed, code, stderr)
		}
		l.checkReport(seed%2 == 0)
	}
	for seed := range uint64(20) {
		l := newLong(t, rand.New(rand.NewPCG(seed, 8)), 5, hosttest.Config{KeepsKeys: seed%2 == 0, Trouble: 1, Seed: seed})
		code, report, _ := l.run(t.Context())
		if code != exitFailed || report.Error == "" || report.Removed != 0 || l.host.Seen().Calls != 1 {
			t.Errorf("seed %d: exit code %d, %d calls, %+v", seed, code, l.host.Seen().Calls, report)
		}
		text, err := os.ReadFile(l.path("report.csv"))
		if err != nil || strings.Contains(string(text), "removed") && !strings.Contains(string(text), "unknown") {
			t.Errorf("the report of a failed call: %v\n%s", err, text)
		}
	}
}

// A host whose limit of an hour is used up is waited for.
func TestRemovalWaitsForTheHour(t *testing.T) {
	t.Parallel()
	l := newLong(t, rand.New(rand.NewPCG(1, 1)), 30, hosttest.Config{Trouble: 0})
	l.host.OnCall(nil)
	begin := l.clock.Now()
	l.host.RefuseUntil(begin.Add(50 * time.Minute))
	code, _, stderr := l.run(t.Context(), "--batch-size", "10")
	if took := l.clock.Now().Sub(begin); code != exitPartial || took < 50*time.Minute || took > 52*time.Minute {
		t.Errorf("exit code %d after %v, %s", code, took, stderr)
	}
	l.checkReport(true)
}

// What is not the removal that was begun is refused before any call.
func TestResumeFileOfAnother(t *testing.T) {
	t.Parallel()
	l := newLong(t, rand.New(rand.NewPCG(1, 1)), 30, hosttest.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	l.host.OnCall(func(n int) {
		if n == 2 { // is never answered
			cancel()
			<-ended
		}
	})
	resume := l.path("resume")
	with := []string{"--resume-file", resume, "--batch-size", "10"}
	code, report, _ := l.run(ctx, with...)
	close(ended)
	if code != exitFailed || report.Removed == 0 {
		t.Fatalf("exit code %d, %+v", code, report)
	}
	l.host.OnCall(nil)
	calls, before := l.host.Seen().Calls, slices.Clone(l.ids)
	begun, err := os.ReadFile(resume)
	if err != nil {
		t.Fatal(err)
	}
	l.write("damaged", strings.Replace(string(begun), `{"begun"`, `{"bogus"`, 1))
	l.write("no.resume", "u0@example.com\n")
	for _, test := range []struct {
		says string
		list []string
		args []string
		code int
	}{
		{"was begun with another list, of 30 users: give another --resume-file, or delete it to begin anew", append(slices.Clone(before), "x@example.com"), with, 1},
		{"was begun with another list", before[:29], with, 1},
		{"was begun with --batch-size 10", before, []string{"--resume-file", resume, "--batch-size", "11"}, 1},
		{"was begun without --async", before, append(with, "--async"), 1},
		{"was begun with the client id cs-1", before, append(with, "--client-id", "cs-2"), 1},
		{"was begun on the host http://", before, append(with, "--host", "http://127.0.0.1:1"), 1},
		{"another list", before, append(with, "--org-ids"), 1},
		{"line 2 is damaged", before, []string{"--resume-file", l.path("damaged"), "--batch-size", "10"}, 1},
		{"it is no resume file of 'user remove'", before, []string{"--resume-file", l.path("no.resume"), "--batch-size", "10"}, 1},
		{"is there and no report of 'user remove'", before, append(with, "--report-file", l.path("no.resume")), 1},
		{"do not go with --dry-run", before, append(with, "--dry-run"), 2},
		{"do not go with --dry-run or --atomic", before, append(with, "--atomic"), 2},
		{"--async does not go with", before, []string{"--async", "--atomic"}, 2},
		{"a call needs a user", before, []string{"--batch-size", "0"}, 2},
		{"is negative", before, []string{"--calls-per-minute", "-1"}, 2},
	} {
		l.write("leavers.txt", strings.Join(test.list, "\n"))
		code, _, stderr := l.run(t.Context(), test.args...)
		if code != test.code || !strings.Contains(stderr, test.says) {
			t.Errorf("exit code %d, %q, not %d, %q", code, stderr, test.code, test.says)
		}
		if now, err := os.ReadFile(resume); err != nil || !bytes.Equal(now, begun) {
			t.Errorf("%s: the resume file was changed: %v", test.says, err)
		}
	}
	if l.host.Seen().Calls != calls {
		t.Errorf("%d calls were made", l.host.Seen().Calls-calls)
	}
	l.write("leavers.txt", strings.Join(before, "\n"))
	if code, report, stderr := l.run(t.Context(), with...); code != exitPartial || report.DoneBefore != 10 {
		t.Errorf("exit code %d, %+v, %s", code, report, stderr)
	}
	l.checkReport(false)
}

// Two commands with one resume file take turns.
func TestResumeFileIsAlone(t *testing.T) {
	t.Parallel()
	l := newLong(t, rand.New(rand.NewPCG(1, 1)), 40, hosttest.Config{})
	entered, goOn := make(chan struct{}), make(chan struct{})
	l.host.OnCall(func(n int) {
		if n == 2 {
			close(entered)
			<-goOn
		}
	})
	run := func() chan int {
		done := make(chan int, 1)
		go func() {
			code, _, _ := l.run(t.Context(), "--resume-file", l.path("resume"), "--batch-size", "10")
			done <- code
		}()
		return done
	}
	first := run()
	<-entered
	second := run()
	close(goOn)
	if a, b := <-first, <-second; a != exitPartial || b != exitPartial || l.host.Seen().Calls != 4 {
		t.Errorf("exit codes %d and %d, %d calls", a, b, l.host.Seen().Calls)
	}
	l.checkReport(true)
}
