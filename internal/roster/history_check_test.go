package roster_test

import (
	"maps"
	"slices"

	"github.com/google/go-cmp/cmp"
)

// What an account holds, as a reader of the live views sees it: the kind of a row,
// a member's internal id where it is about one, and two texts.
const historyState = `
SELECT 1, m.id, COALESCE(p.email_key, 'erased'), COALESCE(m.org_user_id, '') FROM live_members m CROSS JOIN persons p WHERE m.account_id = $1 AND p.id = m.person_id
UNION ALL SELECT 2, m.id, f.first_name, CAST(f.can_create_bot AS TEXT) || f.is_developer || f.data_table_access
  FROM live_members m CROSS JOIN member_profiles f WHERE m.account_id = $1 AND f.account_id = m.account_id AND f.member_id = m.id
UNION ALL SELECT 3, x.member_id, g.name, '' FROM live_group_members x CROSS JOIN groups g WHERE x.account_id = $1 AND g.account_id = x.account_id AND g.id = x.group_id
UNION ALL SELECT 4, x.member_id, COALESCE(b.name, CASE x.bot_id WHEN 0 THEN '' ELSE 'a bot that is gone' END), '' FROM live_member_roles x
  LEFT JOIN bots b ON b.account_id = x.account_id AND b.id = x.bot_id WHERE x.account_id = $1
UNION ALL SELECT 5, x.member_id, COALESCE(b.name, 'a bot that is gone'), x.dialogs FROM live_member_tasks x
  LEFT JOIN bots b ON b.account_id = x.account_id AND b.id = x.bot_id WHERE x.account_id = $1
UNION ALL SELECT 6, owner_id, '', '' FROM bots WHERE account_id = $1
UNION ALL SELECT 7, 0, g.name, COALESCE(b.name, CASE x.bot_id WHEN 0 THEN '' ELSE 'a bot that is gone' END) FROM group_roles x
  CROSS JOIN groups g LEFT JOIN bots b ON b.account_id = x.account_id AND b.id = x.bot_id
  WHERE x.account_id = $1 AND g.account_id = x.account_id AND g.id = x.group_id
UNION ALL SELECT 8, 0, c.name, p.name FROM group_groups x CROSS JOIN groups c CROSS JOIN groups p
  WHERE x.account_id = $1 AND c.account_id = x.account_id AND c.id = x.child_id AND p.account_id = x.account_id AND p.id = x.parent_id
ORDER BY 1`

// check compares both accounts with their models.
func (h *history) check(after string) {
	for i := range h.account {
		members, emails := map[int64]*lived{}, map[int64]string{}
		grants, nested := map[groupGrant]bool{}, map[nesting]bool{}
		h.each(i, func(kind int, id int64, x, y string) {
			if kind == 1 {
				members[id], emails[id] = &lived{OrgID: y}, x
			}
			m := members[id]
			switch kind {
			case 2:
				m.First, m.Flags = x, y
			case 3:
				m.Groups = append(m.Groups, x)
			case 4:
				m.Roles = append(m.Roles, x)
			case 5:
				m.Tasks = append(m.Tasks, x+" "+y)
			case 6:
				m.Bots++
			case 7:
				grants[groupGrant{x, y}] = true
			case 8:
				nested[nesting{x, y}] = true
			}
		})
		got := map[string]lived{}
		for id, m := range members {
			slices.Sort(m.Groups)
			slices.Sort(m.Roles)
			slices.Sort(m.Tasks)
			got[emails[id]] = *m
		}
		if diff := cmp.Diff(h.model[i], got); diff != "" {
			h.t.Fatalf("account %d after %s (-model +database):\n%s", i, after, diff)
		}
		if !maps.Equal(h.grants[i], grants) || !maps.Equal(h.nested[i], nested) {
			h.t.Fatalf("account %d after %s: groups have %v and are in %v, want %v and %v", i, after, grants, nested, h.grants[i], h.nested[i])
		}
	}
}

func (h *history) each(i int, row func(kind int, id int64, x, y string)) {
	rows, err := h.state.Query(h.caller[i].Account)
	h.must(err)
	defer rows.Close()
	for rows.Next() {
		var kind int
		var id int64
		var x, y string
		h.must(rows.Scan(&kind, &id, &x, &y))
		row(kind, id, x, y)
	}
	h.must(rows.Err())
}
