package publicapi

import (
	"bufio"
	"encoding/csv"
	"log/slog"
	"net/url"
	"strconv"
	"time"

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
	ctx, cancel := verbContext(c.r)
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
	ctx, cancel := verbContext(c.r)
	defer cancel()
	removal, err := a.roster.Removal(ctx, c.caller, "", c.id)
	if err != nil {
		return unknownID(err)
	}
	web.AddLog(ctx, slog.String("removal", removal.PublicID))
	c.w.Header().Set("Vary", "Accept")
	if prefersCSV(c.r.Header) {
		c.w.Header().Set("Content-Disposition", `attachment; filename="`+removal.PublicID+`.csv"`)
		answerAs(c.w, contentTypeCSV, func(w *bufio.Writer) { writeRefusedCSV(w, removal.Refused) })
		return nil
	}
	codes := query.Get("reasons") == "codes"
	answer(c.w, func(w *bufio.Writer) {
		w.Write(appendRemoval(nil, &removal))   //nolint:errcheck // sticky
		w.WriteString(`,"failedUserDetails":[`) //nolint:errcheck // sticky
		writeRefusedJSON(w, removal.Refused, codes)
		w.WriteString("]}") //nolint:errcheck // sticky
	})
	return nil
}

// appendRemoval writes a removal without what it keeps of the refused, and
// without the closing brace. A call's removal is over when it can be read.
func appendRemoval(b []byte, r *directory.RemovalRecord) []byte {
	b = append(b, `{"id":`...)
	b = appendText(b, r.PublicID)
	b = append(b, `,"state":"completed"`...)
	for _, count := range []struct {
		key string
		n   int
	}{{"requested", r.Requested}, {"done", r.Requested}, {"removed", r.Removed}, {"failed", r.Failed()}} {
		b = append(b, `,"`+count.key+`":`...)
		b = strconv.AppendInt(b, int64(count.n), 10)
	}
	b = append(b, `,"createdOn":`...)
	b = appendTime(b, r.Created)
	b = append(b, `,"finishedOn":`...)
	return appendTime(b, r.Created)
}

// appendTime writes a time in milliseconds, which is how the published API has
// them.
func appendTime(b []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(b, `"2006-01-02T15:04:05.000Z"`)
}

// writeRefusedJSON writes the failures as the answer to the call had them, but
// for the bots that stood in the way. Errors stay in w.
func writeRefusedJSON(w *bufio.Writer, refused []directory.RefusedUser, codes bool) {
	var item []byte
	for i, user := range refused {
		item = item[:0]
		if i > 0 {
			item = append(item, ',')
		}
		item = appendFailedUser(item, user.Ref, &directory.Refusal{Reason: user.Reason, Email: user.Email}, codes)
		w.Write(item) //nolint:errcheck // sticky
	}
}

const contentTypeCSV = "text/csv; charset=utf-8; header=present"

// writeRefusedCSV writes the failures as a table. Errors stay in w.
func writeRefusedCSV(w *bufio.Writer, refused []directory.RefusedUser) {
	table := csv.NewWriter(w)
	table.Write([]string{"emailId", "orgUserId", "reason", "reasonCode"}) //nolint:errcheck // sticky
	for _, user := range refused {
		email, orgUserID := user.Ref.Text, ""
		if user.Ref.Kind == directory.ByOrgUserID {
			email, orgUserID = user.Email, user.Ref.Text
		}
		table.Write([]string{email, orgUserID, message(user.Ref.Kind, user.Reason), string(user.Reason)}) //nolint:errcheck // sticky
	}
	table.Flush()
}
