package store

import (
	"context"
	"database/sql"

	"roster/internal/directory"
)

const (
	// An erased person has no key, so a new one is made for the same address.
	upsertPersons = `INSERT INTO persons (id, public_id, email_key, memberships, created_at)
SELECT CAST(j.value->>0 AS BIGINT), j.value->>1, j.value->>2, 1, $2 FROM json_each($1) j WHERE true
ON CONFLICT (email_key) DO UPDATE SET memberships = persons.memberships + 1`
	insertMembers = `INSERT INTO members (account_id, id, person_id, email_key, org_user_id)
SELECT $1, CAST(j.value->>0 AS BIGINT), p.id, p.email_key, NULLIF(j.value->>2, '')
FROM (SELECT value FROM json_each($2) ` + list + `) j CROSS JOIN persons p WHERE p.email_key = j.value->>1
RETURNING id, person_id`
	insertProfiles = `INSERT INTO member_profiles (account_id, member_id, status, email, first_name, last_name, company_name, department,
  company_contact_phone, work_number, street, suite_number, city, zip, state, country,
  can_create_bot, is_developer, data_table_access, search_text, sort_name, created_at)
SELECT $1, CAST(j.value->>0 AS BIGINT), j.value->>1, j.value->>2, j.value->>3, j.value->>4, j.value->>5,
  j.value->>6, j.value->>7, j.value->>8, j.value->>9, j.value->>10, j.value->>11, j.value->>12, j.value->>13, j.value->>14,
  CAST(j.value->>15 AS BIGINT), CAST(j.value->>16 AS BIGINT), CAST(j.value->>17 AS BIGINT), j.value->>18, j.value->>19, $3 FROM json_each($2) j`
	updateOrgIDs = `UPDATE members SET org_user_id = j.value->>1
FROM (SELECT CAST($1 AS BIGINT) AS account_id, CAST(value->>0 AS BIGINT) AS id, value FROM json_each($2) ` + list + `) j
WHERE members.account_id = j.account_id AND members.id = j.id AND (members.removal_id IS NULL) IS TRUE`
)

// MemberIDs is how many ids CreateMembers needs for n members.
func MemberIDs(n int) int { return 2 * n }

// CreateMembers makes live members of the account, and persons of those whom no
// account knows yet, and leaves an audit record for each. It returns them in the
// order given. people must be sorted by Email.Key, without
// duplicates, so that two imports with the same people do not wait for each
// other in a circle. An address or org id that a live member has fails with an
// error that wraps directory.ErrExists.
func (tx *Tx) CreateMembers(ctx context.Context, people []directory.NewMember) ([]directory.Candidate, error) {
	now := tx.batch.At.UnixMicro()
	upserts := jsonRows(len(people), func(i int) jsonRow {
		return jsonRow{tx.ID(), directory.NewUserID(), people[i].Email.Key}
	})
	if err := tx.execRows(ctx, len(people), upsertPersons, upserts, now); err != nil {
		return nil, wrapf(err, "create the persons")
	}
	created := make([]directory.Candidate, len(people))
	persons := make([]directory.PersonID, len(people))
	at := make(map[directory.MemberID]int, len(people))
	rows := jsonRows(len(people), func(i int) jsonRow {
		p := &people[i]
		created[i] = directory.Candidate{Member: directory.MemberID(tx.ID()), EmailKey: p.Email.Key, OrgUserID: p.OrgUserID}
		at[created[i].Member] = i
		return jsonRow{int64(created[i].Member), p.Email.Key, p.OrgUserID}
	})
	n := 0
	err := tx.each(ctx, func(rows *sql.Rows) error {
		var member directory.MemberID
		var person directory.PersonID
		if err := rows.Scan(&member, &person); err != nil {
			return err
		}
		created[at[member]].Person, persons[at[member]] = person, person
		n++
		return nil
	}, insertMembers, tx.account, rows)
	if err != nil {
		return nil, wrapf(err, "create the members")
	}
	profiles := jsonRows(len(people), func(i int) jsonRow {
		p := &people[i]
		row := append(jsonRow{int64(created[i].Member), string(p.Status), p.Email.Address}, profileRow(&p.Profile)...)
		text, sortName := directory.SearchText(&p.Profile, p.Email.Key, p.OrgUserID)
		return append(append(row, flagRow(p.Flags)...), text, sortName)
	})
	if err := tx.execRows(ctx, n, insertProfiles, tx.account, profiles, now); err != nil {
		return nil, wrapf(err, "create the profiles")
	}
	ids, _ := split(created)
	if err := tx.indexSearch(ctx, ids); err != nil {
		return nil, err
	}
	changes := make([]directory.AuditChange, len(people))
	for i := range people {
		changes[i] = directory.AuditChange{Member: created[i].Member, Body: createdBody(&people[i])}
	}
	tx.Record(directory.AuditRun{Kind: directory.AuditUserCreated, Persons: persons, Changes: changes})
	tx.users += n
	return created, nil
}

func flagRow(f directory.UserFlags) jsonRow {
	return jsonRow{asInt(f.CanCreateBot), asInt(f.IsDeveloper), asInt(f.TableAccess)}
}

func asInt(flag bool) int64 {
	if flag {
		return 1
	}
	return 0
}

func profileRow(p *directory.Profile) jsonRow {
	return jsonRow{
		p.FirstName, p.LastName, p.CompanyName, p.Department, p.CompanyContactPhone, p.WorkNumber,
		p.Street, p.SuiteNumber, p.City, p.Zip, p.State, p.Country,
	}
}
