package roster

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// Bounds of a job's list while it arrives.
const (
	// spoolRow is how many ids a row of it holds at the most, and with that the
	// smallest chunk of work. A row of short addresses fits into a page of the database.
	spoolRow = 25
	// spoolRows and spoolBytes are how much of the list waits in memory to be
	// written: whichever is reached first.
	spoolRows  = 40
	spoolBytes = 256 << 10
	// maxJobs is how many jobs of an account may be unfinished, so that an app
	// gone wild cannot fill the disk with lists.
	maxJobs = 20
	// firstOrgID is the place of the first org id in the list; addresses come
	// before it.
	firstOrgID = 1 << 32
)

// Spool takes in the list of a removal that will be done in the background. What
// it holds in memory is bounded but for 16 bytes or so for each distinct id. It
// belongs to one goroutine.
type Spool struct {
	roster *Roster
	caller auth.Caller
	id     directory.RemovalID // 0 until something was written
	seen   map[mention]struct{}
	lists  [2]spoolList // by kind
	rows   []store.SpoolRow
	labels directory.RemovalLabels
	bytes  int
	done   bool // it was queued
}

// mention stands for an id in the form in which it is compared: the beginning of
// its SHA-256, which no two ids share.
type mention [16]byte

// spoolList is one of the two lists.
type spoolList struct {
	next int64  // place of the next row
	row  []byte // JSON array of the ids that wait for a row, without its end
	ids  int    // how many they are
	all  int    // how many distinct ids the list has so far
}

// SpoolRemoval begins to take in a list. Nothing can be seen of it before Queue,
// and it does not hold up anybody. The caller needs what RemoveUsers asks for.
func (r *Roster) SpoolRemoval(caller auth.Caller) (*Spool, error) {
	if err := caller.RequireScope(directory.ScopeUserManagement); err != nil {
		return nil, err
	}
	if caller.Account == 0 {
		return nil, directory.Errorf(directory.ErrInvalid, "the removal names no account")
	}
	s := &Spool{roster: r, caller: caller, seen: make(map[mention]struct{})}
	s.lists[directory.ByOrgUserID].next = firstOrgID
	return s, nil
}

// Add takes in one more id, by the rules of directory.Select: two spellings of
// one key are one mention, and so is what cannot be a key in the same spelling.
func (s *Spool) Add(ctx context.Context, ref directory.UserRef) (written bool, err error) {
	key, valid := ref.Key()
	if !valid {
		key = ref.Text
	}
	m := newMention(ref, key, valid)
	if _, dup := s.seen[m]; dup {
		return false, nil
	}
	s.seen[m] = struct{}{}
	list := &s.lists[ref.Kind]
	list.all++
	list.ids++
	separator := byte(',')
	if len(list.row) == 0 {
		separator = '['
	}
	before := len(list.row)
	list.row = appendSpooled(append(list.row, separator), ref, valid)
	s.bytes += len(list.row) - before
	if list.ids == s.roster.jobs.rowIDs || s.bytes >= spoolBytes {
		s.endRow(list)
	}
	if len(s.rows) == spoolRows || s.bytes >= spoolBytes {
		return true, s.flush(ctx)
	}
	return false, nil
}

// SetLabels sets what is kept with the removal. An error wraps directory.ErrInvalid.
func (s *Spool) SetLabels(labels directory.RemovalLabels) error {
	s.labels = labels
	return labels.Check()
}

func newMention(ref directory.UserRef, key string, valid bool) (m mention) {
	kind := []byte{byte(ref.Kind), 0, 0}
	if valid {
		kind[1] = 1
	}
	if ref.NotText {
		kind[2] = 1
	}
	h := sha256.New()
	h.Write(kind)
	h.Write([]byte(key))
	copy(m[:], h.Sum(nil))
	return m
}

// appendSpooled writes an id as an element of a row: a text as a string, what is
// no text as it is, and a text that was cut as an array of it. A text that is too
// long to be remembered is cut, or trimmed when it is an id with much around it.
func appendSpooled(b []byte, ref directory.UserRef, valid bool) []byte {
	text := ref.Text
	switch {
	case valid && len(text) > maxRefusedText:
		text = strings.TrimSpace(text)
	case len(text) > maxRefusedText:
		b = append(b, '[')
		b, _ = jsontext.AppendQuote(b, cutText(text))
		return append(b, ']')
	case ref.NotText:
		return append(b, text...)
	}
	b, _ = jsontext.AppendQuote(b, text) // the door took valid UTF-8 alone
	return b
}

// endRow makes a row of the ids of a list that wait for one.
func (s *Spool) endRow(list *spoolList) {
	if list.ids == 0 {
		return
	}
	s.rows = append(s.rows, store.SpoolRow{Seq: list.next, IDs: string(append(list.row, ']'))})
	list.next++
	list.row, list.ids = list.row[:0], 0
}

// flush writes the rows that wait.
func (s *Spool) flush(ctx context.Context) (err error) {
	if len(s.rows) == 0 {
		return nil
	}
	if s.id == 0 {
		if s.id, err = s.roster.store.BeginSpool(ctx, s.caller.Account, maxJobs); err != nil {
			return err
		}
	}
	err = s.roster.store.Spool(ctx, s.caller.Account, s.id, s.rows)
	s.rows, s.bytes = s.rows[:0], 0
	return err
}

// Queue makes a removal of the list, which has arrived as a whole, and returns
// what can be read of it then. From here on it will be done, whatever becomes of
// this process. With a key the call can be repeated: it returns the removal that
// it made the first time, as that was then, and makes no other. An empty list is
// an error that wraps directory.ErrInvalid; others are as for Add. A failing
// commit (directory.ErrUnavailable) leaves open whether the removal is there.
func (s *Spool) Queue(ctx context.Context, requestID string, key directory.RepeatKey) (removal directory.RemovalRecord, repeated bool, err error) {
	out := directory.Removal{PublicID: directory.NewRemovalID(), Labels: s.labels}
	for i := range s.lists {
		s.endRow(&s.lists[i])
		out.Requested += s.lists[i].all
	}
	if out.Requested == 0 {
		return removal, false, directory.Errorf(directory.ErrInvalid, "the removal names nobody")
	}
	if err := s.flush(ctx); err != nil {
		return removal, false, err
	}
	details, err := json.Marshal(removalDetails{Subject: s.caller.Actor.Label, RequestID: requestID, Requested: out.Requested})
	if err != nil {
		return removal, false, err
	}
	var created time.Time
	mixed := s.lists[directory.ByEmail].all > 0 && s.lists[directory.ByOrgUserID].all > 0
	change := store.Change{Account: s.caller.Account, Actor: s.caller.Actor}
	earlier, err := s.roster.writeOnce(ctx, s.caller, key, change, func(tx *store.Tx) error {
		created = tx.QueueRemoval(s.id, out, mixed, s.roster.window)
		tx.RecordDetails(details)
		return nil
	}, func() outcome { return outcome{Removal: out.PublicID, Requested: out.Requested} })
	if err != nil {
		return removal, false, fmt.Errorf("queue a removal: %w", err)
	}
	if earlier != nil {
		first, err := s.roster.Removal(ctx, s.caller, "", earlier.Removal)
		return queued(earlier.Removal, earlier.Requested, first.Created), true, err
	}
	s.done = true
	s.roster.wakeWorkers()
	return queued(out.PublicID, out.Requested, created), false, nil
}

// queued is a removal of which nothing was done yet.
func queued(id string, requested int, created time.Time) directory.RemovalRecord {
	return directory.RemovalRecord{PublicID: id, Requested: requested, State: directory.RemovalQueued, Created: created}
}

// Drop gives up a list that was not queued, so that nothing of it stays. After
// Queue it does nothing. Should it fail, SweepSpools finds the list.
func (s *Spool) Drop(ctx context.Context) error {
	if s.done || s.id == 0 {
		return nil
	}
	return s.roster.store.DropSpool(ctx, s.caller.Account, s.id)
}

// spoolTimeout is how long a list may have been without a new row to be taken
// for given up. A body arrives within minutes.
const spoolTimeout = 15 * time.Minute

// SweepSpools erases what is left of lists that nobody will work on, because
// their job is over or their server died while they arrived. Only the operator
// may.
func (r *Roster) SweepSpools(ctx context.Context, caller auth.Caller) error {
	if err := caller.RequireOperator(); err != nil {
		return err
	}
	return r.store.SweepSpools(ctx, r.store.Now().Add(-spoolTimeout))
}

// readSpooled reads a row of a list.
func readSpooled(row store.SpoolRow) ([]directory.UserRef, error) {
	kind := directory.ByEmail
	if row.Seq >= firstOrgID {
		kind = directory.ByOrgUserID
	}
	d := jsontext.NewDecoder(strings.NewReader(row.IDs))
	refs := make([]directory.UserRef, 0, spoolRow)
	if _, err := d.ReadToken(); err != nil {
		return nil, fmt.Errorf("read the list of a job: %w", err)
	}
	for d.PeekKind() != ']' {
		value, err := d.ReadValue()
		if err != nil {
			return nil, fmt.Errorf("read the list of a job: %w", err)
		}
		ref := directory.UserRef{Kind: kind, Text: string(value)}
		switch value.Kind() {
		case '"':
			err = unquote(&ref.Text, value)
		case '[':
			ref.Cut = true
			err = unquote(&ref.Text, value[1:len(value)-1])
		default:
			ref.NotText = true
		}
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

func unquote(into *string, quoted []byte) error {
	text, err := jsontext.AppendUnquote(nil, quoted)
	*into = string(text)
	return err
}
