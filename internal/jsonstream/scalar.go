package jsonstream

import (
	"errors"
	"slices"
)

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// scalar reads a number, true, false or null.
func (r *Reader) scalar() error {
	kind, err := r.Kind()
	if err != nil {
		return err
	}
	switch kind {
	case True:
		return r.word("true")
	case False:
		return r.word("false")
	case Null:
		return r.word("null")
	case Number:
		return r.number()
	}
	return ErrSyntax
}

func (r *Reader) word(text string) error {
	for i := range len(text) {
		c, err := r.byte()
		if err != nil {
			return err
		}
		if c != text[i] {
			return ErrSyntax
		}
		r.take(c)
	}
	return nil
}

// number reads a number: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
func (r *Reader) number() error {
	if _, err := r.option("-"); err != nil {
		return err
	}
	zero, err := r.option("0")
	if err == nil && !zero {
		err = r.digits()
	}
	if err != nil {
		return err
	}
	if dot, err := r.option("."); err != nil {
		return err
	} else if dot {
		if err := r.digits(); err != nil {
			return err
		}
	}
	exp, err := r.option("eE")
	if err != nil || !exp {
		return err
	}
	if _, err := r.option("+-"); err != nil {
		return err
	}
	return r.digits()
}

// option takes the next byte if it is one of these.
func (r *Reader) option(of string) (bool, error) {
	c, err := r.byte()
	if errors.Is(err, errEnd) { // a number may end the text
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for i := range len(of) {
		if c == of[i] {
			r.take(c)
			return true, nil
		}
	}
	return false, r.src.UnreadByte()
}

// digits reads one digit or more.
func (r *Reader) digits() error {
	for n := 0; ; n++ {
		digit, err := r.option("0123456789")
		switch {
		case err != nil:
			return err
		case !digit && n == 0:
			return ErrSyntax
		case !digit:
			return nil
		}
	}
}

// keySet finds duplicate keys by their hashes, which are seeded anew for each
// Reader. The zero keySet is empty. Among a million keys of one object two different ones have the same
// hash once in 30 million objects; the object is then refused.
type keySet struct {
	few  [8]uint64
	n    int
	many map[uint64]struct{}
}

// add reports whether the hash is new.
func (s *keySet) add(hash uint64) bool {
	if s.many != nil {
		if _, dup := s.many[hash]; dup {
			return false
		}
		s.many[hash] = struct{}{}
		return true
	}
	if slices.Contains(s.few[:s.n], hash) {
		return false
	}
	if s.n < len(s.few) {
		s.few[s.n] = hash
		s.n++
		return true
	}
	s.many = make(map[uint64]struct{}, 4*len(s.few))
	for _, h := range s.few {
		s.many[h] = struct{}{}
	}
	s.many[hash] = struct{}{}
	return true
}
