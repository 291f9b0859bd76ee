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
	Removal   string                 `json:"removal,omitempty"` // public id
	Requested int                    `json:"requested,omitempty"`
	Done      int                    `json:"done"` // removed or restored
	Refused   []keptRun              `json:"refused,omitempty"`
	Lost      []directory.LostObject `json:"lost,omitempty"`
}

// keptRun are refusals for one reason of ids that follow each other in the
// request, or a single one about which there is more to say.
type keptRun struct {
	Ref    int              `json:"ref"` // the first
	Count  int              `json:"count"`
	Reason directory.Reason `json:"reason"`
	Email  string           `json:"email,omitempty"`
	Bots   []keptBot        `json:"bots,omitempty"`
}

type keptBot struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// writeOnce runs write in one transaction, which leaves its outcome to keep. With
// a key it does so once: of a call that was made before it returns the earlier
// outcome, and nil otherwise. Only an app has keys.
func (r *Roster) writeOnce(ctx context.Context, caller auth.Caller, key directory.RepeatKey, change store.Change,
	write func(*store.Tx) error, keep func() outcome,
) (earlier *outcome, err error) {
	if key.IsZero() {
		return nil, r.store.Write(ctx, change, write)
	}
	app := caller.App().ID
	if app == 0 {
		return nil, directory.Errorf(directory.ErrInvalid, "only a call of an app can have an idempotency key")
	}
	kept, repeated, err := r.store.WriteOnce(ctx, change, app, key, func(tx *store.Tx) ([]byte, error) {
		if err := write(tx); err != nil {
			return nil, err
		}
		return json.Marshal(keep())
	})
	if err != nil || !repeated {
		return nil, err
	}
	earlier = &outcome{}
	if err := json.Unmarshal(kept, earlier); err != nil {
		return nil, fmt.Errorf("read the outcome of an earlier call: %w", err)
	}
	return earlier, nil
}

// keepRuns makes what is kept of refusals. An address is told beside an org id
// alone, or where the request names nobody; see Restoration.Refs.
func keepRuns(refs []directory.UserRef, named bool, refused []directory.Refusal) []keptRun {
	var runs []keptRun
	for _, refusal := range refused {
		run := keptRun{Ref: refusal.Ref, Count: 1, Reason: refusal.Reason}
		if !named || refs[refusal.Ref].Kind == directory.ByOrgUserID {
			run.Email = refusal.Email
		}
		for _, bot := range refusal.Bots {
			run.Bots = append(run.Bots, keptBot{bot.PublicID, bot.Name})
		}
		if last := len(runs) - 1; last >= 0 && runs[last].precedes(&run) {
			runs[last].Count++
			continue
		}
		runs = append(runs, run)
	}
	return runs
}

// precedes says whether next can be counted with the run.
func (run *keptRun) precedes(next *keptRun) bool {
	plain := run.Email == "" && next.Email == "" && run.Bots == nil && next.Bots == nil
	return plain && run.Reason == next.Reason && run.Ref+run.Count == next.Ref
}

// refusals are those that keepRuns was given, as far as an answer shows them.
func (o *outcome) refusals() []directory.Refusal {
	var refused []directory.Refusal
	for _, run := range o.Refused {
		var bots []directory.Bot
		for _, bot := range run.Bots {
			bots = append(bots, directory.Bot{PublicID: bot.ID, Name: bot.Name})
		}
		refused = slices.Grow(refused, run.Count)
		for i := range run.Count {
			refused = append(refused, directory.Refusal{Ref: run.Ref + i, Reason: run.Reason, Email: run.Email, Bots: bots})
		}
	}
	return refused
}

// keepRemoval is what is kept of a removal that may be repeated.
func keepRemoval(refs []directory.UserRef, out *directory.Removal) outcome {
	return outcome{
		Removal: out.PublicID, Requested: out.Requested, Done: out.Removed,
		Refused: keepRuns(refs, true, out.Refused),
	}
}

func (o *outcome) removal() directory.Removal {
	return directory.Removal{
		PublicID: o.Removal, Requested: o.Requested, Removed: o.Done, Refused: o.refusals(), Repeated: true,
	}
}

// keepRestoration is what is kept of a restoration that may be repeated. named
// says that the request names users.
func keepRestoration(named bool, out *directory.Restoration) outcome {
	return outcome{Done: out.Restored, Refused: keepRuns(out.Refs, named, out.Refused), Lost: out.Lost}
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
