package roster_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// modelMember is a member as the model knows them: all keys are folded.
type modelMember struct {
	email, orgID string
	owner, bots  bool
}

// modelRemove is the whole of the rules: who of the account goes, and how many
// distinct mentions are refused.
func modelRemove(members []modelMember, refs []directory.UserRef) (gone map[string]bool, refused int) {
	gone, kept, unknown := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, ref := range refs {
		key := strings.TrimSpace(ref.Text)
		if ref.Kind == directory.ByEmail {
			key = strings.ToLower(key)
		}
		i := slices.IndexFunc(members, func(m modelMember) bool {
			return !ref.NotText && key != "" && (ref.Kind == directory.ByEmail && m.email == key || ref.Kind == directory.ByOrgUserID && m.orgID == key)
		})
		switch {
		case i < 0 && (ref.NotText || ref.Kind == directory.ByEmail && !strings.Contains(key, "@") || key == ""):
			unknown[fmt.Sprint("invalid", ref)] = true // once per spelling
		case i < 0:
			unknown[fmt.Sprint(ref.Kind, key)] = true
		case members[i].owner || members[i].bots:
			kept[members[i].email] = true
		default:
			gone[members[i].email] = true
		}
	}
	return gone, len(kept) + len(unknown)
}

var (
	modelEmails = []string{"a@x.io", "b@x.io", "c@x.io", "d@x.io", "e@x.io", "straße@x.io", "strasse@x.io", "λ@x.io"}
	modelOrgIDs = []string{"E1", "e1", "E2", "E3", "a@x.io"}
)

// modelAccount draws an account and makes it. Addresses come from one small
// pool, so that accounts share people.
func modelAccount(t *rapid.T, tt *testing.T, r *roster.Roster, name string) (id string, members []modelMember) {
	ctx := context.Background()
	emails := rapid.SliceOfNDistinct(rapid.SampledFrom(modelEmails), 1, len(modelEmails), rapid.ID).Draw(t, name+" members")
	orgIDs := rapid.Permutation(append(modelOrgIDs, "", "", "")).Draw(t, name+" org ids")
	id, err := r.CreateAccount(ctx, auth.Operator(), name, emails[0])
	must(tt, err)
	members = []modelMember{{email: emails[0], owner: true}}
	var rows []roster.ImportRow
	for i, email := range emails[1:] {
		m := modelMember{email: email, orgID: orgIDs[i], bots: rapid.IntRange(0, 4).Draw(t, "bots of "+email) == 0}
		members = append(members, m)
		rows = append(rows, roster.ImportRow{Line: i, Email: capital(email), OrgUserID: m.orgID})
	}
	if len(rows) > 0 {
		out, err := r.ImportUsers(ctx, auth.Operator(), id, rows, roster.ImportOptions{})
		must(tt, err)
		if len(out.Bad) > 0 {
			tt.Fatal(out.Bad)
		}
	}
	_, err = r.CreateGroup(ctx, auth.Operator(), id, "everybody", emails)
	must(tt, err)
	must(tt, r.AssignRole(ctx, auth.Operator(), id, directory.RoleAdmin, "", emails))
	for _, m := range members {
		if m.bots {
			_, err := r.CreateBot(ctx, auth.Operator(), id, "bot", m.email)
			must(tt, err)
		}
	}
	return id, members
}

// capital changes the case of the first letter.
func capital(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + s[n:]
}

func modelRefs(t *rapid.T) []directory.UserRef {
	spell := func(s string) string {
		switch rapid.IntRange(0, 3).Draw(t, "spelling") {
		case 0:
			return capital(s)
		case 1:
			return "  " + s + "\t"
		}
		return s
	}
	ref := rapid.Custom(func(t *rapid.T) directory.UserRef {
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			return directory.UserRef{Text: rapid.SampledFrom([]string{"", " ", "nonsense", "7"}).Draw(t, "junk")}
		case 1:
			return directory.UserRef{Text: rapid.SampledFrom([]string{"7", "null", "1e2"}).Draw(t, "value"), NotText: true}
		case 2, 3:
			return directory.UserRef{Kind: directory.ByOrgUserID, Text: rapid.SampledFrom(modelOrgIDs).Draw(t, "org id")}
		case 4:
			return directory.UserRef{Text: "stranger@x.io"}
		}
		return directory.UserRef{Text: spell(rapid.SampledFrom(modelEmails).Draw(t, "address"))}
	})
	return rapid.SliceOfN(ref, 1, 12).Draw(t, "request")
}

// TestRemovalIsThatOfTheModel removes random lists from random accounts:
// exactly the named, removable members of the caller's account are gone, and
// nothing else in the database has changed, other accounts above all.
func TestRemovalIsThatOfTheModel(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		r, err := roster.Open(context.Background(), roster.Options{Database: dsn})
		must(t, err)
		defer r.Close()
		rapid.Check(t, func(rt *rapid.T) {
			id, members := modelAccount(rt, t, r, "one")
			other, others := modelAccount(rt, t, r, "two")
			refs := modelRefs(rt)
			before := storetest.Dump(t, dsn)
			out, err := r.RemoveUsers(context.Background(), callerOf(t, dsn, id), refs, roster.RemovalOptions{})
			must(t, err)

			gone, refused := modelRemove(members, refs)
			if out.Removed != len(gone) || len(out.Refused) != refused {
				rt.Fatalf("%d removed and %d refused, want %d and %d", out.Removed, len(out.Refused), len(gone), refused)
			}
			left := map[string]bool{}
			for _, m := range members {
				left[m.email] = !gone[m.email]
			}
			maps.DeleteFunc(left, func(_ string, stays bool) bool { return !stays })
			if got := keysOf(t, r, id); !maps.Equal(got, left) {
				rt.Fatalf("left %v, want %v", got, left)
			}
			if got := keysOf(t, r, other); len(got) != len(others) {
				rt.Fatalf("the other account has %v of %v", got, others)
			}
			checkUntouched(rt, before, storetest.Dump(t, dsn), len(gone))
		})
		_, err = r.VerifyAudit(context.Background(), auth.Operator())
		must(t, err)
	})
}

// checkUntouched allows a removal its own rows and one mark for each who left.
func checkUntouched(t *rapid.T, before, after storetest.Content, gone int) {
	for table := range before {
		switch table {
		case "members":
			if n := len(before[table]) - countSame(before[table], after[table]); n != gone {
				t.Fatalf("%d rows of members changed instead of %d", n, gone)
			}
		case "removals", "audit_chain", "audit_details", "audit_records":
			if countSame(before[table], after[table]) != len(before[table]) {
				t.Fatalf("older rows of %s changed", table)
			}
		case "audit_heads":
			if countSame(before[table], after[table]) != len(before[table])-1 {
				t.Fatal("the chain of another account changed")
			}
		default:
			if diff := cmp.Diff(before[table], after[table]); diff != "" {
				t.Fatalf("%s changed:\n%s", table, diff)
			}
		}
	}
}

// countSame counts the rows that are in both.
func countSame(before, after []string) (n int) {
	set := make(map[string]bool, len(after))
	for _, row := range after {
		set[row] = true
	}
	for _, row := range before {
		if set[row] {
			n++
		}
	}
	return n
}

// keysOf returns the folded addresses of an account's live members.
func keysOf(t *testing.T, r *roster.Roster, account string) map[string]bool {
	t.Helper()
	keys := map[string]bool{}
	must(t, r.EachUser(context.Background(), auth.Operator(), account, func(m directory.Member) error {
		email, err := directory.ParseEmail(m.Email)
		keys[email.Key] = true
		return err
	}))
	return keys
}

// callerOf is an app of the account with the right to remove users.
func callerOf(t *testing.T, dsn, account string) auth.Caller {
	t.Helper()
	var id directory.AccountID
	must(t, storetest.SQL(t, dsn).QueryRow("SELECT id FROM accounts WHERE public_id = '"+account+"'").Scan(&id))
	return auth.AppCaller(directory.App{
		ID: 1, Account: id, Origin: directory.OriginAdminConsole, Scopes: []directory.Scope{directory.ScopeUserManagement},
	}, auth.Claims{})
}
