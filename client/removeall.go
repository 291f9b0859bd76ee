package client

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"iter"
	"slices"
	"strings"
	"time"
)

// DefaultBatch is how many users RemoveAll puts into a call unless told otherwise:
// enough for the cost of a call not to matter.
const DefaultBatch = 10_000

// keyLife is how long after a call its key is trusted: somewhat less than the day
// for which hosts keep it.
const keyLife = 23 * time.Hour

// RemoveAllOptions say how RemoveAll works. The zero value is right for a list that
// is removed at one go.
type RemoveAllOptions struct {
	// OrgUserIDs says that the ids are the organisation's own, not addresses.
	OrgUserIDs bool
	// BatchSize is how many users go into a call; 0 for DefaultBatch.
	BatchSize int
	// CallsPerMinute bounds the calls within any minute; 0 for as many as the host
	// lets through.
	CallsPerMinute int
	// Settle makes a call whose outcome is unknown again also where the host is not
	// known to keep keys. Nobody is removed who should not be; but of users whom the
	// host then does not find nobody can tell whether the lost call removed them or
	// they were not there before: see Batch.Unclear. Without it RemoveAll ends there.
	Settle bool
	// Run names the run: the same list under the same name has the same keys, in
	// another process, too, so that nothing is done twice. Empty for a random name,
	// which no other process can go on with.
	Run string
	// From is where to go on: the Mark of an earlier run of that name over the same
	// list with the same BatchSize.
	From Mark
	// Before, unless nil, is called before a batch is sent: to write down that it may
	// have been, with Batch.Mark. An error of it ends RemoveAll before the call.
	Before func(*Batch) error
}

// Mark is a place in a list that RemoveAll works on.
type Mark struct {
	// Batches and Users count those that are dealt with.
	Batches int `json:"batches"`
	Users   int `json:"users"`
	// Digest tells that the list up to there is the same.
	Digest string `json:"digest,omitempty"`
	// BegunAt is when the batch behind it was sent for the first time, whose outcome is
	// unknown; zero where it was not.
	BegunAt time.Time `json:"begunAt,omitzero"`
}

// Batch is what goes into a call of RemoveAll, and what came of it. Each of its
// users is in one of the lists, unless the call failed, and then in none.
type Batch struct {
	// Number counts from 0, over all runs.
	Number int
	// IDs are its users, in the order of the list.
	IDs []string
	// Key is its idempotency key.
	Key string
	// Mark is the place in the list: before the call, and after an error, the one at
	// which this batch begins, and after a call the one behind it.
	Mark Mark

	// Removed are the users who went.
	Removed []string
	// Failed are those who did not, with the reason, and named as in IDs.
	Failed []FailedUser
	// Unclear are users whom the host did not find when a call was made again whose
	// first answer was lost: they are no members now, and whether that call removed
	// them is not known. Or the host's answer cannot be understood.
	Unclear []FailedUser
	// RemovalID is the id by which the removal can be undone, where the host gives one.
	RemovalID string
}

// ErrOtherList is a list that is not the one of the Mark to go on from.
var ErrOtherList = errors.New("the list is not the one that was begun")

// RemoveAll removes the users of a list, however long, from the app's account: in
// calls of BatchSize, one after the other, in the order of the list, within
// CallsPerMinute. Each call is made again as Retry says. A user should be in the
// list once: a second mention in a later call is reported as not found.
//
// It yields each batch when it is dealt with, and does not go on before the loop
// does: what the loop writes down about a batch stands there before the next call
// is made. An error comes with the batch that failed and is the last that is
// yielded; MayHaveActed says whether its call may have been done.
//
// To survive a crash, set Run, write down the Mark in Before and in the loop, and
// begin again with the last one as From.
func (c *Client) RemoveAll(ctx context.Context, ids iter.Seq[string], o RemoveAllOptions) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		r, err := c.newRemoveAll(o)
		if err != nil {
			yield(&Batch{Mark: o.From}, err)
			return
		}
		var batch []string
		for id := range ids {
			if r.other {
				break
			}
			if !r.reached(id) {
				continue
			}
			if batch = append(batch, id); len(batch) < r.o.BatchSize {
				continue
			}
			if !r.remove(ctx, batch, yield) {
				return
			}
			batch = nil
		}
		switch {
		case r.skipped < r.o.From.Users || r.other:
			yield(&Batch{Mark: o.From}, ErrOtherList)
		case len(batch) > 0:
			r.remove(ctx, batch, yield)
		}
	}
}

// removeAll is a run of RemoveAll.
type removeAll struct {
	c    *Client
	o    RemoveAllOptions
	pace *pacer

	mark    Mark
	digest  hash.Hash // of the users up to mark
	skipped int       // users before From
	other   bool      // they are not those of From
}

func (c *Client) newRemoveAll(o RemoveAllOptions) (*removeAll, error) {
	if o.BatchSize < 0 || o.CallsPerMinute < 0 || o.From.Batches < 0 || o.From.Users < 0 {
		return nil, errors.New("the numbers of RemoveAll may not be negative")
	}
	if o.BatchSize == 0 {
		o.BatchSize = DefaultBatch
	}
	if o.Run == "" {
		if o.From != (Mark{}) {
			return nil, errors.New("to go on from a mark takes the name of the run")
		}
		o.Run = rand.Text()
	}
	return &removeAll{c: c, o: o, pace: newPacer(o.CallsPerMinute), mark: o.From, digest: sha256.New()}, nil
}

// reached says whether the place to begin from is reached, and counts the users
// before it.
func (r *removeAll) reached(id string) bool {
	if r.skipped == r.o.From.Users {
		return true
	}
	writeText(r.digest, id)
	r.skipped++
	if r.skipped == r.o.From.Users {
		r.other = r.digestText() != r.o.From.Digest
	}
	return false
}

func (r *removeAll) digestText() string { return hex.EncodeToString(r.digest.Sum(nil)) }

// remove deals with a batch and yields it. It returns whether to go on.
func (r *removeAll) remove(ctx context.Context, ids []string, yield func(*Batch, error) bool) bool {
	b := &Batch{Number: r.mark.Batches, IDs: ids, Key: r.key(ids), Mark: r.mark}
	lost := !b.Mark.BegunAt.IsZero() // an earlier run may have sent it
	if !lost {
		b.Mark.BegunAt = r.c.now().UTC()
	}
	if err := ctx.Err(); err != nil {
		b.Mark = r.mark
		yield(b, err)
		return false
	}
	if r.o.Before != nil {
		if err := r.o.Before(b); err != nil {
			b.Mark = r.mark
			yield(b, err)
			return false
		}
	}
	req := RemoveUsersRequest{EmailIDs: ids, IdempotencyKey: b.Key}
	if r.o.OrgUserIDs {
		req.EmailIDs, req.OrgUserIDs = nil, ids
	}
	rq := removal(req)
	rq.pace, rq.repeat = r.pace, r.o.Settle || r.c.keepsKeys.Load()
	out, repeated, err := r.c.removeUsers(ctx, rq)
	if err != nil {
		if !lost && !MayHaveActed(err) {
			b.Mark = r.mark
		}
		yield(b, err)
		return false
	}
	// Who names the removal keeps keys, so this is the first answer to the call.
	exact := out.RemovalID != "" && r.c.now().Sub(b.Mark.BegunAt) < keyLife
	b.settle(out, r.o.OrgUserIDs, (lost || repeated) && !exact)
	for _, id := range ids {
		writeText(r.digest, id)
	}
	r.mark = Mark{Batches: r.mark.Batches + 1, Users: r.mark.Users + len(ids), Digest: r.digestText()}
	b.Mark = r.mark
	return yield(b, nil)
}

// key is the idempotency key of a batch: another for another run, another place
// and other users.
func (r *removeAll) key(ids []string) string {
	h := sha256.New()
	writeText(h, "roster RemoveAll")
	writeText(h, r.o.Run)
	binary.Write(h, binary.BigEndian, uint64(r.mark.Batches)) //nolint:errcheck // a hash takes all
	binary.Write(h, binary.BigEndian, r.o.OrgUserIDs)         //nolint:errcheck // as above
	for _, id := range ids {
		writeText(h, id)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// writeText adds a text to a hash, with its length before it.
func writeText(h hash.Hash, text string) {
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
	h.Write([]byte(text))
}

// settle sorts the users of a batch by the answer. unclear says that those who were
// not found may have been removed by a call before.
func (b *Batch) settle(out *RemoveUsersResult, orgIDs, unclear bool) {
	b.RemovalID = out.RemovalID
	places := make(map[string]int, len(b.IDs))
	for i, id := range b.IDs {
		places[foldID(id, orgIDs)] = i
	}
	strangers := false
	named := make([]bool, len(b.IDs))
	for _, f := range out.Failed {
		id := f.EmailID
		if orgIDs && f.OrgUserID != "" {
			id = f.OrgUserID
		}
		if i, ok := places[foldID(id, orgIDs)]; !ok {
			strangers = true
		} else if named[i] = true; orgIDs {
			f.OrgUserID = b.IDs[i]
		} else {
			f.EmailID = b.IDs[i]
		}
		if unclear && f.Reason.notFound() {
			b.Unclear = append(b.Unclear, f)
		} else {
			b.Failed = append(b.Failed, f)
		}
	}
	for i, id := range b.IDs {
		switch {
		case named[i]:
		case strangers:
			b.Unclear = append(b.Unclear, unclearUser(id, orgIDs))
		default:
			b.Removed = append(b.Removed, id)
		}
	}
}

// unclearUser is one of whom nobody can tell, since the host names others as failed
// than those whom it was asked to remove.
func unclearUser(id string, orgIDs bool) FailedUser {
	f := FailedUser{EmailID: id, Reason: Reason{Message: "the host's answer names others than it was asked to remove"}}
	if orgIDs {
		f.EmailID, f.OrgUserID = "", id
	}
	return f
}

// foldID is an id in the form in which an answer is compared with the request: a
// host may have trimmed it, or written an address in lower case.
func foldID(id string, orgIDs bool) string {
	id = strings.TrimSpace(id)
	if orgIDs {
		return id
	}
	return strings.ToLower(id)
}

// notFound says whether the user is not there. Hosts that give no codes say so in
// words of their own.
func (r *Reason) notFound() bool {
	if r.Code != "" {
		return r.Code == "USER_NOT_FOUND"
	}
	text := strings.ToLower(r.Message)
	return slices.ContainsFunc([]string{"not found", "not exist", "n't exist", "no such user", "unknown user"},
		func(words string) bool { return strings.Contains(text, words) })
}

// String names a batch in errors and logs.
func (b *Batch) String() string { return fmt.Sprintf("batch %d of %d users", b.Number, len(b.IDs)) }
