// Package jsonstream reads JSON from a stream and keeps nothing of it but what
// its caller asks for: a body of 16 MiB of blanks, or one string of that size
// that nobody wants, costs no memory. Libraries at hand hold every token, every
// run of blanks and all keys of an object.
//
// It is strict (RFC 8259): a duplicate key at any depth, invalid UTF-8, a lone
// surrogate, data after the value and nesting beyond a bound are faults. It
// knows nothing of what the JSON means.
package jsonstream

import (
	"bufio"
	"errors"
	"hash/maphash"
	"io"
	"math"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrSyntax says that the text is not JSON as this package takes it.
var ErrSyntax = errors.New("not JSON")

// MaxKey is the longest key, in bytes, that is handed out. A longer one is
// handed out as "".
const MaxKey = 64

// Kinds of value, as Reader.Kind returns them.
const (
	Object = '{'
	Array  = '['
	String = '"'
	Number = '0'
	True   = 't'
	False  = 'f'
	Null   = 'n'
)

// Reader reads one JSON value from a stream. Every method returns ErrSyntax, or
// the stream's own error, when the text does not go on as it should; the Reader
// is then of no more use. It is not safe for concurrent use.
type Reader struct {
	src      *bufio.Reader
	depth    int
	maxDepth int
	buf      []byte // of the string or number being read
	limit    int    // how much of it is kept
	length   int    // how long it is
	hash     maphash.Hash
	hashing  bool     // whether hash takes it in
	seen     []keySet // of the open objects, by depth
	onTopKey func(key string)

	skipMember  func(string) error // Skip, as Object wants it
	skipElement func() error       // Skip, as Array wants it
}

// NewReader reads from src. maxDepth is how deep arrays and objects may nest.
func NewReader(src io.Reader, maxDepth int) *Reader {
	r := &Reader{src: bufio.NewReaderSize(src, 32<<10), maxDepth: maxDepth, seen: make([]keySet, maxDepth+1)}
	r.skipMember = func(string) error { return r.Skip() }
	r.skipElement = r.Skip
	return r
}

// maxTopKey is how much of a key the function of OnTopKey gets, in bytes.
const maxTopKey = 1 << 10

// OnTopKey sets a function that gets each key of the outermost object before its
// value is read, also a key that Object hands out as "" for its length; nil for
// none. Of a key of more than 1 KiB it gets the beginning.
func (r *Reader) OnTopKey(fn func(key string)) { r.onTopKey = fn }

// Kind skips blanks and says of what kind the next value is.
func (r *Reader) Kind() (byte, error) {
	c, err := r.peek()
	switch {
	case err != nil:
		return 0, err
	case c == Object, c == Array, c == String, c == True, c == False, c == Null:
		return c, nil
	case c == '-', isDigit(c):
		return Number, nil
	}
	return 0, ErrSyntax
}

// Text reads a string.
func (r *Reader) Text() (string, error) {
	r.keep(math.MaxInt)
	if err := r.str(); err != nil {
		return "", err
	}
	return string(r.buf), nil
}

// Raw reads a number, true, false or null and returns it as it is written.
func (r *Reader) Raw() (string, error) {
	r.keep(math.MaxInt)
	if err := r.scalar(); err != nil {
		return "", err
	}
	return string(r.buf), nil
}

// Object reads an object. For each of its members it calls member, which must
// read the value. An error of member ends it.
func (r *Reader) Object(member func(key string) error) error {
	return r.nested(Object, '}', member, nil)
}

// Array reads an array. For each element it calls element, which must read it.
// An error of element ends it.
func (r *Reader) Array(element func() error) error {
	return r.nested(Array, ']', nil, element)
}

// Skip reads the next value, whatever it is.
func (r *Reader) Skip() error {
	kind, err := r.Kind()
	if err != nil {
		return err
	}
	switch kind {
	case Object:
		return r.Object(r.skipMember)
	case Array:
		return r.Array(r.skipElement)
	case String:
		r.keep(0)
		return r.str()
	}
	r.keep(0)
	return r.scalar()
}

// End makes sure that nothing but blanks follows.
func (r *Reader) End() error {
	_, err := r.peek()
	switch {
	case errors.Is(err, errEnd):
		return nil
	case err != nil:
		return err
	}
	return ErrSyntax
}

// errEnd is the end of the stream where JSON should go on.
var errEnd = &endError{}

type endError struct{}

func (*endError) Error() string { return "unexpected end" }
func (*endError) Unwrap() error { return ErrSyntax }

// nested reads what stands between two brackets, with commas between: members,
// or elements where member is nil.
func (r *Reader) nested(open, closing byte, member func(string) error, element func() error) error {
	if err := r.expect(open); err != nil {
		return err
	}
	if r.depth == r.maxDepth {
		return ErrSyntax
	}
	r.depth++
	r.seen[r.depth] = keySet{}
	defer func() {
		r.seen[r.depth] = keySet{}
		r.depth--
	}()
	for first := true; ; first = false {
		c, err := r.peek()
		switch {
		case err != nil:
			return err
		case c == closing:
			return r.skipByte()
		case !first:
			if err := r.expect(','); err != nil {
				return err
			}
		}
		if member != nil {
			err = r.member(member)
		} else {
			err = element()
		}
		if err != nil {
			return err
		}
		// A comma must be followed by an item, not by the closing bracket.
		if c, err = r.peek(); err != nil {
			return err
		} else if c != ',' && c != closing {
			return ErrSyntax
		}
	}
}

// member reads a key and lets fn read its value.
func (r *Reader) member(fn func(key string) error) error {
	r.hash.Reset()
	top := r.onTopKey != nil && r.depth == 1
	r.keep(MaxKey)
	if top {
		r.limit = maxTopKey
	}
	r.hashing = true
	err := r.str()
	r.hashing = false
	if err != nil {
		return err
	}
	if !r.seen[r.depth].add(r.hash.Sum64()) {
		return ErrSyntax
	}
	if top {
		r.onTopKey(string(r.buf))
	}
	key := ""
	if r.length <= MaxKey {
		key = string(r.buf)
	}
	if err := r.expect(':'); err != nil {
		return err
	}
	return fn(key)
}

// keep sets how much of the next string or number stays in buf.
func (r *Reader) keep(limit int) {
	if cap(r.buf) > 64<<10 {
		r.buf = nil // one huge id must not cost its size until the end
	}
	r.buf, r.limit, r.length = r.buf[:0], limit, 0
}

func (r *Reader) take(b ...byte) {
	r.length += len(b)
	r.buf = append(r.buf, b[:min(len(b), r.limit-len(r.buf))]...)
	if r.hashing {
		r.hash.Write(b)
	}
}

// peek skips blanks and returns the next byte without reading it.
func (r *Reader) peek() (byte, error) {
	for {
		c, err := r.byte()
		if err != nil {
			return 0, err
		}
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c, r.src.UnreadByte()
		}
	}
}

func (r *Reader) byte() (byte, error) {
	c, err := r.src.ReadByte()
	if errors.Is(err, io.EOF) {
		return 0, errEnd
	}
	return c, err
}

func (r *Reader) skipByte() error {
	_, err := r.src.ReadByte()
	return err
}

// expect skips blanks and reads this byte.
func (r *Reader) expect(want byte) error {
	c, err := r.peek()
	if err != nil {
		return err
	}
	if c != want {
		return ErrSyntax
	}
	return r.skipByte()
}

// str reads a string.
func (r *Reader) str() error {
	if err := r.expect(String); err != nil {
		return err
	}
	for {
		if _, err := r.src.Peek(1); err != nil {
			_, err = r.byte() // the end, or the stream's error
			return err
		}
		window, _ := r.src.Peek(r.src.Buffered()) // what is buffered is there
		n := plainPrefix(window)
		r.take(window[:n]...)
		_, _ = r.src.Discard(n) // what was peeked is there
		if n == len(window) {
			continue
		}
		c, err := r.byte()
		switch {
		case err != nil:
			return err
		case c == String:
			return nil
		case c == '\\':
			err = r.escape()
		case c < ' ':
			err = ErrSyntax
		default:
			err = r.multibyte()
		}
		if err != nil {
			return err
		}
	}
}

// plainPrefix is how many bytes at the start stand for themselves.
func plainPrefix(b []byte) int {
	for i, c := range b {
		if c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return i
		}
	}
	return len(b)
}

// multibyte reads a character beyond ASCII whose first byte was read.
func (r *Reader) multibyte() error {
	if err := r.src.UnreadByte(); err != nil {
		return err
	}
	char, size, err := r.src.ReadRune()
	if err != nil {
		return err
	}
	if char == utf8.RuneError && size == 1 {
		// Unless the stream broke within the character.
		if _, err := r.src.Peek(utf8.UTFMax - 1); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		return ErrSyntax
	}
	r.takeRune(char)
	return nil
}

func (r *Reader) takeRune(char rune) {
	var b [utf8.UTFMax]byte
	r.take(b[:utf8.EncodeRune(b[:], char)]...)
}

// escapes are the characters that follow a backslash, and what they stand for.
var escapes = map[byte]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// escape reads what follows a backslash.
func (r *Reader) escape() error {
	c, err := r.byte()
	if err != nil {
		return err
	}
	if c != 'u' {
		plain, ok := escapes[c]
		if !ok {
			return ErrSyntax
		}
		r.take(plain)
		return nil
	}
	char, err := r.hex4()
	if err != nil {
		return err
	}
	if utf16.IsSurrogate(char) {
		for _, want := range []byte(`\u`) {
			if c, err := r.byte(); err != nil || c != want {
				return errors.Join(ErrSyntax, err)
			}
		}
		second, err := r.hex4()
		if err != nil {
			return err
		}
		if char = utf16.DecodeRune(char, second); char == utf8.RuneError {
			return ErrSyntax
		}
	}
	r.takeRune(char)
	return nil
}

func (r *Reader) hex4() (char rune, err error) {
	for range 4 {
		c, err := r.byte()
		if err != nil {
			return 0, err
		}
		switch {
		case isDigit(c):
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, ErrSyntax
		}
		char = char<<4 | rune(c)
	}
	return char, nil
}
