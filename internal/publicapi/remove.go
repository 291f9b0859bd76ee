package publicapi

import (
	"bufio"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/web"
)

// Messages of the reasons why a user was not removed, or not restored.
const (
	msgRemoved          = "Users are removed Successfully"
	msgUnauthorized     = "Unauthorized to perform this activity"
	msgEmailNotFound    = "User not found. Please check the provided email address."
	msgOrgIDNotFound    = "User not found. Please check the provided org user id."
	msgInvalidEmail     = "Invalid emailId"
	msgInvalidOrgUserID = "Invalid orgUserId"
	msgUserExists       = "User already exists"
	msgOrgUserIDInUse   = "orgUserId already in use"
)

// headerRemovalID carries the id of the removal that an answer tells about.
const headerRemovalID = "X-Removal-Id"

// removeUsers is DELETE /users.
func (a *API) removeUsers(c *call) error {
	options := c.options
	if prefersAsync(c.r.Header) {
		return a.queueRemoval(c)
	}
	once, err := readRepeatable(c, http.MethodDelete)
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
	out, err := a.roster.RemoveUsers(ctx, c.caller, req.refs, roster.RemovalOptions{
		RequestID: web.RequestID(ctx), DryRun: options.dryRun, Atomic: options.atomic, Labels: req.labels, Repeat: once.repeat(),
	})
	if err != nil {
		return err
	}
	web.AddLog(ctx, slog.Int("requested", out.Requested), slog.Int("removed", out.Removed))
	if options.dryRun {
		web.AddLog(ctx, slog.Bool("dryRun", true))
	} else {
		web.AddLog(ctx, slog.String("removal", out.PublicID))
		c.w.Header().Set(headerRemovalID, out.PublicID)
	}
	c.replayed(out.Repeated)
	answer(c.w, func(w *bufio.Writer) {
		writeUsers(w, msgRemoved, req.refs, out.Refused, options)
		if req.includeMeta {
			w.WriteString(`,"moreAvailable":false,"total":` + strconv.Itoa(out.Removed)) //nolint:errcheck // sticky
		}
		writeEnd(w, options, len(out.Refused) > 0)
	})
	return nil
}

// readRemoval reads the body of a removal, or of a restoration of the removal
// that the path names. release gives back what it holds of
// the load, once the call has been answered.
func (a *API) readRemoval(c *call) (req removalRequest, release func(), err error) {
	if c.r.ContentLength > a.limits.MaxBody {
		return req, nil, errTooLarge(a.limits.MaxBody)
	}
	held := a.load.hold(c.caller.Account)
	if req, err = readRemoval(c.r.Body, a.limits, c.id != "", held); err != nil {
		held.release()
	}
	return req, held.release, err
}

// writeUsers begins the published answer: the message when nobody is refused,
// else the failures. Errors stay in w.
func writeUsers(w *bufio.Writer, msg string, refs []directory.UserRef, refused []directory.Refusal, o options) {
	if len(refused) == 0 {
		w.WriteString(`{"msg":"` + msg + `"`) //nolint:errcheck // sticky
		return
	}
	w.WriteString(`{"failedUserDetails":[`) //nolint:errcheck // sticky
	var item []byte
	for i := range refused {
		item = item[:0]
		if i > 0 {
			item = append(item, ',')
		}
		item = appendFailedUser(item, refs[refused[i].Ref], &refused[i], o.codes)
		w.Write(item) //nolint:errcheck // sticky
	}
	w.WriteByte(']') //nolint:errcheck // sticky
}

// writeEnd ends the answer with what the options add to it.
func writeEnd(w *bufio.Writer, o options, refused bool) {
	if o.atomic && refused { // else it kept nobody
		w.WriteString(`,"atomic":true`) //nolint:errcheck // sticky
	}
	if o.dryRun {
		w.WriteString(`,"dryRun":true`) //nolint:errcheck // sticky
	}
	w.WriteByte('}') //nolint:errcheck // sticky
}

func appendFailedUser(b []byte, ref directory.UserRef, refusal *directory.Refusal, codes bool) []byte {
	if ref.Kind == directory.ByEmail {
		b = append(b, `{"emailId":`...)
		b = appendRef(b, ref)
	} else {
		b = append(b, `{"orgUserId":`...)
		b = appendRef(b, ref)
		if refusal.Email != "" {
			b = append(b, `,"emailId":`...)
			b = appendText(b, refusal.Email)
		}
	}
	b = append(b, `,"reason":`...)
	b = appendReason(b, message(ref.Kind, refusal.Reason), func(b []byte) []byte {
		if codes {
			b = appendReasonCode(b, refusal)
		}
		return b
	})
	return append(b, '}')
}

// message is the published text of a reason.
func message(kind directory.IDKind, reason directory.Reason) string {
	switch reason {
	case directory.ReasonAccountOwner, directory.ReasonBotOwner:
		return msgUnauthorized
	case directory.ReasonInvalidID:
		if kind == directory.ByEmail {
			return msgInvalidEmail
		}
		return msgInvalidOrgUserID
	case directory.ReasonUserExists:
		return msgUserExists
	case directory.ReasonOrgUserIDIsUsed:
		return msgOrgUserIDInUse
	default:
		if kind == directory.ByEmail {
			return msgEmailNotFound
		}
		return msgOrgIDNotFound
	}
}

// appendReason writes an item-level error in its full form. more adds to its
// inner error.
func appendReason(b []byte, msg string, more func([]byte) []byte) []byte {
	b = append(b, `{"statusCode":400,"status":400,"customCode":400,"errors":[{"msg":`...)
	b = appendText(b, msg)
	b = append(b, `,"code":400`...)
	b = more(b)
	b = append(b, `}],"_headers":{},"message":`...)
	b = appendText(b, msg)
	return append(b, `,"name":"BadRequest"}`...)
}

func appendReasonCode(b []byte, refusal *directory.Refusal) []byte {
	b = append(b, `,"reasonCode":"`...)
	b = append(b, refusal.Reason...)
	b = append(b, '"')
	if refusal.Reason != directory.ReasonBotOwner || len(refusal.Bots) == 0 {
		return b
	}
	b = append(b, `,"bots":[`...)
	for i, bot := range refusal.Bots {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"botId":`...)
		b = appendText(b, bot.PublicID)
		b = append(b, `,"botName":`...)
		b = appendText(b, bot.Name)
		b = append(b, '}')
	}
	return append(b, ']')
}

// appendRef echoes an id exactly as it was sent.
func appendRef(b []byte, ref directory.UserRef) []byte {
	if ref.NotText {
		return append(b, ref.Text...)
	}
	return appendText(b, ref.Text)
}

func appendText(b []byte, text string) []byte {
	b, _ = jsontext.AppendQuote(b, text) // the decoder took valid UTF-8 alone
	return b
}
