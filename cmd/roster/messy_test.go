package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roster/internal/storetest"
)

// TestMessyLeavers gives 'user remove' a file as people make them: any case,
// blanks, quotes, rows twice, rows without an address, strangers, people who
// must stay. Who goes, who is reported and who is left is what the list of rows
// says that the file was made from.
func TestMessyLeavers(t *testing.T) {
	t.Parallel()
	population, rows := 5000, 3000
	if storetest.Long() {
		population, rows = 200_000, 100_000
	}
	seed := uint64(time.Now().UnixNano())
	for _, engine := range storetest.Engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			t.Logf("seed %d", seed)
			d := newDirectory(t, engine, population)
			m := newMess(rand.New(rand.NewPCG(seed, 1)), d.users)
			for i := range 20 {
				owner := d.users[i*population/20]
				result(t, d.home, "bot", "create", "--database", d.dsn, "--account", d.account, "--name", fmt.Sprint("Bot ", i), "--owner", owner)
				m.stays[owner] = true
			}
			m.write(rows)
			server, addr := d.serve()
			got, took := d.removeFrom(addr, m.file.String())
			t.Logf("%d rows, %d users removed, %d failures in %v: %.0f users/s", rows, got.Removed, len(got.Failed), took.Round(time.Millisecond),
				float64(got.Removed)/took.Seconds())
			m.check(t, d, got)
			result(t, d.home, "audit", "verify", "--database", d.dsn)
			if err := errors.Join(server.Process.Signal(syscall.SIGTERM), server.Wait()); err != nil {
				t.Errorf("serve: %v", err)
			}
		})
	}
}

// removed is what 'user remove' prints.
type removed struct {
	Requested int       `json:"requested"`
	Removed   int       `json:"removed"`
	Failed    []failure `json:"failed"`
}

type failure struct {
	Line    int    `json:"line"`
	EmailID string `json:"emailId"`
	Reason  string `json:"reason"`
}

// removeFrom removes those whom the file names, of whom some stay.
func (d *testDirectory) removeFrom(addr, file string) (out removed, took time.Duration) {
	d.Helper()
	path := filepath.Join(d.home, "leavers.csv")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		d.Fatal(err)
	}
	cmd := command(d.T, d.home, "user", "remove", "--from", path, "--host", "http://"+addr, "--client-id", d.clientID, "--yes")
	cmd.Env = append(cmd.Env, "ROSTER_CLIENT_SECRET="+d.clientSecret)
	started := time.Now()
	text, err := cmd.Output()
	took = time.Since(started)
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 3 {
		d.Fatalf("error %v, not exit code 3", err)
	}
	if err := json.Unmarshal(text, &out); err != nil {
		d.Fatal(err)
	}
	return out, took
}

// mess makes a file of leavers and keeps account of what it asks for.
type mess struct {
	rng   *rand.Rand
	users []string
	stays map[string]bool // who owns something

	file     strings.Builder
	line     int
	gone     map[string]bool
	named    map[string]bool // in any spelling
	skipped  []failure       // rows without an address
	failures []failure       // in the order of the file
}

func newMess(rng *rand.Rand, users []string) *mess {
	return &mess{
		rng: rng, users: users, stays: map[string]bool{"owner@example.com": true},
		gone: map[string]bool{}, named: map[string]bool{}, line: 1,
	}
}

// write makes the file: with a byte-order mark, a header in a spelling of its
// own, semicolons, and line ends of Windows.
func (m *mess) write(rows int) {
	m.file.WriteString("\ufeff")
	m.put("Name; E-mail_ID ;Note")
	owners := make([]string, 0, len(m.stays))
	for owner := range m.stays {
		owners = append(owners, owner)
	}
	slices.Sort(owners)
	for range rows {
		switch kind := m.rng.IntN(100); {
		case kind < 3:
			m.put([]string{"", "   ", ";;", " ; ; "}[m.rng.IntN(4)]) // no row
		case kind < 5:
			m.skipped = append(m.skipped, failure{Line: m.line, Reason: "the row has no emailId"})
			m.put([]string{"Ann", "Ann;;gone", `"Ann"; ;`, `Ann;"";`}[m.rng.IntN(4)])
		case kind < 10:
			m.leaver(fmt.Sprintf("stranger.%d@example.com", m.rng.IntN(rows)), "User not found. Please check the provided email address.")
		case kind < 12:
			m.leaver(fmt.Sprintf("no address %d", m.rng.IntN(rows)), "Invalid emailId")
		case kind < 14:
			m.leaver(owners[m.rng.IntN(len(owners))], "")
		default: // some of them twice and more
			m.leaver(m.users[m.rng.IntN(len(m.users))], "")
		}
	}
}

// leaver writes a row that names somebody. reason is why they will not be
// removed, empty for a member.
func (m *mess) leaver(id, reason string) {
	spelt := m.spell(id, reason == "Invalid emailId")
	if m.stays[id] {
		reason = "Unauthorized to perform this activity"
	}
	switch {
	case m.named[id]:
	case reason == "":
		m.gone[id] = true
	default:
		m.failures = append(m.failures, failure{EmailID: spelt, Reason: reason})
	}
	m.named[id] = true
	name := []string{"Ann", `"Archer; Ann"`, `"Ann ""A"" Archer"`, "", "\"Ann\nArcher\"", "Zoë Ødegård"}[m.rng.IntN(6)]
	field := []string{spelt, "  " + spelt + " ", `"` + spelt + `"`, ` "` + spelt + `"  `, `"  ` + spelt + ` "`}[m.rng.IntN(5)]
	m.put(name + ";" + field + []string{"", ";", `;"left; for good"`}[m.rng.IntN(3)])
}

// spell changes the case of an address, which names the same person.
func (m *mess) spell(id string, exactly bool) string {
	if exactly {
		return id
	}
	switch m.rng.IntN(4) {
	case 0:
		return strings.ToUpper(id)
	case 1:
		return strings.ToUpper(id[:1]) + id[1:]
	}
	return id
}

func (m *mess) put(row string) {
	m.file.WriteString(row + "\r\n")
	m.line += 1 + strings.Count(row, "\n")
}

// check compares the report and the members who are left with what the file
// asked for.
func (m *mess) check(t *testing.T, d *testDirectory, got removed) {
	t.Helper()
	want := removed{
		Requested: len(m.named) + len(m.skipped), Removed: len(m.gone),
		Failed: append(slices.Clone(m.skipped), m.failures...),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%.3000s", diff)
	}
	left := []string{"owner@example.com"}
	for _, email := range m.users {
		if !m.gone[email] {
			left = append(left, email)
		}
	}
	if diff := cmp.Diff(left, d.list()); diff != "" {
		t.Errorf("members (-want +got):\n%.3000s", diff)
	}
	if len(m.gone) == 0 || len(m.failures) < 20 || len(m.skipped) == 0 || len(left) < len(m.stays) {
		t.Errorf("a file that tests little: %d go, %d fail, %d rows name nobody", len(m.gone), len(m.failures), len(m.skipped))
	}
}
