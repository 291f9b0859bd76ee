package roster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// outcome is what is kept of a call that may be repeated: what its answer says
// beyond the request itself, which comes again. For a hundred thousand strangers
// that is a line, not the 27 MB of the answer.
type outcome struct {
	Removal   string `json:"removal,omitempty"` // public id
	Requested int    `json:"requested,omitempty"`
	Done      int    `json:"done"` // removed or restored
	// Refused has for each reason the places in the request of those who were
	// refused for it, as runs: how many places are skipped since the run before,
	// then how many follow each other. A list of which every second id is refused
	// takes four bytes for each.
	Refused map[directory.Reason][]int `json:"refused,omitempty"`
	Told    []keptDetail               `json:"told,omitempty"`
	Lost    []directory.LostObject     `json:"lost,omitempty"`
}

// keptDetail is what the answer tells of one refusal beyond its reason.
type keptDetail struct {
	Ref   int       `json:"ref"`
	Email string    `json:"email,omitempty"`
	Bots  []keptBot `json:"bots,omitempty"`
}

type keptBot struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// writeOnce runs write in one transaction, which leaves its outcome to keep. With
// a key it does so once: of a call that was made before it returns the earlier
// outcome, and nil otherwise. Keys are those of an app, or of a person.
func (r *Roster) writeOnce(ctx context.Context, caller auth.Caller, key directory.RepeatKey, change store.Change,
	write func(*store.Tx) error, keep func() outcome,
) (earlier *outcome, err error) {
	if key.IsZero() {
		return nil, r.store.Write(ctx, change, write)
	}
	holder := keyHolder(caller)
	if holder == 0 {
		return nil, directory.Errorf(directory.ErrInvalid, "only a call of an app or a person can have an idempotency key")
	}
	kept, repeated, err := r.store.WriteOnce(ctx, change, holder, key, func(tx *store.Tx) ([]byte, error) {
		if err := write(tx); err != nil {
			return nil, err
		}
		return json.Marshal(keep())
	})
	if err != nil || !repeated {
		return nil, err
	}
	return readOutcome(kept)
}

// keyHolder is whose the idempotency keys of a caller are, 0 for nobody's. Persons'
// ids are no apps': all ids are of one sequence.
func keyHolder(caller auth.Caller) directory.AppID {
	if caller.Actor.Kind == directory.ActorPerson {
		return directory.AppID(caller.Actor.ID)
	}
	return caller.App().ID
}

// earlier returns the outcome of a call with the key that was made before, and
// nil when there was none. A verb of several transactions asks for it first; the
// last of them is writeOnce.
func (r *Roster) earlier(ctx context.Context, caller auth.Caller, key directory.RepeatKey) (*outcome, error) {
	if key.IsZero() {
		return nil, nil
	}
	kept, err := r.store.Outcome(ctx, keyHolder(caller), key, r.store.Now())
	if err != nil || kept == nil {
		return nil, err
	}
	return readOutcome(kept)
}

// EarlierRemoval returns the public id of the removal that the caller made with the
// key, or "" when there is none.
func (r *Roster) EarlierRemoval(ctx context.Context, caller auth.Caller, key directory.RepeatKey) (string, error) {
	o, err := r.earlier(ctx, caller, key)
	if err != nil || o == nil {
		return "", err
	}
	return o.Removal, nil
}

func readOutcome(kept []byte) (*outcome, error) {
	o := &outcome{}
	if err := json.Unmarshal(kept, o); err != nil {
		return nil, fmt.Errorf("read the outcome of an earlier call: %w", err)
	}
	return o, nil
}

// keepRefused keeps refusals, which come in the order of their places. An address
// is told beside an org id alone, or where the request names nobody; see
// Restoration.Refs.
func (o *outcome) keepRefused(refs []directory.UserRef, named bool, refused []directory.Refusal) {
	o.Refused = make(map[directory.Reason][]int)
	ends := make(map[directory.Reason]int) // of the last runs
	for _, refusal := range refused {
		runs, end := o.Refused[refusal.Reason], ends[refusal.Reason]
		if len(runs) > 0 && refusal.Ref == end {
			runs[len(runs)-1]++
		} else {
			o.Refused[refusal.Reason] = append(runs, refusal.Ref-end, 1)
		}
		ends[refusal.Reason] = refusal.Ref + 1

		detail := keptDetail{Ref: refusal.Ref}
		if !named || refs[refusal.Ref].Kind == directory.ByOrgUserID {
			detail.Email = refusal.Email
		}
		for _, bot := range refusal.Bots {
			detail.Bots = append(detail.Bots, keptBot{bot.PublicID, bot.Name})
		}
		if detail.Email != "" || detail.Bots != nil {
			o.Told = append(o.Told, detail)
		}
	}
}

// refusals are those that keepRefused was given, as far as an answer shows them.
func (o *outcome) refusals() []directory.Refusal {
	var refused []directory.Refusal
	for reason, runs := range o.Refused {
		place := 0
		for run := range slices.Chunk(runs, 2) {
			place += run[0]
			for range run[1] {
				refused = append(refused, directory.Refusal{Ref: place, Reason: reason})
				place++
			}
		}
	}
	slices.SortFunc(refused, func(a, b directory.Refusal) int { return a.Ref - b.Ref })
	at := 0
	for _, detail := range o.Told {
		for refused[at].Ref != detail.Ref {
			at++
		}
		refused[at].Email = detail.Email
		for _, bot := range detail.Bots {
			refused[at].Bots = append(refused[at].Bots, directory.Bot{PublicID: bot.ID, Name: bot.Name})
		}
	}
	return refused
}

// keepRemoval is what is kept of a removal that may be repeated.
func keepRemoval(refs []directory.UserRef, out *directory.Removal) outcome {
	o := outcome{Removal: out.PublicID, Requested: out.Requested, Done: out.Removed}
	o.keepRefused(refs, true, out.Refused)
	return o
}

func (o *outcome) removal() directory.Removal {
	return directory.Removal{
		PublicID: o.Removal, Requested: o.Requested, Removed: o.Done, Refused: o.refusals(), Repeated: true,
	}
}

// keepRestoration is what is kept of a restoration that may be repeated. named
// says that the request names users.
func keepRestoration(named bool, out *directory.Restoration) outcome {
	o := outcome{Done: out.Restored, Lost: out.Lost}
	o.keepRefused(out.Refs, named, out.Refused)
	return o
}

// restoration takes the users whom the request names, nil for a whole removal.
func (o *outcome) restoration(refs []directory.UserRef) directory.Restoration {
	out := directory.Restoration{Restored: o.Done, Refs: refs, Refused: o.refusals(), Lost: o.Lost, Repeated: true}
	if refs == nil {
		for _, refusal := range out.Refused {
			out.Refs = append(out.Refs, directory.UserRef{Text: refusal.Email})
		}
	}
	return out
}
