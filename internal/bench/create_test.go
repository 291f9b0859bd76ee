package bench

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/internal/directory"
	"roster/internal/storetest"
)

// BenchmarkCreate makes users by one call: through HTTP, and by raw SQL that writes
// the same rows in one transaction with the same driver, from lists that were made
// beforehand. The contenders take turns, each in an account of its own that has its
// owner alone.
func BenchmarkCreate(b *testing.B) {
	for _, engine := range storetest.Engines {
		for _, size := range []struct{ users, turns int }{{1000, 12}, {10_000, 6}, {100_000, 1}} {
			b.Run(fmt.Sprintf("%s/%d", engine, size.users), func(b *testing.B) {
				for b.Loop() {
					compareCreation(b, engine, size.users, size.turns)
				}
			})
		}
	}
}

func compareCreation(b *testing.B, engine string, users, turns int) {
	var took [2][]time.Duration
	b.StopTimer()
	url, app := creationServer(b, engine)
	raw := rawCreation(b, engine)
	for turn := range turns {
		body, insert := creationBody(users, turn), raw(users, turn)
		for i := range took {
			which := (turn + i) % len(took)
			started := time.Now()
			if which == 0 {
				call(b, app, http.MethodPost, url+"/api/public/users", body, `{"msg":"Users are created Successfully"}`)
			} else {
				insert()
			}
			took[which] = append(took[which], time.Since(started))
		}
	}
	for i, name := range []string{"http", "raw"} {
		slices.Sort(took[i])
		b.ReportMetric(float64(users)/took[i][turns/2].Seconds(), name+"-users/s")
	}
	b.ReportMetric(took[1][turns/2].Seconds()/took[0][turns/2].Seconds(), "http:raw")
	b.ReportMetric(0, "ns/op")
	b.StartTimer()
}

// createdUser is what there is of the i-th user of a turn.
func createdUser(i, turn int) (email, orgID, last string) {
	return fmt.Sprintf("new.%d.%06d@example.com", turn, i), fmt.Sprintf("N%d.%06d", turn, i), fmt.Sprintf("Last %d", i)
}

func creationBody(users, turn int) string {
	var b strings.Builder
	sep := `{"users":[`
	for i := range users {
		email, orgID, last := createdUser(i, turn)
		fmt.Fprintf(&b, `%s{"userInfo":{"emailId":"%s","orgUserId":"%s","firstName":"First","lastName":"%s","dept":"Sales"}}`, sep, email, orgID, last)
		sep = ","
	}
	return b.String() + `]}`
}

// newAccount makes a database with one account and an app of it.
func newAccount(b *testing.B, engine string) (dsn, key string, app rosterApp) {
	b.Helper()
	dsn, key = storetest.New(b, engine), filepath.Join(b.TempDir(), "secret.key")
	r, _, app := openWithApp(b, dsn, key)
	check(b, r.Close())
	return dsn, key, app
}

func creationServer(b *testing.B, engine string) (url string, app rosterApp) {
	dsn, key, app := newAccount(b, engine)
	return serve(b, dsn, key), app
}

// rawCreation returns what prepares a turn and then writes the rows of a creation:
// of each user a person, a member, a profile, an audit record and what it changed,
// and on SQLite what it is searched by; and one each of details and chain. It decides nothing and checks nothing.
func rawCreation(b *testing.B, engine string) func(users, turn int) func() {
	dsn, _, _ := newAccount(b, engine)
	db := open(b, dsn)
	b.Cleanup(func() { db.Close() })
	var account int64
	check(b, db.QueryRow(`SELECT id FROM accounts`).Scan(&account))
	id := int64(1 << 40)
	blob := bytes.Repeat([]byte{7}, 32)
	hash, salt := base64.StdEncoding.EncodeToString(blob), base64.StdEncoding.EncodeToString(blob[:16])
	return func(users, turn int) func() {
		rows := make([][]any, users)
		for i := range rows {
			email, orgID, last := createdUser(i, turn)
			id++
			change := fmt.Sprintf(`{"after":{"emailId":"%s","orgUserId":"%s","firstName":"First","lastName":"%s","dept":"Sales","status":"not active","canCreateBot":true,"isDeveloper":true}}`,
				email, orgID, last)
			text, sortName := directory.SearchText(&directory.Profile{FirstName: "First", LastName: last}, email, orgID)
			rows[i] = []any{id, fmt.Sprintf("u-%036d", id), email, orgID, last, change, text, sortName}
		}
		list, err := json.Marshal(rows)
		check(b, err)
		id++
		return func() {
			inTx(b, db, func(exec func(string, ...any)) {
				exec(`INSERT INTO persons (id, public_id, email_key, memberships, created_at)
SELECT CAST(j.value->>0 AS BIGINT), j.value->>1, j.value->>2, 1, 0 FROM json_each($1) j`, string(list))
				exec(`INSERT INTO members (account_id, id, person_id, email_key, org_user_id)
SELECT $1, CAST(j.value->>0 AS BIGINT), CAST(j.value->>0 AS BIGINT), j.value->>2, j.value->>3 FROM json_each($2) j`, account, string(list))
				exec(`INSERT INTO member_profiles (account_id, member_id, status, email, first_name, last_name, company_name, department,
  company_contact_phone, work_number, street, suite_number, city, zip, state, country, can_create_bot, is_developer, data_table_access, created_at, search_text, sort_name)
SELECT $1, CAST(j.value->>0 AS BIGINT), 'not active', j.value->>2, 'First', j.value->>4, '', 'Sales', '', '', '', '', '', '', '', '', 1, 1, 0, $3, j.value->>6, j.value->>7
FROM json_each($2) j`, account, string(list), id)
				if engine == "sqlite" {
					exec(`INSERT INTO member_search (rowid, text) SELECT CAST(j.value->>0 AS BIGINT), j.value->>6 FROM json_each($1) j`, string(list))
				}
				exec(`INSERT INTO audit_records (account_id, batch_id, seq, kind, person_id, object_id)
SELECT $1, $2, j.key + 1, 'user.created', CAST(j.value->>0 AS BIGINT), 0 FROM json_each($3) j`, account, id, string(list))
				exec(`INSERT INTO audit_changes (account_id, batch_id, seq, member_id, hash, salt, body)
SELECT $1, $2, j.key + 1, CAST(j.value->>0 AS BIGINT), $4, $5, j.value->>5 FROM json_each($3) j`, account, id, string(list), hash, salt)
				exec(`INSERT INTO audit_details (account_id, batch_id, salt, body) VALUES ($1, $2, $3, '{"requested":1,"sendEmail":true}')`, account, id, blob[:16])
				exec(`INSERT INTO audit_chain (account_id, number, batch_id, created_at, actor_kind, actor_id, removal_id, records, digest, hash)
VALUES ($1, $2, $2, $2, 'app', 1, 0, $3, $4, $4)`, account, id, users, blob)
				exec(`UPDATE audit_heads SET number = $2, hash = $3 WHERE account_id = $1`, account, id, blob)
			})
		}
	}
}
