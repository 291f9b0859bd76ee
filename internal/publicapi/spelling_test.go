package publicapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"roster/internal/rostertest"
)

const (
	badEmail = "Invalid emailId"
	badOrgID = "Invalid orgUserId"
)

// member is the setup of a row that needs one more member.
func member(email, orgID string) func(*world) {
	return func(w *world) { w.Import(w.account, rostertest.Person{Email: email, OrgUserID: orgID}) }
}

// same is a row of a member whom the address as sent, written in JSON, names.
// A person has one spelling over all accounts, so no two rows store two of one.
func same(says, stored, sent string) row {
	return row{says: says, setup: member(stored, ""), body: emails(sent), want: removed, gone: []string{stored}}
}

// distinct is a row of a member whom the address as sent does not name.
func distinct(says, stored, sent string) row {
	return row{says: says, setup: member(stored, ""), body: emails(sent), want: failed(byEmail(`"`+sent+`"`, noSuchEmail))}
}

// Contract 3.1: addresses are trimmed and compared in NFC, the local part in
// simple lower case, the domain in its ASCII form.
func TestAddressesCompare(t *testing.T) {
	check(t, rostertest.Options{}, []row{
		same("trimmed", "x@example.com", ` \t\r\n x@example.com \n`),
		same("trimmed: blanks of any script", "x@example.com", "\u00a0\u3000x@example.com\u2003\u0085"),
		same("local part in lower case", "x.y@example.com", "X.Y@example.com"),
		same("local part in lower case: as stored", "Y.Z@example.com", "y.z@example.com"),
		same("local part in lower case: any script", "жЫ@example.com", "Жы@example.com"),
		same("compared in NFC", "jos\u00e9@example.com", "JOSE\u0301@example.com"),
		same("compared in NFC: escapes are letters", "jos\u00e9@example.com", `jose\u0301@example.com`),
		same("compared in NFC: the kelvin sign is K", "k@example.com", "\u212a@example.com"),
		same("compared in NFC: the ångström sign is Å", "å@example.com", "\u212b@example.com"),
		same("compared in NFC: lower case that leaves it", "\u01f0@example.com", "J\u030c@example.com"),
		same("simple lower case: ẞ is ß", "straße@example.com", "STRAẞE@example.com"),
		same("simple lower case: Σ is σ, also at the end", "οδοσ@example.com", "ΟΔΟΣ@example.com"),
		same("simple lower case: İ is i", "i@example.com", "İ@example.com"),
		distinct("not full case folding: ss is not ß", "straße@example.com", "strasse@example.com"),
		distinct("not full case folding: ß is not ss", "strasse@example.com", "straße@example.com"),
		distinct("not full case folding: fi is not the ligature", "ﬁona@example.com", "fiona@example.com"),
		distinct("not full case folding: the ligature is not fi", "fiona@example.com", "ﬁona@example.com"),
		distinct("not full case folding: ς is not σ", "οδος@example.com", "οδοσ@example.com"),
		distinct("ı is not i", "i@example.com", "ı@example.com"),
		distinct("NFC, not NFKC", "x@example.com", "\uff58@example.com"),
		distinct("look-alikes are not alike", "a@example.com", "\u0430@example.com"),
		distinct("what follows a plus counts", "x@example.com", "x+y@example.com"),
		distinct("dots in the local part count", "xy@example.com", "x.y@example.com"),
		distinct("underscores and percents are no wildcards", "xy@example.com", "%_@example.com"),

		same("domain in lower case", "x@example.com", "x@EXAMPLE.Com"),
		same("domain in its ASCII form", "x@xn--bcher-kva.example", "x@BÜCHER.example"),
		same("domain in its ASCII form: as stored", "y@bücher.example", "y@XN--BCHER-KVA.EXAMPLE"),
		same("domain in its ASCII form: NFC", "z@bücher.example", "z@bu\u0308cher.example"),
		same("domain in its ASCII form: width", "x@example.com", "x@ｅｘａｍｐｌｅ\u3002com"),
		same("non-transitional: ß stays", "x@xn--fa-hia.example", "x@faß.example"),
		distinct("non-transitional: ß is not ss", "x@fass.example", "x@faß.example"),
		same("not the strict lookup profile: underscores", "x@a_b.example", "x@A_B.example"),
		same("not the strict lookup profile: underscores and IDNA", "x@a_b.bücher.example", "x@a_b.xn--bcher-kva.example"),
		same("not the strict lookup profile: hyphens", "x@-a--b-.example", "x@-a--b-.EXAMPLE"),
		distinct("subdomains count", "x@example.com", "x@mail.example.com"),
	})
}

// Contract 3.1: one grammar everywhere.
func TestAddressGrammar(t *testing.T) {
	label := strings.Repeat("d", 60) + "."
	domain253 := strings.Repeat(label, 4) + strings.Repeat("d", 9)
	rows := []row{
		same("local part of 64 bytes", strings.Repeat("x", 64)+"@example.com", strings.Repeat("X", 64)+"@example.com"),
		same("local part of 64 bytes in 32 letters", strings.Repeat("é", 32)+"@example.com", strings.Repeat("É", 32)+"@example.com"),
		same("domain of 253 bytes", "x@"+domain253, "x@"+strings.ToUpper(domain253)),
		same("any script", "用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v"),
		same("whatever is no blank, quote or control character", `o'brien+(a)/b=c|{d}~,;:#$&*!?^[e]<f>..@example.com`, `O'Brien+(a)/b=c|{d}~,;:#$&*!?^[e]<f>..@example.com`),
		distinct("an address never has the form of an id", "x@example.com", "u-00000000-0000-4000-8000-000000000000@example.com"),
	}
	for _, sent := range []string{
		``, ` `, `\u00a0`, `x`, `@`, `@example.com`, `x@`, `x@@example.com`, `x@y@example.com`, `x@example`, `x@.example.com`, `x@example..com`, `x@example.com.`,
		`x y@example.com`, `x\ty@example.com`, "x\u3000y@example.com", `\"x\"@example.com`, `x\u0000@example.com`, `x@example.com\u0000`, `x\u007f@example.com`,
		"x\u0085y@example.com", `x@exam ple.com`, `x@example.com, y@example.com`, `x <x@example.com>`, `x@[127.0.0.1]`, `x@example.com/`, `x@exa$mple.com`,
		`x@xn--a.example`, "x@\u2488com", `x@` + strings.Repeat("d", 64) + `.com`, strings.Repeat("x", 65) + `@example.com`, strings.Repeat("é", 33) + `@example.com`,
		`x@` + domain253 + `d`, strings.Repeat("x", 3000) + `@example.com`,
	} {
		says := "not an address: " + sent
		rows = append(rows, row{says: says[:min(len(says), 60)], body: emails(sent), want: failed(byEmail(asEchoed(sent), badEmail))})
	}
	check(t, rostertest.Options{}, rows)
}

// asEchoed is a JSON string's inside as an answer has it: escapes are those of
// necessity alone.
func asEchoed(inside string) string {
	var s string
	if err := json.Unmarshal([]byte(`"`+inside+`"`), &s); err != nil {
		panic(err)
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ':
			fmt.Fprintf(&b, `\u%04x`, r)
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			fallthrough
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}

// Contract 3.1: orgUserIds are trimmed and compare exactly.
func TestOrgUserIDsCompare(t *testing.T) {
	sameID := func(says, stored, sent string) row {
		return row{says: says, setup: member("x@example.com", stored), body: orgIDs(sent), want: removed, gone: []string{"x@example.com"}}
	}
	otherID := func(says, stored, sent string) row {
		return row{says: says, setup: member("x@example.com", stored), body: orgIDs(sent), want: failed(byOrgID(`"`+sent+`"`, noSuchOrgID))}
	}
	rows := []row{
		sameID("trimmed", "e-77", ` \te-77\n`),
		sameID("trimmed: blanks of any script", "e-77", "\u00a0e-77\u3000"),
		otherID("compare exactly: case", "e-77", "E-77"),
		otherID("compare exactly: no NFC", "caf\u00e9", "cafe\u0301"),
		otherID("compare exactly: blanks inside", "e 77", "e  77"),
		otherID("compare exactly: zeros", "77", "077"),
		sameID("opaque strings: an address", "boss@example.com", "boss@example.com"),
		otherID("an orgUserId is not an address", "e-77", "x@example.com"),
		sameID("opaque strings: quotes and markup", `<'%_&\">`, `<'%_&\">`),
		otherID("wildcards are none", "e-77", "%"),
		otherID("not u-...", "e-77", "u-00000000-0000-4000-8000-000000000000"),
		sameID("256 characters", strings.Repeat("é", 256), strings.Repeat("é", 256)),
		{says: "a member without one is not named by nothing", body: orgIDs(""), want: failed(byOrgID(`""`, badOrgID))},
	}
	rows[8].setup = member("x@example.com", `<'%_&">`)
	for _, sent := range []string{` `, `\u2003`, `e\u0000`, `e\n77`, `e\u007f77`, "e\u009f77", strings.Repeat("é", 257)} {
		says := "1-256 characters, no control characters: " + sent
		rows = append(rows, row{says: says[:min(len(says), 60)], body: orgIDs(sent), want: failed(byOrgID(strings.ReplaceAll(asEchoed(sent), `\u000a`, `\n`), badOrgID))})
	}
	check(t, rostertest.Options{}, rows)
}

// Contract 3.1: what is not a string is that item's failure, and everything is
// echoed exactly as sent.
func TestEcho(t *testing.T) {
	var rows []row
	for _, item := range []string{`7`, `-0`, `0.0`, `1E5`, `1e400`, `12345678901234567890.00`, `true`, `false`, `null`} {
		rows = append(rows,
			row{
				says: "a number, boolean or null inside: " + item, body: `{"deleteEmailIds":["ann@example.com", ` + item + ` ]}`,
				want: failed(byEmail(item, badEmail)), gone: []string{ann},
			},
			row{
				says: "inside the other list: " + item, body: `{"orgUserIds":[` + item + `,"E1"]}`,
				want: failed(byOrgID(item, badOrgID)), gone: []string{ann},
			})
	}
	for _, sent := range []string{
		" Nobody@EXAMPLE.com ", `<b>&'"/nobody@example.com`, "nobody@BÜCHER.example", "cafe\u0301@example.com", "x\u2028\u2029\u00ad@example.com",
		"\u212a9@example.com", "\U0001f600@example.com", `back\slash@example.com`,
	} {
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(sent)
		msg := noSuchEmail
		if strings.ContainsAny(sent, "\"\u2028") {
			msg = badEmail
		}
		rows = append(rows, row{says: "echoed exactly as sent, no HTML escaping: " + sent, body: emails(quoted), want: failed(byEmail(`"`+quoted+`"`, msg))})
	}
	rows = append(rows,
		row{
			says: "echoed as a value: escapes that are not needed go", body: emails(`\u003cb\u003e\/\u00e9@example.com`),
			want: failed(byEmail(`"<b>/é@example.com"`, noSuchEmail)),
		},
		row{says: "orgUserId as sent", body: orgIDs(` <x>&\t`), want: failed(byOrgID(`" <x>&\t"`, noSuchOrgID))},
		row{says: "an owner's address as sent", body: emails(" OWNER@Example.COM"), want: failed(byEmail(`" OWNER@Example.COM"`, unauthorized))})
	check(t, rostertest.Options{}, rows)
}
