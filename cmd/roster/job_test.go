package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"roster/client"
	"roster/internal/storetest"
)

// jobTest is a job on a directory whose server is killed and started again.
type jobTest struct {
	*testDirectory
	chunk  string // --job-chunk
	server *exec.Cmd
	url    string
	body   []byte   // its list: members, and others
	gone   int      // how many of them are members
	failed []string // the others, in the order of the list
	spare  []string // members whom it does not name, and no call has
	calls  int      // of one user each
	id     string
	log    lastLines
}

// newJobTest makes a directory and a list of about n ids of its members: nine
// tenths addresses, the rest org ids, among them some twice, some of members who
// are named by address as well, and some of strangers.
func newJobTest(t *testing.T, engine string, n, spare int, chunk string) *jobTest {
	d := newDirectory(t, engine, n+spare)
	j := &jobTest{testDirectory: d, chunk: chunk, spare: d.users[n:], gone: n}
	var addresses, orgIDs, strangers []string
	for i, address := range d.users[:n] {
		switch i % 10 {
		case 9:
			orgIDs = append(orgIDs, fmt.Sprintf("E%06d", i))
		case 1:
			orgIDs = append(orgIDs, fmt.Sprintf("E%06d", i)) // both
			fallthrough
		default:
			addresses = append(addresses, address)
		}
		switch i % 50 {
		case 7:
			addresses = append(addresses, strings.ToUpper(address))
		case 8:
			addresses = append(addresses, fmt.Sprintf("nobody.%06d@example.com", i))
			j.failed = append(j.failed, addresses[len(addresses)-1])
		case 9:
			orgIDs = append(orgIDs, fmt.Sprintf("X%06d", i))
			strangers = append(strangers, orgIDs[len(orgIDs)-1])
		}
	}
	j.failed = append(j.failed, strangers...)
	body, err := json.Marshal(map[string][]string{"orgUserIds": orgIDs, "deleteEmailIds": addresses})
	if err != nil {
		t.Fatal(err)
	}
	j.body = body
	return j
}

// start serves, and kills the server when the test ends.
func (j *jobTest) start() {
	j.Helper()
	j.server = command(j.T, j.home, "serve", "--database", j.dsn, "--addr", "127.0.0.1:0", "--rate-limit", "off", "--job-chunk", j.chunk)
	addr, log := startServe(j.T, j.server)
	j.url = "http://" + addr + "/api/public/users"
	go func() {
		for log.Scan() {
			j.log.add(log.Text())
		}
	}()
}

// lastLines holds the last lines of the servers' logs.
type lastLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *lastLines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines = append(l.lines, line); len(l.lines) > 200 {
		l.lines = l.lines[100:]
	}
}

// withoutRequests returns the lines that are not about requests.
func (l *lastLines) withoutRequests() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(slices.DeleteFunc(slices.Clone(l.lines), func(line string) bool {
		return strings.Contains(line, `"msg":"request"`)
	}), "\n")
}

func (j *jobTest) kill() {
	j.Helper()
	if err := j.server.Process.Signal(syscall.SIGKILL); err != nil {
		j.Fatal(err)
	}
	_ = j.server.Wait()
}

// call makes a call and decodes its answer.
func (j *jobTest) call(method, path string, body io.Reader, prefer string, status int, into any) {
	j.Helper()
	token, err := client.NewToken(client.TokenOptions{ClientID: j.clientID, ClientSecret: j.clientSecret, TTL: time.Minute})
	if err != nil {
		j.Fatal(err)
	}
	req, err := http.NewRequestWithContext(j.Context(), method, j.url+path, body)
	if err != nil {
		j.Fatal(err)
	}
	req.Header.Set("auth", token)
	if prefer != "" {
		req.Header.Set("Prefer", prefer)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		j.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != status {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		j.Fatalf("%s %s answered %d %s", method, path, resp.StatusCode, text)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		j.Fatal(err)
	}
}

// jobState is a job as it is read.
type jobState struct {
	ID, State                        string
	Requested, Done, Removed, Failed int
	FailedUserDetails                []struct{ EmailID, OrgUserID string }
}

// queue asks for the job.
func (j *jobTest) queue() {
	j.Helper()
	var state jobState
	j.call(http.MethodDelete, "", bytes.NewReader(j.body), "respond-async", http.StatusAccepted, &state)
	j.id = state.ID
}

func (j *jobTest) read() (state jobState) {
	j.Helper()
	j.call(http.MethodGet, "/removals/"+j.id, nil, "", http.StatusOK, &state)
	return state
}

// hung is longer than anything here takes on the busiest machine.
const hung = 40 * time.Second

// TestKilledServerDoesJobOnce kills the server with SIGKILL again and again while
// it works on a job. Each server goes on where the last one ended, and in the end
// everybody was handled exactly once.
func TestKilledServerDoesJobOnce(t *testing.T) {
	t.Parallel()
	const kills = 12
	n, chunk := storetest.Count(2000, 86_200), "25" // of 100,000 ids in the long form
	if storetest.Long() {
		chunk = "1000"
	}
	seed := uint64(time.Now().UnixNano())
	for _, engine := range storetest.Engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, 1))
			j := newJobTest(t, engine, n, 5, chunk)
			j.start()
			j.queue()
			var slowest time.Duration
			for i := range kills {
				j.waitFor((i + 1) * n / (kills + 2))
				time.Sleep(time.Duration(rng.IntN(10_000)) * time.Microsecond) // the random moment
				j.kill()
				before := j.removed()
				j.start()
				began := time.Now()
				j.waitFor(before + 1)
				slowest = max(slowest, time.Since(began))
			}
			if slowest > hung {
				t.Errorf("a job went on %v after the start of a server", slowest)
			}
			j.waitFor(j.gone)
			j.check(kills, slowest)
		})
	}
}

// removed is how many users the job has removed so far, by the database.
func (j *jobTest) removed() (removed int) {
	j.Helper()
	storetest.WaitAlone(j.T, j.dsn)
	return j.count("SELECT removed FROM removals WHERE public_id = '" + j.id + "'")
}

func (j *jobTest) count(query string) (n int) {
	j.Helper()
	if err := storetest.SQL(j.T, j.dsn).QueryRow(query).Scan(&n); err != nil {
		j.Fatalf("%s: %v", query, err)
	}
	return n
}

// noProgress is how long a job may remove nobody before it counts as stuck.
const noProgress = time.Minute

// waitFor waits until the job has removed so many users.
func (j *jobTest) waitFor(users int) {
	j.Helper()
	removed, deadline := -1, time.Now()
	for ; ; time.Sleep(time.Millisecond) {
		state := j.read()
		if state.Removed >= users {
			return
		}
		if state.Removed > removed {
			removed, deadline = state.Removed, time.Now().Add(noProgress)
		}
		if over := state.State != "queued" && state.State != "running"; over || time.Now().After(deadline) {
			j.Fatalf("the job is %s and has removed %d users, want %d; the log:\n%s", state.State, state.Removed, users, j.log.withoutRequests())
		}
	}
}

// check compares what became of everybody with what should have.
func (j *jobTest) check(kills int, slowest time.Duration) {
	j.Helper()
	state := j.read()
	for deadline := time.Now().Add(noProgress); state.State == "running"; state = j.read() { // refusals come last
		if time.Now().After(deadline) {
			j.Fatalf("the job does not end: %+v; the log:\n%s", state, j.log.withoutRequests())
		}
	}
	want := jobState{ID: j.id, State: "completed", Requested: j.gone + len(j.failed), Done: j.gone + len(j.failed), Removed: j.gone, Failed: len(j.failed)}
	var failed []string
	for _, user := range state.FailedUserDetails {
		failed = append(failed, user.EmailID+user.OrgUserID)
	}
	state.FailedUserDetails = nil
	if fmt.Sprint(state) != fmt.Sprint(want) {
		j.Errorf("the job is %+v\nwant %+v", state, want)
	}
	if !slices.Equal(failed, j.failed) {
		j.Errorf("%d failures, want %d", len(failed), len(j.failed))
	}
	if left := j.list(); !slices.Equal(left[1:], j.spare) {
		j.Errorf("%d members are left, want %d", len(left)-1, len(j.spare))
	}
	result(j.T, j.home, "audit", "verify", "--database", j.dsn)
	for query, want := range map[string]int{
		"SELECT COUNT(*) FROM audit_records WHERE kind = 'user.deleted'":                  j.gone + j.calls,
		"SELECT COUNT(DISTINCT person_id) FROM audit_records WHERE kind = 'user.deleted'": j.gone + j.calls,
		"SELECT COUNT(*) FROM removal_spool":                                              0,
	} {
		if got := j.count(query); got != want {
			j.Errorf("%s: %d, want %d", query, got, want)
		}
	}
	batches := j.count("SELECT COUNT(*) FROM audit_chain WHERE removal_id = (SELECT id FROM removals WHERE public_id = '" + j.id + "')")
	j.Logf("%d users removed, %d refused, in %d transactions; %d kills, the job went on %v after a start at the latest", j.gone, len(j.failed), batches, kills, slowest)
}

// What a job may add to the resident memory of an idle server, page caches apart:
// 96 MB for 1,000,000 users.
const (
	jobBase    = 16_000_000
	jobPerUser = 80
)

// TestCallsDuringAJob bounds the memory that a job takes, and how long other
// calls take while it runs: docs/performance.md has the figures of the long form.
//
//nolint:tparallel // in the long form they would disturb each other
func TestCallsDuringAJob(t *testing.T) {
	t.Parallel()
	n, calls := storetest.Count(6000, 86_200), storetest.Count(100, 1000) // of 100,000 ids in the long form
	for _, engine := range storetest.Engines {
		t.Run(engine, func(t *testing.T) {
			if !storetest.Long() {
				t.Parallel()
			}
			j := newJobTest(t, engine, n, 3*calls, "1000")
			j.start()
			j.latencies(calls) // opens connections, prepares statements
			quiet := j.latencies(calls)
			idle := peakMemory(t, j.server.Process.Pid)
			began := time.Now()
			j.queue()
			queued := time.Since(began)
			busy := j.latencies(calls)
			state := j.read()
			j.waitFor(j.gone)
			took := time.Since(began)
			grown := peakMemory(t, j.server.Process.Pid) - idle
			t.Logf("%d users: stored after %v, done after %v; at %d of them when the calls ended", n, queued, took, state.Done)
			t.Logf("calls: p50 %v, p99 %v without a job; p50 %v, p99 %v, longest %v with one",
				at(quiet, 0.5), at(quiet, 0.99), at(busy, 0.5), at(busy, 0.99), at(busy, 1))
			t.Logf("memory: %.1f MB above idle, %.1f MB of them at most page caches", mb(grown), mb(j.pageCache()))
			if most := jobBase + jobPerUser*n + j.pageCache(); runtime.GOOS == "linux" && grown > most {
				t.Errorf("%.1f MB above idle, want at most %.1f", mb(grown), mb(most))
			}
			if at(busy, 1) > hung {
				t.Errorf("a call was stuck behind the job for %v", at(busy, 1))
			}
			j.check(0, 0)
			began = time.Now()
			var answer struct{ Msg string }
			j.call(http.MethodPost, "/removals/"+j.id+"/restore", strings.NewReader("{}"), "", http.StatusOK, &answer)
			t.Logf("restored in %v, %.1f MB above idle", time.Since(began), mb(peakMemory(t, j.server.Process.Pid)-idle))
			if left := len(j.list()) - 1; answer.Msg == "" || left != j.gone+len(j.spare) {
				t.Errorf("%q, and %d members, want %d", answer.Msg, left, j.gone+len(j.spare))
			}
		})
	}
}

// latencies removes so many of the spare users by a call each, a call every 10 ms,
// and returns how long the calls took, sorted.
func (j *jobTest) latencies(calls int) []time.Duration {
	j.Helper()
	took := make([]time.Duration, calls)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i := range took {
		<-tick.C
		body := strings.NewReader(`{"deleteEmailIds":["` + j.spare[i] + `"]}`)
		began := time.Now()
		var answer struct{ Msg string }
		j.call(http.MethodDelete, "", body, "", http.StatusOK, &answer)
		took[i] = time.Since(began)
		if answer.Msg == "" {
			j.Fatalf("%s was not removed", j.spare[i])
		}
	}
	j.spare = j.spare[calls:]
	j.calls += calls
	slices.Sort(took)
	return took
}

// at is the value of a sorted list at a part of its length.
func at(sorted []time.Duration, part float64) time.Duration {
	return sorted[min(len(sorted)-1, int(part*float64(len(sorted))))].Round(10 * time.Microsecond)
}
