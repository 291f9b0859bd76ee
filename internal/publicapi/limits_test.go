package publicapi_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"roster/internal/publicapi"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// What is answered beyond a limit.
const (
	over3IDs = `{"errors":[{"msg":"Too many users in one call: the limit is 3. Send them in several calls, or as a job (Prefer: respond-async).","code":413}]}`
	overIDs  = `{"errors":[{"msg":"Too many users in one call: the limit is 100000. Send them in several calls, or as a job (Prefer: respond-async).","code":413}]}`
	over200  = `{"errors":[{"msg":"Request body is too large: the limit is 200 bytes.","code":413}]}`
	overBody = `{"errors":[{"msg":"Request body is too large: the limit is 16777216 bytes.","code":413}]}`
)

// padded is a body that removes Ann, filled up with blanks to n bytes.
func padded(n int) string {
	body := `{` + annOnly + `}`
	return body + strings.Repeat(" ", n-len(body))
}

// Contract 3.1: the limits are configurable, and met exactly they are kept.
func TestSmallLimits(t *testing.T) {
	const x3 = `"x1@example.com","x2@example.com","x3@example.com"`
	three := failed(byEmail(`"x1@example.com"`, noSuchEmail), byEmail(`"x2@example.com"`, noSuchEmail), byEmail(`"x3@example.com"`, noSuchEmail))
	checkReading(t, rostertest.Options{Limits: publicapi.Limits{MaxIDs: 3, MaxBody: 200}}, []row{
		{says: "a limit of ids met exactly", body: `{"deleteEmailIds":[` + x3 + `]}`, want: three},
		{
			says: "a limit of ids met exactly by two lists", body: `{"deleteEmailIds":["ann@example.com","bob@example.com"],"orgUserIds":["E4"]}`,
			want: failed(failure(`"orgUserId":"E4","emailId":"Dan@example.com"`, unauthorized, "")), gone: []string{ann, bob},
		},
		{says: "too many items", body: `{"deleteEmailIds":[` + x3 + `,"ann@example.com"]}`, status: 413, want: over3IDs},
		{says: "too many items, and nobody is touched", body: emails(ann, bob, cleo, dan), status: 413, want: over3IDs},
		{says: "too many items in two lists", body: `{"orgUserIds":["E1","E2"],"deleteEmailIds":["cleo@example.com","a"]}`, status: 413, want: over3IDs},
		{says: "too many items of which some are no text", body: `{"deleteEmailIds":["ann@example.com",1,null,true]}`, status: 413, want: over3IDs},
		{says: "too many items that name one user", body: emails(ann, ann, ann, ann), status: 413, want: over3IDs},
		{says: "JSON before the number of items", body: `{"deleteEmailIds":[1,2,3,4,]}`, status: 400, want: invalidJSON},
		{says: "types before the number of items", body: `{"deleteEmailIds":[1,2,3,4,{}]}`, status: 412, want: invalidArgs},

		{says: "a limit of bytes met exactly", body: padded(200), want: removed, gone: []string{ann}},
		{says: "one byte more", body: padded(201), status: 413, want: over200},
		{says: "too large, whatever it holds", body: strings.Repeat("{", 201), status: 413, want: over200},
		{says: "too large before too many", body: emails(strings.Split(strings.Repeat("a@example.com ", 20), " ")...), status: 413, want: over200},
		{says: "method before size", method: "PATCH", body: padded(201), status: 405, want: notAllowed, headers: allowUsers},
		{says: "credentials before size", token: none, body: padded(201), status: 401, want: badToken},
		{says: "content type before size", header: header1("Content-Type", "text/plain"), body: padded(201), status: 415, want: unsupported},
	})
}

// Contract 3.1: 100,000 ids and 16 MiB by default.
func TestDefaultLimits(t *testing.T) {
	mentions := func(n int) string {
		return `{"deleteEmailIds":["ann@example.com"` + strings.Repeat(`,"ANN@example.com"`, n-1) + `]}`
	}
	checkReading(t, rostertest.Options{}, []row{
		{says: "100,000 ids", body: mentions(100_000), want: removed, gone: []string{ann}},
		{says: "100,001 ids", body: mentions(100_001), status: 413, want: overIDs},
		{says: "100,001 ids in two lists", body: `{"orgUserIds":["E2"],` + mentions(100_000)[1:], status: 413, want: overIDs},
		{says: "16 MiB", body: padded(16 << 20), want: removed, gone: []string{ann}},
		{says: "16 MiB and a byte", body: padded(16<<20 + 1), status: 413, want: overBody},
	})
}

// A client that writes its whole request before it reads sees the answer, not
// a broken connection, and can go on with it unless its body was chunked.
func TestAnswerToLargeBodyIsSeen(t *testing.T) {
	t.Parallel()
	timeouts := unhurried()
	timeouts.Drain = time.Minute // a busy machine takes its time to send 40 MB
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{Timeouts: timeouts})
		large, medium := padded(40<<20), "x"+padded(12<<20) // more than a socket holds
		mediumLength := contentLength(len(medium))
		before := w.Dump()
		for _, c := range []struct {
			says, request string
			status        int
			want          string
		}{
			{"with Content-Length", w.head(contentLength(len(large))) + large, 413, overBody},
			{"chunked", w.head(chunkedBody) + chunked(large), 413, overBody},
			{"broken at its start", w.head(mediumLength) + medium, 400, invalidJSON},
			{"without a token", strings.Replace(w.head(mediumLength), "auth:", "x:", 1) + medium, 401, badToken},
			{"with a wrong method", "PATCH" + strings.TrimPrefix(w.head(mediumLength), "DELETE") + medium, 405, notAllowed},
			{"to an unknown path", strings.Replace(w.head(mediumLength), "users", "x", 1) + medium, 404, notFound},
			{"to a path outside the API", strings.Replace(w.head(mediumLength), "/api/public/users", "/", 1) + medium, 404, notFound},
		} {
			t.Run(c.says, func(t *testing.T) {
				sub := w.at(t)
				conn := sub.dial().send(c.request)
				headers := map[string]string{}
				if c.status == http.StatusMethodNotAllowed {
					headers = allowUsers
				}
				sub.compare(conn.answer(), c.status, c.want, headers)
				if c.says == "chunked" { // see web.Wrap
					if _, err := conn.r.ReadByte(); !errors.Is(err, io.EOF) {
						t.Errorf("the connection goes on after a chunked request: %v", err)
					}
					return
				}
				sub.compare(conn.send(w.head(contentLength(1))+"{").answer(), 400, invalidJSON, nil)
			})
		}
		w.unchanged(before)
	})
}

// Contract 3.1: the limits hold for a body whose size nobody told.
func TestChunkedLimits(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{Limits: publicapi.Limits{MaxBody: 200}})
		before := w.Dump()
		w.compare(w.dial().send(w.head(chunkedBody)+chunked(padded(201))).answer(), 413, over200, nil)
		w.unchanged(before)
		w.compare(w.dial().send(w.head(chunkedBody)+chunked(padded(200))).answer(), 200, removed, nil)
	})
}

// A client that waits for leave to send is refused before it has sent anything.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	w := start(t, storetest.New(t, "sqlite"), rostertest.Options{})
	w.compare(w.dial().send(w.head(contentLength(40<<20), "Expect: 100-continue")).answer(), 413, overBody, nil)

	body := emails(ann)
	conn := w.dial().send(w.head(contentLength(len(body)), "Expect: 100-continue"))
	if first := conn.answer(); first.Status != http.StatusContinue {
		t.Fatalf("answered %d, want leave to send", first.Status)
	}
	w.compare(conn.send(body).answer(), 200, removed, nil)
}

// A body without end does not hold the server for ever: it reads on for a
// while, answers and closes.
func TestEndlessBody(t *testing.T) {
	t.Parallel()
	timeouts := unhurried()
	timeouts.Drain = soon
	w := start(t, storetest.New(t, "sqlite"), rostertest.Options{Timeouts: timeouts})
	before := w.Dump()
	conn := w.dial().send(w.head(chunkedBody))
	go func() {
		chunk := strings.TrimSuffix(chunked(strings.Repeat(" ", 64<<10)), "0\r\n\r\n")
		for {
			if _, err := io.WriteString(conn, chunk); err != nil {
				return // the server has had enough
			}
		}
	}()
	w.compare(conn.answer(), 413, overBody, nil)
	w.unchanged(before)
}

// A body that ends before it should is no body: nobody is removed, though what
// has arrived may be whole JSON.
func TestBodyCutShort(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		before := w.Dump()
		body := emails(ann)
		for _, request := range []string{
			w.head(contentLength(len(body)+1)) + body,
			w.head(contentLength(len(body))) + body[:len(body)-1],
			w.head(chunkedBody) + strings.TrimSuffix(chunked(body), "0\r\n\r\n"),
			w.head(chunkedBody) + strings.TrimSuffix(chunked(body), "\r\n"),
			w.head(chunkedBody) + "zz\r\n" + body,
		} {
			conn := w.dial().send(request)
			if err := conn.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			w.compare(conn.answer(), 400, invalidJSON, nil)
		}
		w.unchanged(before)
	})
}
