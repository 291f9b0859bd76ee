package publicapi

import (
	"bufio"
	"log/slog"
	"net/http"
	"strconv"

	"roster/internal/directory"
	"roster/internal/web"
)

// listGroups is GET /groups. Its answer has all users of each group, so it goes out
// while they are read, some at a time: a group may have a million. No connection of
// the database is held while the client is written to.
func (a *API) listGroups(c *call) error {
	_, page, err := readList(c)
	if err != nil {
		return err
	}
	ctx, cancel := c.detachedContext()
	defer cancel()
	list, err := a.roster.Groups(ctx, c.caller, "", page)
	if err != nil {
		return err
	}
	web.AddLog(ctx, slog.Int("listed", len(list.Items)))
	sent := &countingWriter{ResponseWriter: c.w}
	out := &groupsWriter{
		w: bufio.NewWriterSize(sent, answerBuffer), list: list,
		organisation: directory.OrganisationID(c.caller.App().AccountPublicID),
	}
	c.w.Header().Set("Content-Type", contentType)
	err = out.write(func(yield func(at int, users []directory.Member) error) error {
		return a.roster.EachGroupUser(ctx, c.caller, "", out.ids(), yield)
	})
	if err == nil {
		_ = out.w.Flush() // the client is gone
		return nil
	}
	if sent.any {
		// The answer has begun, so nothing can be said any more but that it is not whole.
		a.log.Warn("the answer was broken off", "requestId", web.RequestID(ctx), "error", err)
		panic(http.ErrAbortHandler)
	}
	return err
}

// countingWriter notes whether anything was sent.
type countingWriter struct {
	http.ResponseWriter
	any bool
}

func (w *countingWriter) Write(b []byte) (int, error) {
	w.any = true
	return w.ResponseWriter.Write(b)
}

// groupsWriter writes a page of groups as their users are read.
type groupsWriter struct {
	w     *bufio.Writer
	item  []byte
	list  directory.List[directory.GroupEntry]
	begun int // groups so far
	users int // of the last of them

	organisation string // id of the one that all users belong to
}

// ids are those of the groups of the page.
func (g *groupsWriter) ids() []directory.GroupID {
	ids := make([]directory.GroupID, len(g.list.Items))
	for i := range g.list.Items {
		ids[i] = g.list.Items[i].ID
	}
	return ids
}

func (g *groupsWriter) write(each func(yield func(at int, users []directory.Member) error) error) error {
	if _, err := g.w.Write(appendListStart(nil, g.list.Total, g.list.More, "groups")); err != nil {
		return err
	}
	if err := each(g.writeUsers); err != nil {
		return err
	}
	if err := g.beginUpTo(len(g.list.Items) - 1); err != nil {
		return err
	}
	g.item = g.end(g.item[:0])
	_, err := g.w.Write(append(g.item, "]}"...))
	return err
}

// writeUsers writes some users of the group with that index.
func (g *groupsWriter) writeUsers(at int, users []directory.Member) error {
	if err := g.beginUpTo(at); err != nil {
		return err
	}
	for i := range users {
		g.item = g.item[:0]
		if g.users > 0 {
			g.item = append(g.item, ',')
		}
		g.users++
		g.item = appendGroupUser(g.item, &users[i], g.organisation)
		if _, err := g.w.Write(g.item); err != nil {
			return err
		}
	}
	return nil
}

// beginUpTo ends the last group and begins others until the one with that index
// is the last. Those in between have no users.
func (g *groupsWriter) beginUpTo(at int) error {
	for g.begun <= at {
		g.item = g.end(g.item[:0])
		if g.begun > 0 {
			g.item = append(g.item, ',')
		}
		g.item = appendGroupStart(g.item, &g.list.Items[g.begun])
		g.begun++
		g.users = 0
		if _, err := g.w.Write(g.item); err != nil {
			return err
		}
	}
	return nil
}

// end ends the last group, if there is one.
func (g *groupsWriter) end(b []byte) []byte {
	if g.begun == 0 {
		return b
	}
	b = append(b, `],"userCount":`...)
	b = strconv.AppendInt(b, int64(g.users), 10)
	return append(b, '}')
}

// appendGroupStart writes a group as far as the list of its users.
func appendGroupStart(b []byte, g *directory.GroupEntry) []byte {
	b = appendField(b, "{", "_id", g.PublicID)
	b = appendField(b, ",", "gN", g.Name)
	b = appendField(b, ",", "gDesc", g.Description)
	b = append(b, `,"groups":[`...)
	for i := range g.Nested {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendField(b, "{", "_id", g.Nested[i].PublicID)
		b = append(appendField(b, ",", "gN", g.Nested[i].Name), '}')
	}
	return append(b, `],"users":[`...)
}

// appendGroupUser writes a user of a group. Users have no pictures and titles here:
// clients find the published value for no picture, and empty texts.
func appendGroupUser(b []byte, m *directory.Member, organisation string) []byte {
	b = appendField(b, "{", "_id", m.UserID)
	b = appendField(b, ",", "emailId", m.Email)
	b = appendField(b, ",", "lastName", m.Profile.LastName)
	b = appendField(b, ",", "firstName", m.Profile.FirstName)
	b = append(b, `,"profImage":"no-avatar","profColour":""`...)
	b = appendField(b, ",", "activationStatus", wireStatus(m.Status))
	b = append(b, `,"jTitle":""`...)
	return append(appendField(b, ",", "orgId", organisation), '}')
}

// wireStatus is a status in the words of the published API, which has two.
func wireStatus(s directory.Status) string {
	if s == directory.StatusActive {
		return string(directory.StatusActive)
	}
	return string(directory.StatusInactive)
}
