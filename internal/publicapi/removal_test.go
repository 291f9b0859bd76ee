package publicapi_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

const withCodes = "/api/public/users?reasons=codes"

// meta is an answer with what includeMeta adds.
func meta(answer, total string) string {
	return strings.TrimSuffix(answer, "}") + `,"moreAvailable":false,"total":` + total + `}`
}

// codes are what reasons=codes adds to an inner error.
func codes(code string) string { return `,"reasonCode":"` + code + `"` }

const danBots = `,"bots":[{"botId":"$DESK","botName":"Desk"},{"botId":"$MAIL","botName":"Mail & <Post>"}]`

// Contract 3.1 and 3.2: who is named, and what the answer is.
func TestAnswers(t *testing.T) {
	const nobody = `"nobody@example.com"`
	check(t, rostertest.Options{}, []row{
		{
			says: "everybody removed", body: `{"deleteEmailIds":["ann@example.com","bob@example.com"]}`,
			want: `{"msg":"Users are removed Successfully"}`, gone: []string{ann, bob},
		},
		{
			says: "everybody removed, by orgUserIds", body: `{"orgUserIds":["E1","E2"]}`,
			want: `{"msg":"Users are removed Successfully"}`, gone: []string{ann, bob},
		},
		{
			says: "anybody not removed: only the failures and no msg", body: `{"deleteEmailIds":["ann@example.com","nobody@example.com"]}`,
			want: `{"failedUserDetails":[{"emailId":"nobody@example.com","reason":{"statusCode":400,"status":400,"customCode":400,` +
				`"errors":[{"msg":"User not found. Please check the provided email address.","code":400}],"_headers":{},` +
				`"message":"User not found. Please check the provided email address.","name":"BadRequest"}}]}`, gone: []string{ann},
		},
		{
			says: "200 even if every item failed", body: emails("nobody@example.com", "x"),
			want: failed(byEmail(nobody, noSuchEmail), byEmail(`"x"`, badEmail)),
		},
		{
			says: "failures in the order of the request", body: emails("z@example.com", "x", "Dan@example.com", "bob@example.com", "a@example.com", "owner@example.com"),
			want: failed(byEmail(`"z@example.com"`, noSuchEmail), byEmail(`"x"`, badEmail), byEmail(`"Dan@example.com"`, unauthorized),
				byEmail(`"a@example.com"`, noSuchEmail), byEmail(`"owner@example.com"`, unauthorized)), gone: []string{bob},
		},

		{says: "both keys: the union", body: `{"deleteEmailIds":["cleo@example.com"],"orgUserIds":["E1"]}`, want: removed, gone: []string{ann, cleo}},
		{
			says: "both keys: addresses first, whatever comes first", body: `{"orgUserIds":["E9"],"deleteEmailIds":["nobody@example.com"]}`,
			want: failed(byEmail(nobody, noSuchEmail), byOrgID(`"E9"`, noSuchOrgID)),
		},
		{
			says: "a user named several times is removed once", body: `{"deleteEmailIds":["ann@example.com"," ANN@EXAMPLE.COM"],"orgUserIds":["E1"," E1 "],"includeMeta":true}`,
			want: meta(removed, "1"), gone: []string{ann},
		},
		{
			says: "a failure is reported once, at its first mention", body: emails("dan@example.com", "x@example.com", " Dan@EXAMPLE.com", "X@example.com"),
			want: failed(byEmail(`"dan@example.com"`, unauthorized), byEmail(`"x@example.com"`, noSuchEmail)),
		},
		{
			says: "a failure is reported once over both lists", body: `{"orgUserIds":["E4","E8","E8 "],"deleteEmailIds":["Dan@example.com"]}`,
			want: failed(byEmail(`"Dan@example.com"`, unauthorized), byOrgID(`"E8"`, noSuchOrgID)),
		},
		{
			says: "one text in both lists is two ids", body: `{"orgUserIds":["x@example.com"],"deleteEmailIds":["x@example.com"]}`,
			want: failed(byEmail(`"x@example.com"`, noSuchEmail), byOrgID(`"x@example.com"`, noSuchOrgID)),
		},
		{
			says: "invalid items are each reported once per spelling", body: `{"deleteEmailIds":["x","X","x"," x","7",7,7.0,7,null,"null",null],"orgUserIds":[7," ",7," ","  "]}`,
			want: failed(byEmail(`"x"`, badEmail), byEmail(`"X"`, badEmail), byEmail(`" x"`, badEmail), byEmail(`"7"`, badEmail), byEmail(`7`, badEmail),
				byEmail(`7.0`, badEmail), byEmail(`null`, badEmail), byEmail(`"null"`, badEmail),
				byOrgID(`7`, badOrgID), byOrgID(`" "`, badOrgID), byOrgID(`"  "`, badOrgID)),
		},

		{
			says: "includeMeta:true adds the number removed", body: `{"includeMeta":true,"deleteEmailIds":["ann@example.com","bob@example.com"]}`,
			want: `{"msg":"Users are removed Successfully","moreAvailable":false,"total":2}`, gone: []string{ann, bob},
		},
		{
			says: "includeMeta:true beside failures", body: `{"deleteEmailIds":["ann@example.com","nobody@example.com"],"includeMeta":true}`,
			want: meta(failed(byEmail(nobody, noSuchEmail)), "1"), gone: []string{ann},
		},
		{
			says: "includeMeta:true with nobody removed", body: `{"deleteEmailIds":["nobody@example.com"],"includeMeta":true}`,
			want: meta(failed(byEmail(nobody, noSuchEmail)), "0"),
		},
		{says: "without it neither appears", body: `{"includeMeta":false,"deleteEmailIds":["ann@example.com"]}`, want: removed, gone: []string{ann}},
	})
}

// Contract 3.3: reasons, in both kinds of id. 3.6: with their codes.
func TestReasons(t *testing.T) {
	dual := func(says, body, ids, msg, code string) []row {
		return []row{
			{says: says, body: body, want: failed(failure(ids, msg, ""))},
			{says: says + ", with codes", path: withCodes, body: body, want: failed(failure(ids, msg, code))},
		}
	}
	owned := func(w *world) { // the account owner has an orgUserId here
		storetest.Exec(w.T, w.DSN, `UPDATE members SET org_user_id = 'E0' WHERE email_key = 'owner@example.com' AND id IN (SELECT owner_id FROM accounts WHERE public_id = $1)`, w.account)
	}
	alreadyRemoved := func(w *world) {
		w.compare(w.Remove(w.app, `{"deleteEmailIds":["ann@example.com","cleo@example.com"]}`), 200, removed, nil)
	}
	rows := slices.Concat(
		dual("the account owner, checked before owner of bots", emails(owner), `"emailId":"owner@example.com"`, unauthorized, codes("ACCOUNT_OWNER")),
		dual("owner of one or more bots", emails(dan), `"emailId":"Dan@example.com"`, unauthorized, codes("BOT_OWNER")+danBots),
		dual("unknown address", emails("nobody@example.com"), `"emailId":"nobody@example.com"`, noSuchEmail, codes("USER_NOT_FOUND")),
		dual("member of other accounts only", emails("foreign@example.com"), `"emailId":"foreign@example.com"`, noSuchEmail, codes("USER_NOT_FOUND")),
		dual("owner of another account", emails("other@example.com"), `"emailId":"other@example.com"`, noSuchEmail, codes("USER_NOT_FOUND")),
		dual("unknown orgUserId", orgIDs("E9"), `"orgUserId":"E9"`, noSuchOrgID, codes("USER_NOT_FOUND")),
		dual("orgUserId of other accounts only", orgIDs("F1"), `"orgUserId":"F1"`, noSuchOrgID, codes("USER_NOT_FOUND")),
		dual("orgUserId in another account of a member of this one", orgIDs("F2"), `"orgUserId":"F2"`, noSuchOrgID, codes("USER_NOT_FOUND")),
		dual("not an address", emails("x"), `"emailId":"x"`, badEmail, codes("INVALID_ID")),
		dual("not a string", `{"deleteEmailIds":[null]}`, `"emailId":null`, badEmail, codes("INVALID_ID")),
		dual("a blank orgUserId", orgIDs(" "), `"orgUserId":" "`, badOrgID, codes("INVALID_ID")),
		dual("an over-long orgUserId", orgIDs(strings.Repeat("x", 257)), `"orgUserId":"`+strings.Repeat("x", 257)+`"`, badOrgID, codes("INVALID_ID")),
	)
	rows = append(rows,
		row{
			says: "the account owner by orgUserId, with the address that is known", setup: owned, path: withCodes, body: orgIDs("E0"),
			want: failed(failure(`"orgUserId":"E0","emailId":"owner@example.com"`, unauthorized, codes("ACCOUNT_OWNER"))),
		},
		row{
			says: "owner of bots by orgUserId, with the address that is known", path: withCodes, body: orgIDs(" E4"),
			want: failed(failure(`"orgUserId":" E4","emailId":"Dan@example.com"`, unauthorized, codes("BOT_OWNER")+danBots)),
		},
		row{says: "without codes there are none", body: orgIDs("E4"), want: failed(failure(`"orgUserId":"E4","emailId":"Dan@example.com"`, unauthorized, ""))},
		row{
			says: "already removed", setup: alreadyRemoved, path: withCodes, body: emails("ann@example.com"),
			want: failed(failure(`"emailId":"ann@example.com"`, noSuchEmail, codes("USER_NOT_FOUND"))),
		},
		row{
			says: "already removed, by orgUserId", setup: alreadyRemoved, path: withCodes, body: orgIDs("E1"),
			want: failed(failure(`"orgUserId":"E1"`, noSuchOrgID, codes("USER_NOT_FOUND"))),
		},
		row{says: "reasons=codes changes nothing where nobody fails", path: withCodes, body: emails(ann), want: removed, gone: []string{ann}},
		row{says: "reasons of another name add nothing", path: "/api/public/users?reasons=Codes", body: emails(dan), want: failed(byEmail(`"Dan@example.com"`, unauthorized))},
		row{says: "owner of bots until ownership moves", setup: func(w *world) {
			storetest.Exec(w.T, w.DSN, `UPDATE bots SET owner_id = (SELECT owner_id FROM accounts WHERE public_id = $1) WHERE public_id IN ($2, $3)`,
				w.account, w.vars["$DESK"], w.vars["$MAIL"])
		}, body: emails(dan), want: removed, gone: []string{dan}},
	)
	check(t, rostertest.Options{}, rows)
}

// Contract 3.3: everybody else can be removed.
func TestEverybodyElseCanBeRemoved(t *testing.T) {
	var rows []row
	for _, status := range []string{"active", "not active", "invited", "suspended", "locked"} {
		rows = append(rows, row{says: status, setup: func(w *world) {
			storetest.Exec(w.T, w.DSN, `UPDATE member_profiles SET status = $1`, status)
		}, body: emails(ann), want: removed, gone: []string{ann}})
	}
	for role, bot := range map[string]string{"admin": "", "Bot Owner": "$DESK", "Bot Developer": "$DESK", "Bot Tester": "$HEAD"} {
		rows = append(rows, row{says: "holder of the role " + role, setup: func(w *world) {
			w.assign(role, w.vars[bot], ann)
		}, body: emails(ann), want: removed, gone: []string{ann}})
	}
	check(t, rostertest.Options{}, rows)
}

// Contract 3.3: strangers and users of other accounts answer alike, in text and
// in time: the database is asked the same.
func TestStrangersAndForeignersAreAlike(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		var mu sync.Mutex
		var asked []string
		w := start(t, dsn, rostertest.Options{Trace: func(query string) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, query)
		}})
		once := func(body string) []string {
			mu.Lock()
			asked = nil
			mu.Unlock()
			w.Remove(w.app, body)
			mu.Lock()
			defer mu.Unlock()
			return asked
		}
		// What the server does in the background is asked for now and then: what
		// a call asks for is the same twice in a row.
		statements := func(body string) (asked []string) {
			for again := once(body); !slices.Equal(asked, again); again = once(body) {
				asked = again
			}
			return asked
		}
		pairs := [][2]string{
			{emails("nobody@example.com"), emails("foreign@example.com")},
			{emails("nobody@example.com"), emails("other@example.com")},
			{orgIDs("E9"), orgIDs("F1")},
		}
		statements(pairs[0][0]) // takes internal keys in advance, which needs a statement once in a while
		for _, pair := range pairs {
			stranger, foreigner := statements(pair[0]), statements(pair[1])
			if len(stranger) == 0 || !slices.Equal(stranger, foreigner) {
				t.Errorf("%s is asked %q\nwhile %s is asked %q", pair[0], stranger, pair[1], foreigner)
			}
		}
	})
}
