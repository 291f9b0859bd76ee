package publicapi

import (
	"bufio"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/web"
)

const msgRestored = "Users are restored Successfully"

// restoreUsers is POST /users/removals/{id}/restore. Its body is {} for the whole
// removal, or the two lists of a removal's for some of it.
func (a *API) restoreUsers(c *call) error {
	options := c.options
	once, err := readRepeatable(c, http.MethodPost)
	if err != nil {
		return err
	}
	req, release, err := a.readRemoval(c)
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := c.detachedContext()
	defer cancel()
	out, err := a.roster.RestoreUsers(ctx, c.caller, "", c.id, req.refs, roster.RestoreOptions{
		RequestID: web.RequestID(ctx), DryRun: options.dryRun, Atomic: options.atomic, Repeat: once.repeat(),
	})
	if errors.Is(err, directory.ErrState) {
		return errRunning
	}
	if err != nil {
		return unknownID(err)
	}
	web.AddLog(ctx, slog.String("removal", c.id), slog.Int("restored", out.Restored), slog.Int("refused", len(out.Refused)))
	c.replayed(out.Repeated)
	answer(c.w, func(w *bufio.Writer) {
		writeUsers(w, msgRestored, out.Refs, out.Refused, options)
		writeLost(w, out.Lost)
		writeEnd(w, options, len(out.Refused) > 0)
	})
	return nil
}

// writeLost writes what could not be brought back, if there is any.
func writeLost(w *bufio.Writer, lost []directory.LostObject) {
	if len(lost) == 0 {
		return
	}
	b := []byte(`,"notRestored":[`)
	for i, o := range lost {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"kind":`...)
		b = appendText(b, string(o.Kind))
		b = append(b, `,"id":`...)
		b = appendText(b, o.PublicID)
		b = append(b, `,"name":`...)
		b = appendText(b, o.Name)
		b = append(b, `,"users":`...)
		b = strconv.AppendInt(b, int64(o.Users), 10)
		b = append(b, '}')
	}
	w.Write(append(b, ']')) //nolint:errcheck // sticky
}
