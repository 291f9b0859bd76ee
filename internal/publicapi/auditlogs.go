package publicapi

import (
	"bufio"
	"log/slog"
	"net/url"
	"strconv"
	"time"

	"roster/internal/directory"
	"roster/internal/web"
)

// auditLogsPath is the path of the account's audit log, and maxAuditLogs how many
// records a page of it has at most, and unless it asks for fewer.
const (
	auditLogsPath = "/api/public/auditlogs"
	maxAuditLogs  = 100
)

// auditLogs is GET /auditlogs.
func (a *API) auditLogs(c *call) error {
	query, err := readAuditQuery(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	ctx, cancel := c.detachedContext()
	defer cancel()
	list, err := a.roster.AuditRecords(ctx, c.caller, "", query)
	if err != nil {
		return err
	}
	web.AddLog(ctx, slog.Int("listed", len(list.Items)))
	answer(c.w, func(w *bufio.Writer) {
		b := append([]byte(nil), `{"total":`...)
		b = strconv.AppendInt(b, int64(list.Total), 10)
		b = append(b, `,"auditlogs":[`...)
		for i := range list.Items {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendAuditLog(b, &list.Items[i])
		}
		b = append(b, `],"moreAvailable":`...)
		b = strconv.AppendBool(b, list.More)
		w.Write(append(b, '}')) //nolint:errcheck // sticky
	})
	return nil
}

func appendAuditLog(b []byte, r *directory.AuditRecord) []byte {
	b = append(b, `{"timestampValue":`...)
	b = strconv.AppendInt(b, r.At.UnixMilli(), 10)
	b = append(b, `,"Date/Time":`...)
	b = appendTime(b, r.At)
	b = appendField(b, ",", "Description", r.Describe())
	b = appendField(b, ",", "Name", r.Name())
	b = appendField(b, ",", "Category", r.Category())
	b = appendField(b, ",", "AuditLogId", r.ID())
	return append(b, '}')
}

func readAuditQuery(raw string) (q directory.AuditQuery, err error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return q, errValidation
	}
	if q.Page, err = readPageAs(query, "size", maxAuditLogs); err != nil {
		return q, err
	}
	fromStart, fromEnd, err := readDate(query, "fromDate")
	if err != nil {
		return q, err
	}
	toStart, toEnd, err := readDate(query, "toDate")
	if err != nil {
		return q, err
	}
	// The bounds may come in either order; a date without a time is all of its day.
	if !fromStart.IsZero() && !toStart.IsZero() && toStart.Before(fromStart) {
		fromStart, toEnd = toStart, fromEnd
	}
	q.From, q.To = fromStart, toEnd
	if values, ok := query["fetchAfter"]; ok {
		if len(values) > 1 {
			return q, errValidation
		}
		after, err := directory.ParseAuditID(values[0])
		if err != nil {
			return q, errValidation
		}
		q.After = &after
	}
	return q, nil
}

// readDate reads a date or a time, and returns the first and the last moment
// that it names: those of its day, or millisecond by millisecond; zero where
// there is none.
func readDate(query url.Values, name string) (first, last time.Time, err error) {
	values, ok := query[name]
	if !ok {
		return first, last, nil
	}
	if len(values) > 1 {
		return first, last, errValidation
	}
	for _, form := range []struct {
		layout string
		length time.Duration
	}{{time.DateOnly, 24 * time.Hour}, {time.RFC3339, time.Millisecond}} {
		// What has a fraction of a second is read by RFC3339, too.
		if first, err = time.Parse(form.layout, values[0]); err == nil {
			return first, first.Add(form.length - time.Microsecond), nil
		}
	}
	return first, last, errValidation
}
