package publicapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"roster/internal/directory"
	"roster/internal/web"
)

// perJobID is how many bytes each id of a job's list counts for in the load: the
// list itself goes to the database while it is read, and what stays is what
// tells that an id was named before.
const perJobID = 48

// preferAsync is the preference of RFC 7240 for an answer before the work is
// done.
const preferAsync = "respond-async"

// prefersAsync says whether a client asks for a job.
func prefersAsync(h http.Header) bool {
	for _, value := range h["Prefer"] {
		for preference := range strings.SplitSeq(value, ",") {
			name, _, _ := strings.Cut(preference, ";") // parameters
			name, value, _ := strings.Cut(name, "=")
			if strings.EqualFold(strings.TrimSpace(name), preferAsync) && strings.Trim(value, ` "`) == "" {
				return true
			}
		}
	}
	return false
}

// queueRemoval is DELETE /users with "Prefer: respond-async": the list is
// written down while it is read, and others do the work.
func (a *API) queueRemoval(c *call) error {
	switch {
	case c.options.atomic:
		return errJobAtomic
	case c.options.dryRun:
		return errJobDryRun
	case c.r.ContentLength > a.limits.MaxJobBody:
		return errTooLarge(a.limits.MaxJobBody)
	}
	// It is another request than the same one as a call.
	once, err := readRepeatable(c, http.MethodDelete+" "+preferAsync)
	if err != nil {
		return err
	}
	ctx, cancel := c.detachedContext()
	defer cancel()
	spool, err := a.roster.SpoolRemoval(c.caller)
	if err != nil {
		return err
	}
	defer func() {
		if err := spool.Drop(context.WithoutCancel(ctx)); err != nil {
			a.log.Warn("the list of a job is dropped later", "requestId", web.RequestID(ctx), "error", err)
		}
	}()
	held := a.load.hold(c.caller.Account)
	held.perID = perJobID
	defer held.release()
	labels, err := readJob(c.r, a.limits, held, func(ref directory.UserRef) error {
		written, err := spool.Add(ctx, ref)
		if written {
			held.forgetBytes()
		}
		return err
	})
	if err == nil {
		err = spool.SetLabels(labels)
	}
	if err != nil {
		return err
	}
	removal, repeated, err := spool.Queue(ctx, web.RequestID(ctx), once.repeat())
	if err != nil {
		return err
	}
	c.replayed(repeated)
	web.AddLog(ctx, slog.Int("requested", removal.Requested), slog.String("removal", removal.PublicID))
	h := c.w.Header()
	h.Set("Preference-Applied", preferAsync)
	h.Set("Location", removalsPath+"/"+removal.PublicID)
	h.Set(headerRemovalID, removal.PublicID)
	writeJob(c.w, http.StatusAccepted, &removal)
	return nil
}

// readJob reads a job's body as readRemoval reads a call's, by its own limits,
// hands each id to sink, and returns the labels.
func readJob(src *http.Request, limits Limits, held *holding, sink func(directory.UserRef) error) (directory.RemovalLabels, error) {
	b := newBody(src.Body, limits.MaxJobBody, held)
	limits.MaxIDs = limits.MaxJobIDs
	rd := &removalReader{idReader: newIDReader(b, limits)}
	rd.sink = func(ref directory.UserRef) error {
		if err := sink(ref); err != nil {
			return fmt.Errorf("%w: %w", errSpool, err)
		}
		return nil
	}
	if err := rd.read(); err != nil {
		return directory.RemovalLabels{}, bodyError(err, b)
	}
	req, err := rd.judge()
	return req.labels, err
}

// writeJob answers with a removal as it stands.
func writeJob(w http.ResponseWriter, status int, removal *directory.RemovalRecord) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	buf := bufio.NewWriter(w)
	_ = writeRemoval(buf, removal, func(yield func([]directory.RefusedUser) error) error { return yield(nil) }, false)
	_ = buf.Flush() // the client is gone; what was done stands
}

// cancelRemoval is DELETE /users/removals/{id}.
func (a *API) cancelRemoval(c *call) error {
	if err := a.readEmpty(c); err != nil {
		return err
	}
	ctx, cancel := c.detachedContext()
	defer cancel()
	removal, err := a.roster.CancelRemoval(ctx, c.caller, "", c.id, web.RequestID(ctx))
	if errors.Is(err, directory.ErrState) {
		return errOver
	}
	if err != nil {
		return unknownID(err)
	}
	web.AddLog(ctx, slog.String("removal", removal.PublicID), slog.Int("removed", removal.Removed))
	writeJob(c.w, http.StatusOK, &removal)
	return nil
}
