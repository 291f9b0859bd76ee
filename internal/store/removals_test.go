package store_test

import (
	"context"
	"testing"

	"roster/internal/directory"
	"roster/internal/store"
	"roster/internal/storetest"
)

// The details of a removal are those of its own batch, also when other batches
// belong to it whose ids are lower, since another process took its ids first.
func TestDetailsAreOfTheRemovalsOwnBatch(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := newFixture(t, dsn)
		f.members("a@x.example")
		f.remove(`{"its":"own"}`, "a@x.example")
		ctx := context.Background()
		page, err := f.store.Removals(ctx, f.account, directory.Page{Limit: 1})
		must(t, err)
		removal := page.Removals[0]
		for _, change := range []string{
			"INSERT INTO audit_details (account_id, batch_id, salt, body) SELECT account_id, 0, salt, 'later' FROM audit_details WHERE body LIKE '%own%'",
			"INSERT INTO audit_chain (account_id, number, batch_id, created_at, actor_kind, actor_id, removal_id, records, digest, hash) " +
				"SELECT account_id, number + 1, 0, created_at, actor_kind, actor_id, removal_id, records, digest, hash FROM audit_chain WHERE removal_id > 0",
		} {
			storetest.Exec(t, dsn, change)
		}
		found, details, err := f.store.Removal(ctx, f.account, removal.PublicID)
		must(t, err)
		if found.ID != removal.ID || details != `{"its":"own"}` {
			t.Errorf("removal %d has the details %q, not those of %d", found.ID, details, removal.ID)
		}
	})
}

// A page behind the end of the list is empty, and costs no more than counting.
func TestPagesBehindTheEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		var asked []string
		f := newFixture(t, dsn)
		s := storetest.Open(t, dsn, store.Options{Trace: func(query string) { asked = append(asked, query) }})
		f.members("a@x.example", "b@x.example")
		f.remove("", "a@x.example")
		f.remove("", "b@x.example")
		for _, c := range []struct {
			page             directory.Page
			items, statement int
			more             bool
		}{
			{directory.Page{Limit: 2}, 2, 2, false},
			{directory.Page{Limit: 1}, 1, 2, true},
			{directory.Page{Limit: 1, Offset: 1}, 1, 2, false},
			{directory.Page{Limit: 1, Offset: 2}, 0, 1, false},
			{directory.Page{Limit: 3, Offset: 1 << 62}, 0, 1, false},
		} {
			asked = nil
			got, err := s.Removals(context.Background(), f.account, c.page)
			must(t, err)
			if got.Total != 2 || got.More != c.more || len(got.Removals) != c.items || len(asked) != c.statement {
				t.Errorf("%v: %d of %d, more: %v, after %d statements", c.page, len(got.Removals), got.Total, got.More, len(asked))
			}
		}
	})
}
