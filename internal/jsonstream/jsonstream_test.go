package jsonstream_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-json-experiment/json/jsontext"

	"roster/internal/jsonstream"
)

const depth = 8

// faults and values are JSON texts of every kind that matters.
var (
	values = []string{
		`{}`, `[]`, `""`, `0`, `-0`, `12`, `-1.5e+10`, `1E5`, `0.0`, `true`, `false`, `null`, " \t\r\n[ 1 , 2 ] \n",
		`{"a":1,"b":{"a":[{},[]]}}`, `"\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00"`, `"é😀` + "\u2028" + `"`, `{"":0}`,
		`[[[[[[[[]]]]]]]]`, `{"a":1,"A":2,"` + "\u00e1" + `":3,"` + "a\u0301" + `":4}`,
		`{"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":0,"9":0,"10":0}`, "\"\x7f\"", `"\u0000"`,
	}
	faults = []string{
		``, ` `, `{`, `[`, `"`, `}`, `]`, `,`, `:`, `{]`, `[}`, `[1,]`, `[,1]`, `[1 2]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,"a":1}`,
		`{a:1}`, `{'a':1}`, `{1:1}`, `{"a" 1}`, `{"a":1 "b":2}`, `tru`, `truee`, `True`, `nul`, `NaN`, `Infinity`, `-`, `+1`, `01`, `-01`,
		`1.`, `.5`, `1e`, `1e+`, `0x1`, `1 2`, `{} {}`, `[] x`, `"a" "b"`, "\"a\nb\"", "\"\x00\"", "\"\x1f\"", `"\a"`, `"\u12"`, `"\u12g4"`,
		`"\ud800"`, `"\udc00"`, `"\ud800\ud800"`, `"\ud800x"`, `"\ud800\n"`, "\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\"", "\"\xc0\x80\"",
		"\ufeff{}", `{"a":1,"a":2}`, `{"a":{"b":1,"b":2}}`, `[{"a":1,"\u0061":2}]`, `[[[[[[[[[]]]]]]]]]`, `// x`, `[1]/**/`,
		`{"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":0,"9":0,"1":0}`, `{"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":0,"9":0,"10":0,"9":1}`,
	}
)

func read(src io.Reader) error {
	r := jsonstream.NewReader(src, depth)
	if err := r.Skip(); err != nil {
		return err
	}
	return r.End()
}

func TestStrictJSON(t *testing.T) {
	t.Parallel()
	for _, text := range values {
		for name, src := range map[string]io.Reader{"whole": strings.NewReader(text), "bytes": iotest.OneByteReader(strings.NewReader(text))} {
			if err := read(src); err != nil {
				t.Errorf("%s, %s: %v", text, name, err)
			}
		}
	}
	for _, text := range faults {
		for name, src := range map[string]io.Reader{"whole": strings.NewReader(text), "bytes": iotest.OneByteReader(strings.NewReader(text))} {
			if err := read(src); !errors.Is(err, jsonstream.ErrSyntax) {
				t.Errorf("%q, %s: error %v", text, name, err)
			}
		}
	}
}

func TestErrorOfTheStreamComesThrough(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	text := `{"key":["text é \u00e9",-1.5e5,true,null,{}]} `
	for i := range len(text) {
		src := io.MultiReader(strings.NewReader(text[:i]), iotest.ErrReader(broken))
		if err := read(src); !errors.Is(err, broken) {
			t.Errorf("after %q: %v", text[:i], err)
		}
	}
}

func TestTextAndRaw(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 100_000)
	r := jsonstream.NewReader(strings.NewReader(`["\u0061\ud83d\ude00/\n", -1.50E+3 ,true,null,"`+long+`","x"]`), depth)
	var got []string
	err := r.Array(func() error {
		read := r.Raw
		if kind, err := r.Kind(); err != nil {
			return err
		} else if kind == jsonstream.String {
			read = r.Text
		}
		text, err := read()
		got = append(got, text)
		return err
	})
	want := []string{"a😀/\n", "-1.50E+3", "true", "null", long, "x"}
	if err != nil || strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %.100q, error %v", got, err)
	}
}

func TestLongKeysAreReadAndNotHandedOut(t *testing.T) {
	t.Parallel()
	fits, long := strings.Repeat("k", jsonstream.MaxKey), strings.Repeat("k", jsonstream.MaxKey+1)
	for text, want := range map[string]string{
		`{"` + fits + `":1,"` + long + `":2}`:          fits + "|",
		`{"` + long + `a":1,"` + long + `b":2}`:        "|",
		`{"a":1,"` + strings.Repeat("k", 1e6) + `":2}`: "a|",
	} {
		var keys []string
		r := jsonstream.NewReader(strings.NewReader(text), depth)
		err := r.Object(func(key string) error {
			keys = append(keys, key)
			return r.Skip()
		})
		if got := strings.Join(keys, "|"); err != nil || got != want {
			t.Errorf("keys %.100q, error %v", got, err)
		}
	}
	if err := read(strings.NewReader(`{"` + long + `":1,"` + long + `":2}`)); !errors.Is(err, jsonstream.ErrSyntax) {
		t.Errorf("a long key twice: %v", err)
	}
}

// FuzzReader compares the Reader with another strict one: what is JSON to one
// is JSON to the other, and the strings in it are the same.
func FuzzReader(f *testing.F) {
	for _, text := range append(values, faults...) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		other, ok := others(string(text))
		var ours []string
		r := jsonstream.NewReader(iotest.HalfReader(strings.NewReader(string(text))), depth)
		err := collect(r, &ours)
		if err == nil {
			err = r.End()
		}
		if ok != (err == nil) {
			t.Fatalf("%q: ours %v, the other takes it: %v", text, err, ok)
		}
		if ok && strings.Join(ours, "|") != strings.Join(other, "|") {
			t.Fatalf("%q: %q and %q", text, ours, other)
		}
	})
}

// collect gathers all keys that are short, strings and scalars.
func collect(r *jsonstream.Reader, into *[]string) error {
	kind, err := r.Kind()
	if err != nil {
		return err
	}
	switch kind {
	case jsonstream.Object:
		return r.Object(func(key string) error {
			*into = append(*into, key)
			return collect(r, into)
		})
	case jsonstream.Array:
		return r.Array(func() error { return collect(r, into) })
	case jsonstream.String:
		text, err := r.Text()
		*into = append(*into, text)
		return err
	}
	text, err := r.Raw()
	*into = append(*into, text)
	return err
}

// others reads the text with jsontext, bounded in depth.
func others(text string) (found []string, ok bool) {
	dec := jsontext.NewDecoder(strings.NewReader(text))
	for {
		index, length := dec.StackIndex(dec.StackDepth())
		isKey := index == jsontext.KindBeginObject && length%2 == 0
		kind := dec.PeekKind()
		raw := kind != '{' && kind != '[' && kind != '}' && kind != ']' && kind != '"'
		var err error
		if raw && kind != 0 {
			var value jsontext.Value
			value, err = dec.ReadValue()
			found = append(found, string(value))
		} else {
			var token jsontext.Token
			token, err = dec.ReadToken()
			if err == nil && kind == '"' {
				key := token.String()
				if isKey && len(key) > jsonstream.MaxKey {
					key = ""
				}
				found = append(found, key)
			}
		}
		if err != nil || dec.StackDepth() > depth {
			return nil, false
		}
		if dec.StackDepth() == 0 {
			_, err := dec.ReadToken()
			return found, errors.Is(err, io.EOF)
		}
	}
}
