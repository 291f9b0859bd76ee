package publicapi

import (
	"bufio"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"roster/internal/csvfile"
	"roster/internal/directory"
	"roster/internal/web"
)

// maxRemovals is how many removals a page of their list has at most, and unless
// it asks for fewer.
const maxRemovals = 50

// listRemovals is GET /users/removals.
func (a *API) listRemovals(c *call) error {
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return errValidation
	}
	page, err := readPage(query, maxRemovals)
	if err != nil {
		return err
	}
	ctx, cancel := c.detachedContext()
	defer cancel()
	list, err := a.roster.Removals(ctx, c.caller, "", page)
	if err != nil {
		return err
	}
	answer(c.w, func(w *bufio.Writer) {
		b := append([]byte(nil), `{"total":`...)
		b = strconv.AppendInt(b, int64(list.Total), 10)
		b = append(b, `,"availableMore":`...)
		b = strconv.AppendBool(b, list.More)
		b = append(b, `,"removals":[`...)
		for i := range list.Removals {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendRemoval(b, &list.Removals[i]), '}')
		}
		w.Write(append(b, "]}"...)) //nolint:errcheck // sticky
	})
	return nil
}

// getRemoval is GET /users/removals/{id}.
func (a *API) getRemoval(c *call) error {
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return errValidation
	}
	ctx, cancel := c.detachedContext()
	defer cancel()
	removal, err := a.roster.Removal(ctx, c.caller, "", c.id)
	if err != nil {
		return unknownID(err)
	}
	web.AddLog(ctx, slog.String("removal", removal.PublicID))
	c.w.Header().Set("Vary", "Accept")
	csv := prefersCSV(c.r.Header)
	if csv && !removal.State.Over() { // a table has no room to say so
		return errRunning
	}
	each := func(yield func([]directory.RefusedUser) error) error {
		return a.roster.EachRefused(ctx, c.caller, "", &removal, yield)
	}
	var failed error
	if csv {
		c.w.Header().Set("Content-Disposition", `attachment; filename="`+removal.PublicID+`.csv"`)
		answerAs(c.w, contentTypeCSV, func(w *bufio.Writer) { failed = writeRefusedCSV(w, each) })
	} else {
		codes := query.Get("reasons") == "codes"
		answer(c.w, func(w *bufio.Writer) { failed = writeRemoval(w, &removal, each, codes) })
	}
	if failed != nil {
		// A part of it may be on its way: it must not pass for the whole.
		a.log.Warn("the answer was broken off", "requestId", web.RequestID(ctx), "error", failed)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// refusedOf calls yield with the users that a removal refused, some at a time.
type refusedOf func(yield func([]directory.RefusedUser) error) error

// writeRemoval writes a removal with the users that it refused. Errors of
// writing stay in w.
func writeRemoval(w *bufio.Writer, removal *directory.RemovalRecord, each refusedOf, codes bool) error {
	w.Write(appendRemoval(nil, removal))    //nolint:errcheck // sticky
	w.WriteString(`,"failedUserDetails":[`) //nolint:errcheck // sticky
	first := true
	err := each(func(refused []directory.RefusedUser) error {
		writeRefusedJSON(w, refused, first, codes)
		first = first && len(refused) == 0
		return nil
	})
	w.WriteString("]}") //nolint:errcheck // sticky
	return err
}

// appendRemoval writes a removal without what it keeps of the refused, and
// without the closing brace.
func appendRemoval(b []byte, r *directory.RemovalRecord) []byte {
	b = append(b, `{"id":`...)
	b = appendText(b, r.PublicID)
	b = append(b, `,"state":`...)
	b = appendText(b, string(r.State))
	for _, count := range []struct {
		key string
		n   int
	}{{"requested", r.Requested}, {"done", r.Done()}, {"removed", r.Removed}, {"failed", r.Failed()}} {
		b = append(b, `,"`+count.key+`":`...)
		b = strconv.AppendInt(b, int64(count.n), 10)
	}
	b = append(b, `,"createdOn":`...)
	b = appendTime(b, r.Created)
	b = append(b, `,"finishedOn":`...)
	if r.Finished.IsZero() {
		return append(b, "null"...)
	}
	return appendTime(b, r.Finished)
}

// appendTime writes a time in milliseconds, which is how the published API has
// them.
func appendTime(b []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(b, `"2006-01-02T15:04:05.000Z"`)
}

// writeRefusedJSON writes the failures as the answer to the call had them, but
// for the bots that stood in the way. first says that none were written before.
// Errors stay in w.
func writeRefusedJSON(w *bufio.Writer, refused []directory.RefusedUser, first, codes bool) {
	var item []byte
	for i, user := range refused {
		item = item[:0]
		if i > 0 || !first {
			item = append(item, ',')
		}
		item = appendFailedUser(item, user.Ref, &directory.Refusal{Reason: user.Reason, Email: user.Email}, codes)
		w.Write(item) //nolint:errcheck // sticky
	}
}

const contentTypeCSV = "text/csv; charset=utf-8; header=present"

// writeRefusedCSV writes the failures as a table. Errors of writing stay in w.
func writeRefusedCSV(w *bufio.Writer, each refusedOf) error {
	table := csvfile.NewWriter(w)
	table.Write("emailId", "orgUserId", "reason", "reasonCode") //nolint:errcheck // sticky
	err := each(func(refused []directory.RefusedUser) error {
		for _, user := range refused {
			email, orgUserID := user.Names()
			table.Write(email, orgUserID, message(user.Ref.Kind, user.Reason), string(user.Reason)) //nolint:errcheck // sticky
		}
		return nil
	})
	table.Flush()
	return err
}
