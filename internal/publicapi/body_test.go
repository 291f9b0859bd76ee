package publicapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"roster/internal/rostertest"
)

// annOnly is the good list that a body of a row holds beside its fault.
const annOnly = `"deleteEmailIds":["ann@example.com"]`

// refused makes rows of bodies that are refused alike, a name and a body in turn.
func refused(status int, want string, namesAndBodies ...string) []row {
	rows := make([]row, 0, len(namesAndBodies)/2)
	for i := 0; i < len(namesAndBodies); i += 2 {
		rows = append(rows, row{says: namesAndBodies[i], body: namesAndBodies[i+1], status: status, want: want})
	}
	return rows
}

// taken makes rows of bodies that remove Ann, a name and a body in turn.
func taken(namesAndBodies ...string) []row {
	rows := make([]row, 0, len(namesAndBodies)/2)
	for i := 0; i < len(namesAndBodies); i += 2 {
		rows = append(rows, row{says: namesAndBodies[i], body: namesAndBodies[i+1], want: removed, gone: []string{ann}})
	}
	return rows
}

// nest is a value nested n deep.
func nest(open, inner, end string, n int) string {
	return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
}

// Contract 1: what is Invalid JSON.
func TestInvalidJSON(t *testing.T) {
	rows := refused(http.StatusBadRequest, invalidJSON,
		"no body", ``,
		"no body but blanks", " \r\n\t",
		"unparsable: the end is missing", `{`+annOnly,
		"unparsable: the list's end is missing", `{"deleteEmailIds":["ann@example.com"`,
		"unparsable: the string's end is missing", `{"deleteEmailIds":["ann@example.com`,
		"unparsable: a comma too many in the list", `{"deleteEmailIds":["ann@example.com",]}`,
		"unparsable: a comma too many in the object", `{`+annOnly+`,}`,
		"unparsable: a comma too few", `{"deleteEmailIds":["ann@example.com" "bob@example.com"]}`,
		"unparsable: no colon", `{"deleteEmailIds"["ann@example.com"]}`,
		"unparsable: the wrong bracket", `{"deleteEmailIds":["ann@example.com"}]`,
		"unparsable: a key without quotes", `{deleteEmailIds:["ann@example.com"]}`,
		"unparsable: single quotes", `{'deleteEmailIds':['ann@example.com']}`,
		"unparsable: a comment", `{/**/`+annOnly+`}`,
		"unparsable: a key that is a number", `{1:2,`+annOnly+`}`,
		"unparsable: NaN", `{"x":NaN,`+annOnly+`}`,
		"unparsable: a leading zero", `{"x":01,`+annOnly+`}`,
		"unparsable: a leading plus", `{"x":+1,`+annOnly+`}`,
		"unparsable: half a number", `{"deleteEmailIds":["ann@example.com",1.]}`,
		"unparsable: half a literal", `{"deleteEmailIds":["ann@example.com",nul]}`,
		"unparsable: a capital literal", `{"includeMeta":True,`+annOnly+`}`,
		"unparsable: a raw line feed in a string", "{\"x\":\"a\nb\","+annOnly+`}`,
		"unparsable: a raw NUL in a string", "{\"deleteEmailIds\":[\"ann@example.com\x00\"]}",
		"unparsable: an unknown escape", `{"deleteEmailIds":["ann\x40example.com"]}`,
		"unparsable: half an escape", `{"deleteEmailIds":["ann\u00@example.com"]}`,
		"unparsable: form data", `deleteEmailIds=ann@example.com`,

		"duplicate keys: a list", `{`+annOnly+`,`+annOnly+`}`,
		"duplicate keys: a list and null", `{`+annOnly+`,"deleteEmailIds":null}`,
		"duplicate keys: one spelt with escapes", `{`+annOnly+`,"\u0064eleteEmailIds":[]}`,
		"duplicate keys: includeMeta", `{`+annOnly+`,"includeMeta":true,"includeMeta":true}`,
		"duplicate keys: an unknown key", `{"x":1,`+annOnly+`,"x":2}`,
		"duplicate keys: the empty key", `{"":1,"":2,`+annOnly+`}`,
		"duplicate keys at depth 2", `{"x":{"a":1,"a":1},`+annOnly+`}`,
		"duplicate keys at depth 32", `{"x":`+nest(`[`, `{"a":1,"a":1}`, `]`, 30)+`,`+annOnly+`}`,
		"duplicate keys in the list", `{"deleteEmailIds":["ann@example.com",{"a":1,"a":1}]}`,

		"data after the value: another value", `{`+annOnly+`}{`+annOnly+`}`,
		"data after the value: on the next line", `{`+annOnly+"}\n{}",
		"data after the value: a comma", `{`+annOnly+`},`,
		"data after the value: a bracket", `{`+annOnly+`}}`,
		"data after the value: a NUL", `{`+annOnly+"}\x00",
		"data after a value that is no object", `[] []`,
		"a byte order mark", "\ufeff{"+annOnly+`}`,
		"UTF-16", "\xff\xfe{\x00}\x00",
	)
	checkReading(t, rostertest.Options{}, rows)
}

// Contract 1: invalid UTF-8, lone surrogates, nesting.
func TestInvalidText(t *testing.T) {
	rows := taken(
		"a pair of surrogates", `{"x":"\ud83d\ude00","\uD83D\uDE00":1,`+annOnly+`}`,
		"any valid UTF-8", "{\"\U0010ffff\u2028\":\"\u0080\uffff\","+annOnly+`}`,
		"blanks around the value", " \r\n\t{\n"+annOnly+" }\n \n",
		"nesting of 32 arrays in all", `{"x":`+nest(`[`, ``, `]`, 31)+`,`+annOnly+`}`,
		"nesting of 32 objects in all", `{`+annOnly+`,"x":`+nest(`{"x":`, `{}`, `}`, 30)+`}`,
	)
	for _, bad := range []string{"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"} {
		rows = append(rows, refused(http.StatusBadRequest, invalidJSON,
			fmt.Sprintf("invalid UTF-8 %q in an id", bad), `{"deleteEmailIds":["ann@example.com","`+bad+`"]}`,
			fmt.Sprintf("invalid UTF-8 %q in an orgUserId", bad), `{"orgUserIds":["E1`+bad+`"]}`,
			fmt.Sprintf("invalid UTF-8 %q in a key", bad), `{"`+bad+`":1,`+annOnly+`}`,
			fmt.Sprintf("invalid UTF-8 %q in a value of no account", bad), `{"x":["`+bad+`"],`+annOnly+`}`,
			fmt.Sprintf("invalid UTF-8 %q outside of a string", bad), `{`+bad+annOnly+`}`)...)
	}
	for _, lone := range []string{`\ud800`, `\udfff`, `\uDC00\uD800`, `\ud800\u0041`, `\ud83dx`} {
		rows = append(rows, refused(http.StatusBadRequest, invalidJSON,
			"lone surrogate in an id "+lone, `{"deleteEmailIds":["`+lone+`ann@example.com"]}`,
			"lone surrogate in a key "+lone, `{"`+lone+`":1,`+annOnly+`}`,
			"lone surrogate in a value of no account "+lone, `{"x":"`+lone+`",`+annOnly+`}`)...)
	}
	rows = append(rows, refused(http.StatusBadRequest, invalidJSON,
		"nesting of 33 arrays in all", `{"x":`+nest(`[`, ``, `]`, 32)+`,`+annOnly+`}`,
		"nesting of 33 objects in all", `{`+annOnly+`,"x":`+nest(`{"x":`, `{}`, `}`, 31)+`}`,
		"nesting deeper than 32 in the list", `{"deleteEmailIds":["ann@example.com",`+nest(`[`, ``, `]`, 31)+`]}`,
		"nesting deeper than 32 in place of the list", `{"deleteEmailIds":`+nest(`{"a":`, `1`, `}`, 32)+`}`,
		"nesting deeper than 32 without an object", nest(`[`, ``, `]`, 33),
		"nesting deeper than any stack", nest(`[`, ``, `]`, 1_000_000),
		"nesting that never ends", strings.Repeat(`{"x":[`, 100_000))...)
	rows = append(rows, refused(http.StatusPreconditionFailed, invalidArgs,
		"nesting of 32 in the list is JSON", `{"deleteEmailIds":["ann@example.com",`+nest(`[`, ``, `]`, 30)+`]}`,
		"nesting of 32 without an object is JSON", nest(`[`, ``, `]`, 32))...)
	checkReading(t, rostertest.Options{}, rows)
}

// Contract 1 and 3.1: lists that are missing, empty or of a wrong type.
func TestLists(t *testing.T) {
	rows := refused(http.StatusPreconditionFailed, invalidArgs,
		"no list: an empty object", `{}`,
		"no list: null is absent", `{"deleteEmailIds":null}`,
		"no list: both null", `{"deleteEmailIds":null,"orgUserIds":null}`,
		"no list: only unknown keys", `{"emailIds":["ann@example.com"],"includeMeta":true}`,
		"known keys match in exactly their spelling: capitals", `{"DeleteEmailIds":["ann@example.com"]}`,
		"known keys match in exactly their spelling: lower case", `{"deleteemailids":["ann@example.com"]}`,
		"known keys match in exactly their spelling: folding", "{\"orgU\u017ferIds\":[\"E1\"]}",
		"known keys match in exactly their spelling: blanks", `{" deleteEmailIds":["ann@example.com"]}`,
		"no list: a list in place of the object", `["ann@example.com"]`,
		"no list: a string in place of the object", `"ann@example.com"`,
		"no list: null in place of the object", `null`,
		"no list: a number in place of the object", `1`,
		"a string where a list belongs is never coerced", `{"deleteEmailIds":"ann@example.com"}`,
		"a string where the other list belongs", `{"orgUserIds":"E1"}`,
		"a number where a list belongs", `{"deleteEmailIds":1}`,
		"a boolean where a list belongs", `{"deleteEmailIds":true}`,
		"an object where a list belongs", `{"deleteEmailIds":{"0":"ann@example.com"}}`,
		"a wrong type beside a good list", `{`+annOnly+`,"orgUserIds":"E2"}`,
		"a wrong type beside a good list, false", `{"orgUserIds":false,`+annOnly+`}`,
		"a list inside the list", `{"deleteEmailIds":["ann@example.com",["bob@example.com"]]}`,
		"an empty list inside the list", `{"deleteEmailIds":[[]]}`,
		"an object inside the list", `{"deleteEmailIds":[{"emailId":"ann@example.com"}]}`,
		"an object inside the other list", `{"orgUserIds":["E1",{}]}`,
		"includeMeta is no string", `{`+annOnly+`,"includeMeta":"true"}`,
		"includeMeta is no number", `{`+annOnly+`,"includeMeta":1}`,
		"includeMeta is no list", `{`+annOnly+`,"includeMeta":[]}`,
	)
	rows = append(rows, refused(http.StatusBadRequest, emptyEmails,
		"list present but empty", `{"deleteEmailIds":[]}`,
		"[] never means everyone: blanks in it", "{\"deleteEmailIds\":[ \n]}",
		"[] never means everyone: with includeMeta", `{"deleteEmailIds":[],"includeMeta":true}`,
		"both lists empty names the first empty key", `{"deleteEmailIds":[],"orgUserIds":[]}`,
		"one empty and one null names the empty one", `{"deleteEmailIds":[],"orgUserIds":null}`)...)
	rows = append(rows, refused(http.StatusBadRequest, emptyOrgIDs,
		"the other list present but empty", `{"orgUserIds":[]}`,
		"one null and one empty names the empty one", `{"deleteEmailIds":null,"orgUserIds":[]}`)...)
	rows = append(rows, taken(
		"an empty list is absent when the other has items", `{"deleteEmailIds":[],"orgUserIds":["E1"]}`,
		"the other list empty", `{`+annOnly+`,"orgUserIds":[]}`,
		"a null list is absent when the other has items", `{"deleteEmailIds":null,"orgUserIds":["E1"]}`,
		"the other list null", `{`+annOnly+`,"orgUserIds":null}`,
		"unknown JSON keys are ignored", `{"x":1,"emailIds":["bob@example.com"],`+annOnly+`,"y":{"deleteEmailIds":["bob@example.com"],"orgUserIds":7}}`,
		"keys in another case are unknown", `{"DeleteEmailIds":"x","ORGUSERIDS":["E2"],`+annOnly+`,"includemeta":true}`,
		"includeMeta null is absent", `{`+annOnly+`,"includeMeta":null}`,
		"keys come in any order", `{"includeMeta":false,"orgUserIds":null,`+annOnly+`}`)...)
	checkReading(t, rostertest.Options{}, rows)
}
