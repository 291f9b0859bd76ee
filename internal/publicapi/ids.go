package publicapi

import (
	"roster/internal/directory"
	"roster/internal/jsonstream"
)

// idList is a list of ids as a body has it.
type idList struct {
	present bool // the key is there and its value is a list
	refs    []directory.UserRef
}

// idReader reads the lists of ids of a body.
type idReader struct {
	json      *jsonstream.Reader
	held      *holding
	maxIDs    int                           // of all lists
	ids       int                           // so far
	weight    int                           // how many ids each takes as much memory as
	sink      func(directory.UserRef) error // gets the ids of lists, which then keep none; nil without a job
	wrongType bool                          // a known key has a value of the wrong type
	tooMany   bool
}

// newIDReader makes the reader of a body. A key at its top that resembles an option
// is a wrong type, since options are parameters of the query: see readOptions.
func newIDReader(b *body, limits Limits) *idReader {
	rd := &idReader{json: jsonstream.NewReader(b, maxNesting), held: b.held, maxIDs: limits.MaxIDs, weight: 1}
	rd.json.OnTopKey(func(key string) { rd.wrongType = rd.wrongType || resemblesOption(key) })
	return rd
}

// list reads a list of ids. null counts as absent.
func (rd *idReader) list(into *idList, kind directory.IDKind) error {
	return rd.array(&into.present, func() error {
		return rd.element(func(value byte) error {
			ref := directory.UserRef{Kind: kind}
			var err error
			if value == jsonstream.String {
				ref.Text, err = rd.json.Text()
			} else { // a number, true, false or null
				ref.NotText = true
				ref.Text, err = rd.json.Raw()
			}
			switch {
			case rd.sink == nil:
				into.refs = append(into.refs, ref)
			case err == nil && !rd.wrongType: // else it is known that the body is refused
				err = rd.sink(ref)
			}
			return err
		})
	})
}

// names reads a list of texts. null counts as absent.
func (rd *idReader) names(into *[]string) error {
	var present bool
	return rd.array(&present, func() error {
		return rd.element(func(value byte) error {
			if value != jsonstream.String {
				rd.wrongType = true
				return rd.json.Skip()
			}
			name, err := rd.json.Text()
			*into = append(*into, name)
			return err
		})
	})
}

// array reads an array by its elements, and notes whether it is one.
func (rd *idReader) array(present *bool, element func() error) error {
	value, err := rd.json.Kind()
	switch {
	case err != nil:
		return err
	case value == jsonstream.Array:
		*present = true
		return rd.json.Array(element)
	case value != jsonstream.Null:
		rd.wrongType = true
	}
	return rd.json.Skip()
}

// element reads one id by read, up to the limit of the call. The rest of the body
// is read all the same: whether it is JSON comes first.
func (rd *idReader) element(read func(value byte) error) error {
	value, err := rd.json.Kind()
	if err != nil {
		return err
	}
	switch {
	case value == jsonstream.Object, value == jsonstream.Array:
		rd.wrongType = true
		return rd.json.Skip()
	case rd.ids == rd.maxIDs:
		rd.tooMany = true
		return rd.json.Skip()
	}
	if err := rd.held.addIDs(rd.weight); err != nil {
		return err
	}
	rd.ids++
	return read(value)
}

// text reads a text. null counts as absent.
func (rd *idReader) text(into *string) error {
	value, err := rd.json.Kind()
	switch {
	case err != nil:
		return err
	case value == jsonstream.String:
		*into, err = rd.json.Text()
		return err
	case value != jsonstream.Null:
		rd.wrongType = true
	}
	return rd.json.Skip()
}
