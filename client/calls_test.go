package client_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roster/client"
)

const (
	allRemoved = `{"msg":"Users are removed Successfully"}`
	oneFailed  = `{"failedUserDetails":[{"emailId":"bo@example.com","reason":{"message":"no"}}]}`
)

// with puts more keys at the end of an answer.
func with(answer, more string) string { return strings.TrimSuffix(answer, "}") + more + "}" }

// reply is one answer of a host.
type reply struct {
	status int // 0 for 200
	body   string
	id     string // X-Removal-Id
}

// host gives its answers one after the other and keeps what it was asked.
type host struct {
	mu      sync.Mutex
	replies []reply
	asked   []string
}

func newClient(t *testing.T, replies ...reply) (*client.Client, *host) {
	t.Helper()
	h := &host{replies: replies}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := client.New(client.Config{
		Host: s.URL + "/", ClientID: "cs-1", ClientSecret: strings.Repeat("s", 44), Retry: client.Retry{Attempts: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, h
}

// ServeHTTP implements http.Handler.
func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	line := r.Method + " " + r.RequestURI + " " + string(body)
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		line += " under " + key
	}
	h.asked = append(h.asked, line)
	if len(h.replies) == 0 {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	next := h.replies[0]
	h.replies = h.replies[1:]
	w.Header().Set("X-Removal-Id", next.id)
	if next.status != 0 {
		w.WriteHeader(next.status)
	}
	io.WriteString(w, next.body)
}

func (h *host) check(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, h.asked); diff != "" {
		t.Errorf("the host was asked (-want +got):\n%s", diff)
	}
}

var (
	ann      = []string{"ann@example.com"}
	annAndBo = []string{"ann@example.com", "bo@example.com"}
	bo       = []client.FailedUser{{EmailID: "bo@example.com", Reason: client.Reason{Message: "no"}}}
)

const (
	probe = `DELETE /api/public/users?atomic=true&dryRun=true {"deleteEmailIds":["nobody: does this host know dryRun and atomic?"]}`
	known = `{"failedUserDetails":[{"emailId":"x","reason":{}}],"atomic":true,"dryRun":true}`
)

// A plain removal is one call, and its result has what the answer says.
func TestRemoveUsers(t *testing.T) {
	t.Parallel()
	c, h := newClient(t, reply{body: allRemoved, id: "rm-1"}, reply{body: oneFailed})
	out, err := c.RemoveUsers(t.Context(), client.RemoveUsersRequest{EmailIDs: ann, OrgUserIDs: []string{"E1"}, IdempotencyKey: "k1"})
	if diff := cmp.Diff(&client.RemoveUsersResult{Message: "Users are removed Successfully", RemovalID: "rm-1"}, out); err != nil || diff != "" {
		t.Errorf("error %v, result\n%s", err, diff)
	}
	out, err = c.RemoveUsers(t.Context(), client.RemoveUsersRequest{EmailIDs: annAndBo})
	if diff := cmp.Diff(&client.RemoveUsersResult{Failed: bo}, out); err != nil || diff != "" {
		t.Errorf("error %v, result\n%s", err, diff)
	}
	h.check(t,
		`DELETE /api/public/users {"deleteEmailIds":["ann@example.com"],"orgUserIds":["E1"]} under k1`,
		`DELETE /api/public/users {"deleteEmailIds":["ann@example.com","bo@example.com"]}`)
}

// What a host says is the removal's id ends up in commands: nothing else may.
func TestRemovalIDForm(t *testing.T) {
	t.Parallel()
	for id, good := range map[string]bool{
		"rm-7fe02ced-073b-4db0-ba7e-66e2dcb0245e": true, "A_1": true, strings.Repeat("x", 128): true,
		strings.Repeat("x", 129): false, "": false, "rm-1; rm -rf": false, "-rf": false, "a/b": false, "..": false, "\u202e": false,
	} {
		c, h := newClient(t, reply{body: allRemoved, id: id}, reply{body: allRemoved})
		out, err := c.RemoveUsers(t.Context(), client.RemoveUsersRequest{EmailIDs: ann})
		if err != nil || (out.RemovalID == id && id != "") != good {
			t.Errorf("%q: result %+v, error %v", id, out, err)
		}
		_, err = c.RestoreUsers(t.Context(), id, client.RestoreUsersRequest{EmailIDs: ann})
		if (err == nil) != good || (len(h.asked) == 2) != good {
			t.Errorf("%q: restored with %q, error %v", id, h.asked, err)
		}
	}
}

// Options are asked for only where the host knows them, which it is asked once.
func TestOptions(t *testing.T) {
	t.Parallel()
	c, h := newClient(t,
		reply{body: known},
		reply{body: with(oneFailed, `,"dryRun":true`)},
		reply{body: with(oneFailed, `,"atomic":true`), id: "rm-2"},
		reply{body: allRemoved, id: "rm-3"},
		reply{body: with(oneFailed, `,"atomic":true,"dryRun":true`)})
	for i, step := range []struct {
		dryRun, atomic bool
		want           client.RemoveUsersResult
	}{
		{true, false, client.RemoveUsersResult{Failed: bo, DryRun: true}},
		{false, true, client.RemoveUsersResult{Failed: bo, Atomic: true, RemovalID: "rm-2"}},
		{false, true, client.RemoveUsersResult{Message: "Users are removed Successfully", RemovalID: "rm-3"}},
		{true, true, client.RemoveUsersResult{Failed: bo, Atomic: true, DryRun: true}},
	} {
		out, err := c.RemoveUsers(t.Context(), client.RemoveUsersRequest{EmailIDs: ann, DryRun: step.dryRun, Atomic: step.atomic})
		if diff := cmp.Diff(&step.want, out); err != nil || diff != "" {
			t.Errorf("call %d: error %v, result\n%s", i, err, diff)
		}
	}
	call := func(query string) string {
		return `DELETE /api/public/users?` + query + ` {"deleteEmailIds":["ann@example.com"]}`
	}
	h.check(t, probe, call("dryRun=true"), call("atomic=true"), call("atomic=true"), call("atomic=true&dryRun=true"))
}

// A host that does not know an option is never asked to remove anybody by it.
func TestUnknownOptionRemovesNobody(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		says           string
		dryRun, atomic bool
		answer         string
		unknown        string // none: the call is made
	}{
		{"neither, a preview", true, false, oneFailed, "dryRun"},
		{"neither, all or nobody", false, true, oneFailed, "atomic"},
		{"removes everything it is told", true, false, allRemoved, "dryRun"},
		{"dryRun alone, all or nobody", false, true, with(oneFailed, `,"dryRun":true`), "atomic"},
		{"dryRun alone, a preview", true, false, with(oneFailed, `,"dryRun":true`), ""},
		{"atomic alone, a preview of it", true, true, with(oneFailed, `,"atomic":true`), "dryRun"},
	} {
		c, h := newClient(t, reply{body: test.answer}, reply{body: with(allRemoved, `,"dryRun":true`)})
		out, err := c.RemoveUsers(t.Context(), client.RemoveUsersRequest{EmailIDs: ann, DryRun: test.dryRun, Atomic: test.atomic})
		if test.unknown == "" {
			if err != nil || len(h.asked) != 2 {
				t.Errorf("%s: error %v, asked %q", test.says, err, h.asked)
			}
			continue
		}
		option, ok := errors.AsType[*client.OptionError](err)
		if !ok || option.Option != test.unknown || option.Removed || out != nil || !strings.HasSuffix(err.Error(), "nobody was removed") {
			t.Errorf("%s: error %v, result %v", test.says, err, out)
		}
		h.check(t, probe)
	}
}

// Behind one address there may be hosts of two kinds: each answer is looked at.
func TestIgnoredOption(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		dryRun, atomic bool
		answer         string
		ignored        string
	}{
		{true, false, allRemoved, "dryRun"},
		{true, true, with(oneFailed, `,"atomic":true`), "dryRun"},
		{false, true, oneFailed, "atomic"},
		{true, true, with(oneFailed, `,"dryRun":true`), "atomic"},
	} {
		c, _ := newClient(t, reply{body: known}, reply{body: test.answer, id: "rm-1"})
		out, err := c.RemoveUsers(t.Context(), client.RemoveUsersRequest{EmailIDs: ann, DryRun: test.dryRun, Atomic: test.atomic})
		option, ok := errors.AsType[*client.OptionError](err)
		if !ok || option.Option != test.ignored || !option.Removed || !strings.Contains(err.Error(), "users may have been removed") {
			t.Errorf("%s: error %v", test.answer, err)
		}
		if out == nil || out.RemovalID != "rm-1" {
			t.Errorf("%s: the result is lost: %v", test.answer, out)
		}
	}
}

// A call that fails is an error of its kind, the first question included.
func TestFailedCalls(t *testing.T) {
	t.Parallel()
	refused := reply{status: 429, body: `{"errors":[{"msg":"slow down","code":4290}]}`}
	for _, dryRun := range []bool{false, true} {
		c, h := newClient(t, refused)
		_, err := c.RemoveUsers(t.Context(), client.RemoveUsersRequest{EmailIDs: ann, DryRun: dryRun})
		if got, ok := errors.AsType[*client.Error](err); !ok || *got != (client.Error{Status: 429, Code: 4290, Message: "slow down"}) || len(h.asked) != 1 {
			t.Errorf("error %v, asked %q", err, h.asked)
		}
	}
	for _, answer := range []string{"", "{}", "[]", `{"msg":""}`, `{"failedUserDetails":[]}`, "<html>"} {
		c, _ := newClient(t, reply{body: answer}, reply{body: answer})
		if out, err := c.RemoveUsers(t.Context(), client.RemoveUsersRequest{EmailIDs: ann}); err == nil {
			t.Errorf("a removal takes %q for %+v", answer, out)
		}
		if out, err := c.RestoreUsers(t.Context(), "rm-1", client.RestoreUsersRequest{All: true}); err == nil {
			t.Errorf("a restore takes %q for %+v", answer, out)
		}
	}
}

// A restore is one call; the whole removal has to be asked for.
func TestRestoreUsers(t *testing.T) {
	t.Parallel()
	c, h := newClient(t,
		reply{body: `{"msg":"Users are restored Successfully"}`},
		reply{body: with(oneFailed, `,"notRestored":[{"kind":"group","id":"e-1","name":"Sales","users":3}]`)})
	out, err := c.RestoreUsers(t.Context(), "rm-1", client.RestoreUsersRequest{All: true, IdempotencyKey: "k2"})
	if diff := cmp.Diff(&client.RestoreUsersResult{Message: "Users are restored Successfully"}, out); err != nil || diff != "" {
		t.Errorf("error %v, result\n%s", err, diff)
	}
	out, err = c.RestoreUsers(t.Context(), "rm-1", client.RestoreUsersRequest{EmailIDs: annAndBo, OrgUserIDs: []string{"E1"}})
	want := &client.RestoreUsersResult{Failed: bo, NotRestored: []client.LostObject{{Kind: "group", ID: "e-1", Name: "Sales", Users: 3}}}
	if diff := cmp.Diff(want, out); err != nil || diff != "" {
		t.Errorf("error %v, result\n%s", err, diff)
	}
	for _, wrong := range []client.RestoreUsersRequest{
		{}, {EmailIDs: []string{}}, {All: true, EmailIDs: ann}, {All: true, OrgUserIDs: []string{"E1"}},
	} {
		if out, err := c.RestoreUsers(t.Context(), "rm-1", wrong); err == nil {
			t.Errorf("%+v: %+v", wrong, out)
		}
	}
	h.check(t,
		`POST /api/public/users/removals/rm-1/restore {} under k2`,
		`POST /api/public/users/removals/rm-1/restore {"deleteEmailIds":["ann@example.com","bo@example.com"],"orgUserIds":["E1"]}`)
}
