package client

import (
	"context"
	"iter"
	"net/url"
	"time"
)

// AuditLog is a record of the account's audit log.
type AuditLog struct {
	ID          string `json:"AuditLogId"`     //nolint:tagliatelle // as the wire has it, here and below
	Millis      int64  `json:"timestampValue"` // milliseconds since 1970
	Name        string `json:"Name"`           //nolint:tagliatelle // such as "User Deleted"
	Category    string `json:"Category"`       //nolint:tagliatelle // such as "User Management"
	Description string `json:"Description"`    //nolint:tagliatelle
}

// Time is when it happened.
func (r *AuditLog) Time() time.Time { return time.UnixMilli(r.Millis).UTC() }

// AuditLogsRequest says which records are wanted. The zero value is all of them.
type AuditLogsRequest struct {
	// From and To bound the time; each may be zero.
	From, To time.Time
	// After is the ID of a record: those behind it are listed, the oldest first. To
	// follow the log, give the last one of the time before.
	After string
}

// AuditLogs lists records of the account's audit log, the newest first, or with
// After the oldest first. It reads page by page.
func (c *Client) AuditLogs(ctx context.Context, req AuditLogsRequest) iter.Seq2[AuditLog, error] {
	const form = "2006-01-02T15:04:05.000Z"
	query := url.Values{}
	if !req.From.IsZero() {
		query.Set("fromDate", req.From.UTC().Format(form))
	}
	if !req.To.IsZero() {
		query.Set("toDate", req.To.UTC().Format(form))
	}
	l := listing[AuditLog]{
		path: "/api/public/auditlogs", query: query, items: "auditlogs", more: "moreAvailable",
	}
	if req.After == "" {
		l.id = func(r *AuditLog) string { return r.ID }
	} else {
		query.Set("fetchAfter", req.After)
		l.after = func(r *AuditLog) url.Values { return url.Values{"fetchAfter": {r.ID}} }
	}
	return l.each(ctx, c)
}
