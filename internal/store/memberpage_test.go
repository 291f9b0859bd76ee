package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"roster/internal/directory"
	"roster/internal/store"
	"roster/internal/storetest"
)

// Pages of users have the live members in the order of creation, from whichever end what
// they skip is counted.
func TestPagesOfUsersAreThoseOfAllMembers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		var now atomic.Int64
		now.Store(1_900_000_000_000_000)
		s := storetest.Open(t, dsn, store.Options{Clock: func() time.Time { return time.UnixMicro(now.Load()) }})
		f := &fixture{TB: t, dsn: dsn, store: s}
		f.another("x")
		for i := range 12 {
			now.Add(1_000_000 * int64(i%3-1)) // also in one moment, and earlier
			f.members(fmt.Sprintf("a%d@x.example", i), fmt.Sprintf("b%d@x.example", i), fmt.Sprintf("c%d@x.example", i))
		}
		for i := range 12 {
			if i%4 > 0 {
				f.remove("", fmt.Sprintf("b%d@x.example", i))
			}
		}
		f.remove("", "a0@x.example", "c11@x.example", "a5@x.example", "c5@x.example")
		var all []directory.MemberID
		rows, err := storetest.SQL(t, dsn).Query(`SELECT m.id FROM members m JOIN member_profiles f ON f.account_id = m.account_id AND f.member_id = m.id
WHERE m.account_id = $1 AND m.removal_id IS NULL ORDER BY f.created_at, m.id`, f.account)
		must(t, err)
		defer rows.Close()
		for rows.Next() {
			var id directory.MemberID
			must(t, rows.Scan(&id))
			all = append(all, id)
		}
		must(t, rows.Err())
		for _, near := range []int{0, 4, 1000} {
			s.SetNear(near)
			for _, limit := range []int{1, 4, 50} {
				for offset := range len(all)/limit + 2 {
					page := directory.Page{Limit: limit, Offset: offset}
					list, err := s.UserRoles(context.Background(), f.account, page)
					must(t, err)
					var got []directory.MemberID
					for i := range list.Items {
						got = append(got, list.Items[i].ID)
					}
					from := min(page.Skip(), len(all))
					want := all[from:min(from+limit, len(all))]
					if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || list.Total != len(all) || list.More != page.More(len(all)) {
						t.Errorf("near %d, %+v: %d users, more: %v (-want +got):\n%s", near, page, list.Total, list.More, diff)
					}
				}
			}
		}
	})
}

// Pages of lists read few rows on PostgreSQL, which weighs its plans by what it knows of
// a table, and here knows of one group with all members and a tenth of these removed.
// TestHotStatementsFindTheirRowsByIndex looks at the plans of both engines.
func TestPagesOfListsReadFewRows(t *testing.T) {
	t.Parallel()
	const members, limit = 10_000, 50
	dsn := storetest.New(t, "postgres")
	f := newFixture(t, dsn)
	fillForPlans(t, dsn, f.account, members)
	for _, query := range []string{
		"DELETE FROM group_members",
		"INSERT INTO group_members (account_id, group_id, member_id) SELECT account_id, 1009999, id FROM members WHERE id >= 1000000",
		"UPDATE members SET removal_id = 7 WHERE id >= 1000100 AND id % 10 = 0",
		"DELETE FROM group_groups", "DELETE FROM group_roles", "DELETE FROM member_roles",
		"UPDATE audit_heads SET users = (SELECT COUNT(*) FROM live_members m WHERE m.account_id = audit_heads.account_id)",
		"ANALYZE",
	} {
		storetest.Exec(t, dsn, query)
	}
	storetest.Exec(t, dsn, "SELECT pg_stat_force_next_flush()")
	must(t, f.store.Close())
	ctx := context.Background()
	for name, c := range map[string]struct {
		table string
		read  func(s *store.Store) error
		most  int64
	}{
		"users": {"members", func(s *store.Store) error {
			_, err := s.UserRoles(ctx, f.account, directory.Page{Limit: limit})
			return err
		}, 6 * limit},
		"groups": {"group_members", func(s *store.Store) error {
			list, err := s.Groups(ctx, f.account, directory.Page{Limit: limit})
			must(t, err)
			ids := make([]directory.GroupID, len(list.Items))
			for i := range ids {
				ids[i] = list.Items[i].ID
			}
			return s.EachGroupUser(ctx, f.account, ids, func(int, []directory.Member) error { return errors.New("a group has users") })
		}, limit},
	} {
		before := rowsReadOfPostgres(t, dsn, c.table)
		s, err := store.Open(ctx, dsn, store.Options{})
		must(t, err)
		must(t, c.read(s))
		must(t, s.Close())
		read := rowsReadOfPostgres(t, dsn, c.table) - before
		t.Logf("%s: %d rows of %s read", name, read, c.table)
		if read > c.most {
			t.Errorf("%s: %d rows of %s read for a page of %d", name, read, c.table, limit)
		}
	}
}
