package roster

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
)

// Bounds of what calls leave behind for the operator.
const (
	// maxNotes is how many rows of each kind wait in memory to be written. What
	// is new beyond them is forgotten, but for the counts by reason.
	maxNotes = 10_000
	// noteBatch is how many of them one transaction writes: on SQLite a removal
	// waits for its turn behind it.
	noteBatch = 500
	// useEvery is how long after it was written down a key's last use is
	// written down again.
	useEvery = time.Minute
)

// notes collects in memory which tokens were refused and which keys were used.
// A call only adds to it; FlushNotes writes it to the database.
type notes struct {
	reasons       map[auth.Reason]*atomic.Int64 // never changed once made
	usersRemoved  atomic.Int64
	usersRefused  atomic.Int64
	usersRestored atomic.Int64

	mu       sync.Mutex
	refusals map[refusalKey]directory.AppRefusals
	uses     map[directory.AppKeyID]keyUse

	flushing sync.Mutex // held while notes are written
}

type refusalKey struct {
	app    directory.AppID
	reason string
}

// keyUse is the last use of a key, and the one that was written down.
type keyUse struct {
	directory.KeyUse
	written time.Time
}

func newNotes() *notes {
	n := &notes{
		reasons:  make(map[auth.Reason]*atomic.Int64),
		refusals: make(map[refusalKey]directory.AppRefusals),
		uses:     make(map[directory.AppKeyID]keyUse),
	}
	for _, reason := range auth.Reasons() {
		n.reasons[reason] = new(atomic.Int64)
	}
	return n
}

// NoteRefusal counts a refused token by its reason and, where the app is known,
// keeps it for the app's administrators. A door calls it once for each call that
// it refuses because of its token.
func (r *Roster) NoteRefusal(refusal *auth.Refusal, requestID string) {
	n := r.notes
	n.reasons[refusal.Reason].Add(1)
	if refusal.App.ID == 0 {
		return
	}
	n.addRefusals(directory.AppRefusals{
		App: refusal.App.ID, Reason: string(refusal.Reason), Count: 1, Last: r.store.Now(), RequestID: requestID,
	})
}

// addRefusals adds to what waits to be written.
func (n *notes) addRefusals(more directory.AppRefusals) {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := refusalKey{more.App, more.Reason}
	waiting, ok := n.refusals[key]
	if !ok && len(n.refusals) >= maxNotes {
		return
	}
	if waiting.Last.After(more.Last) {
		more.Last, more.RequestID = waiting.Last, waiting.RequestID
	}
	more.Count += waiting.Count
	n.refusals[key] = more
}

// used notes that a token was verified with a key.
func (n *notes) used(app directory.AppID, key directory.AppKeyID, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	use, ok := n.uses[key]
	if !ok && len(n.uses) >= maxNotes {
		return
	}
	use.KeyUse = directory.KeyUse{App: app, Key: key, At: now}
	n.uses[key] = use
}

// Counts are of what this process has done since it opened the directory.
type Counts struct {
	RefusedTokens map[auth.Reason]int64 // all reasons that there are
	UsersRemoved  int64
	UsersRefused  int64 // they were named in a removal and stayed
	UsersRestored int64
	// JobsOpen is how many jobs were not over when this process looked last,
	// JobChunks how many chunks it has done, and JobsEnded how many jobs it has
	// ended, by how.
	JobsOpen  int64
	JobChunks int64
	JobsEnded map[directory.RemovalState]int64
}

// Counts returns the counts at this moment.
func (r *Roster) Counts() Counts {
	n := r.notes
	counts := Counts{
		RefusedTokens: make(map[auth.Reason]int64, len(n.reasons)),
		UsersRemoved:  n.usersRemoved.Load(),
		UsersRefused:  n.usersRefused.Load(),
		UsersRestored: n.usersRestored.Load(),
		JobsOpen:      r.jobs.open.Load(),
		JobChunks:     r.jobs.chunks.Load(),
		JobsEnded:     make(map[directory.RemovalState]int64, len(r.jobs.ended)),
	}
	for state, count := range r.jobs.ended {
		counts.JobsEnded[state] = count.Load()
	}
	for reason, count := range n.reasons {
		counts.RefusedTokens[reason] = count.Load()
	}
	return counts
}

// FlushNotes writes what calls have left behind: why tokens of known apps were
// refused, and when keys were last used, of which each is written once a minute
// unless all are wanted. What it cannot write waits for the next time; after a
// failure of the commit itself some refusals may be counted twice.
func (r *Roster) FlushNotes(ctx context.Context, all bool) error {
	n := r.notes
	n.flushing.Lock()
	defer n.flushing.Unlock()
	refusals, uses := n.take(r.store.Now(), all)
	for len(refusals)+len(uses) > 0 {
		some, someUses := refusals[:min(noteBatch, len(refusals))], uses[:min(noteBatch, len(uses))]
		if err := r.store.WriteNotes(ctx, some, someUses); err != nil {
			for _, refusal := range refusals {
				n.addRefusals(refusal)
			}
			return err // the uses still count as not written
		}
		n.wrote(someUses)
		refusals, uses = refusals[len(some):], uses[len(someUses):]
	}
	return nil
}

// take hands out what is due, in an order that all servers share. It forgets keys
// that have not been used for a while.
func (n *notes) take(now time.Time, all bool) ([]directory.AppRefusals, []directory.KeyUse) {
	n.mu.Lock()
	defer n.mu.Unlock()
	refusals := slices.SortedFunc(maps.Values(n.refusals), func(a, b directory.AppRefusals) int {
		return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Reason, b.Reason))
	})
	clear(n.refusals)
	var uses []directory.KeyUse
	for key, use := range n.uses {
		due := all || now.Sub(use.written) >= useEvery
		switch unwritten := use.At.After(use.written); {
		case unwritten && due:
			uses = append(uses, use.KeyUse)
		case !unwritten && due:
			delete(n.uses, key)
		}
	}
	slices.SortFunc(uses, func(a, b directory.KeyUse) int {
		return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Key, b.Key))
	})
	return refusals, uses
}

// wrote remembers which uses are in the database.
func (n *notes) wrote(uses []directory.KeyUse) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, written := range uses {
		use := n.uses[written.Key]
		use.written = written.At
		n.uses[written.Key] = use
	}
}
