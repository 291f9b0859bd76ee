package publicapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
)

// junk is a body of one unit over and over between a head and a tail, made as
// it is read. After each MiB, and at the end, it notes how much memory lives.
type junk struct {
	head string
	unit func(i int) string
	tail string

	left     int // bytes of units still to come
	i        int
	pending  string
	state    int
	sinceGC  int
	liveMost uint64
}

func (j *junk) Read(p []byte) (int, error) {
	for j.pending == "" {
		switch {
		case j.state == 0:
			j.pending, j.state = j.head, 1
		case j.left > 0:
			j.pending = j.unit(j.i)
			j.i++
			j.left -= len(j.pending)
		case j.state == 1:
			j.pending, j.state = j.tail, 2
		default:
			j.measure()
			return 0, io.EOF
		}
	}
	n := copy(p, j.pending)
	j.pending = j.pending[n:]
	if j.sinceGC += n; j.sinceGC > 1<<20 {
		j.sinceGC = 0
		j.measure()
	}
	return n, nil
}

func (j *junk) measure() {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	j.liveMost = max(j.liveMost, m.HeapAlloc)
}

// TestReaderMemory reads bodies of 15 MiB that name one user. What lives
// meanwhile is bounded by the ids: nothing is kept of what stands around them,
// but a hash of each key of an open object, to find duplicates.
//
// It measures the whole process, so it does not run in parallel.
func TestReaderMemory(t *testing.T) {
	const size, mib = 15 << 20, 1 << 20
	const user = `"deleteEmailIds":["a@example.com"]`
	limits := Limits{MaxIDs: DefaultMaxIDs, MaxBody: DefaultMaxBody, MaxBodies: 2 * DefaultMaxBody}
	repeat := func(s string, n int) func(int) string {
		s = strings.Repeat(s, n)
		return func(int) string { return s }
	}
	unique := func(i int) string {
		var b strings.Builder
		for k := range 100 {
			fmt.Fprintf(&b, `,"%x":1`, 100*i+k)
		}
		return b.String()
	}
	for _, c := range []struct {
		name   string
		head   string
		unit   func(int) string
		tail   string
		ids    int // kept
		liveMB int
		allMB  int // allocated in all
	}{
		{"nested values", `{` + user + `,"x":[0`, repeat(`,{"a":[1,{"b":[null]}],"c":"d"}`, 100), `]}`, 1, 1, 2},
		{"small lists", `{"x":[0`, repeat(`,[],{}`, 1000), `],` + user + `}`, 1, 1, 2},
		{"long strings", `{"x":[0`, repeat(`,"`+strings.Repeat("x", 1000)+`"`, 4), `],` + user + `}`, 1, 1, 2},
		{"ids beyond the limit", `{"deleteEmailIds":[1`, repeat(`,"someone@example.com"`, 100), `]}`, 0, 8, 24},
		{"one string", `{` + user + `,"x":"`, repeat("x", 64<<10), `"}`, 1, 1, 2},
		{"one number", `{` + user + `,"x":1`, repeat("1", 64<<10), `}`, 1, 1, 2},
		{"one key", `{` + user + `,"`, repeat("x", 64<<10), `":1}`, 1, 1, 2},
		{"one id", `{"deleteEmailIds":["`, repeat("x", 64<<10), `"]}`, 1, 40, 128},
		{"blanks", `{` + user + `,`, repeat(" ", 64<<10), `"x":1}`, 1, 1, 2},
		{"keys of one object", `{` + user, unique, `}`, 1, 48, 256},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := &junk{head: c.head, unit: c.unit, tail: c.tail, left: size}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			req, err := readRemoval(j, limits, false, newLoad(limits).hold(1))
			runtime.ReadMemStats(&after)
			if len(req.refs) != c.ids || (err != nil) != (c.ids == 0) {
				t.Errorf("read %d ids and %v", len(req.refs), err)
			}
			live := int(max(j.liveMost, before.HeapAlloc)-before.HeapAlloc) / mib
			all := int(after.TotalAlloc-before.TotalAlloc) / mib
			t.Logf("%d MiB alive, %d MiB allocated", live, all)
			if live > c.liveMB || all > c.allMB {
				t.Errorf("%d MiB alive and %d MiB allocated, want at most %d and %d", live, all, c.liveMB, c.allMB)
			}
		})
	}
}

// FuzzReadRemoval compares the reader with encoding/json, which takes more: a
// body that is read is JSON to both, and holds the same ids.
func FuzzReadRemoval(f *testing.F) {
	for _, seed := range []string{
		`{"deleteEmailIds":["a@example.com"," B ",1,-0.5e3,null,true],"orgUserIds":["E1"],"includeMeta":true}`,
		`{"orgUserIds":null,"deleteEmailIds":[],"x":{"a":[[1],{"b":"\ud83d\ude00"}]}}`,
		`{"deleteEmailIds":[["a"]]}`, `{"deleteEmailIds":"a"}`, `{"deleteEmailIds":["a"]}{}`, `{"deleteEmailIds":["\ud800"]}`,
		`{"a":1,"a":2}`, "\ufeff{}", "[\"\xff\"]", `[[[[]]]]`, ` `, `{"orgUserIds":["a","b","c","d","e"]}`,
	} {
		f.Add(seed)
	}
	limits := Limits{MaxIDs: 4, MaxBody: 4096}
	f.Fuzz(func(t *testing.T, body string) {
		req, err := readRemoval(strings.NewReader(body), limits, false, newLoad(limits).hold(1))
		var wire *wireError
		switch {
		case errors.As(err, &wire):
			if wire.status/100 != 4 || len(req.refs) != 0 {
				t.Errorf("%q: refused by %d with %d ids", body, wire.status, len(req.refs))
			}
			if wire.status == 412 && !json.Valid([]byte(body)) {
				t.Errorf("%q is no JSON and is judged as if it were", body)
			}
			return
		case err != nil:
			t.Fatalf("%q: %v is no answer", body, err)
		}
		var want map[string]json.RawMessage // keys in exactly their spelling
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatalf("%q was read but is no JSON: %v", body, err)
		}
		var refs []directory.UserRef
		for kind, key := range []string{keyEmails, keyOrgUserIDs} {
			var items []json.RawMessage
			if err := json.Unmarshal(want[key], &items); want[key] != nil && err != nil {
				t.Fatalf("%q: %v", body, err)
			}
			for _, item := range items {
				ref := directory.UserRef{Kind: directory.IDKind(kind), Text: string(item), NotText: true}
				if json.Unmarshal(item, &ref.Text) == nil && string(item) != "null" {
					ref.NotText = false
				}
				refs = append(refs, ref)
			}
		}
		if fmt.Sprint(refs) != fmt.Sprint(req.refs) || len(refs) == 0 || len(refs) > limits.MaxIDs {
			t.Errorf("%q: read %v, want %v", body, req.refs, refs)
		}
	})
}

// TestErrorsOnTheWire: each kind of error has its answer, the unknown is our
// fault, and nothing of an error's own text gets out.
func TestErrorsOnTheWire(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		msg    string
		code   int
	}{
		{auth.ErrCredentials, 401, "Invalid SDK credentials", 4002},
		{auth.ErrMalformed, 401, "Invalid JWT token", 4002},
		{auth.ErrScope, 401, "Permission denied. Scope is incorrect!", 4002},
		{auth.ErrExpired, 401, "error verifying the jwt: jwt expired", 401},
		{auth.ErrNotActive, 401, "error verifying the jwt: jwt not active", 401},
		{directory.ErrUnavailable, 503, "Service Unavailable", 503},
		{context.DeadlineExceeded, 503, "Service Unavailable", 503},
		{directory.ErrInvalid, 500, "Internal Server Error", 500},
		{directory.ErrNotFound, 500, "Internal Server Error", 500},
		{errors.New("secret"), 500, "Internal Server Error", 500},
	} {
		got := toWire(fmt.Errorf("a secret about ann@example.com: %w", c.err))
		if *got != (wireError{c.status, c.msg, c.code}) {
			t.Errorf("%v is answered %+v", c.err, *got)
		}
	}
}
