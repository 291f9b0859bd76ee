package publicapi

import (
	"errors"
	"io"
	"os"

	"github.com/go-json-experiment/json/jsontext"

	"roster/internal/directory"
)

// Keys of the body of a removal.
const (
	keyEmails      = "deleteEmailIds"
	keyOrgUserIDs  = "orgUserIds"
	keyIncludeMeta = "includeMeta"
)

// maxNesting is how deep a body's arrays and objects may nest.
const maxNesting = 32

// removalRequest is the body of a removal.
type removalRequest struct {
	refs        []directory.UserRef // addresses first
	includeMeta bool
}

// idList is one of the two lists as the body has it.
type idList struct {
	present bool // the key is there and its value is a list
	refs    []directory.UserRef
}

// removalReader reads the body of a removal as a stream: what is kept are the
// ids, not what stands around them.
type removalReader struct {
	dec         *jsontext.Decoder
	maxIDs      int
	emails      idList
	orgUserIDs  idList
	includeMeta bool
	wrongType   bool // a known key has a value of the wrong type
	tooMany     bool
}

// readRemoval reads a removal's body to its end before it judges it. The
// faults come in this order: not JSON, wrong types or no list, nobody named,
// too many named.
func readRemoval(src io.Reader, limits Limits) (removalRequest, error) {
	b := newBody(src, limits.MaxBody)
	rd := &removalReader{dec: jsontext.NewDecoder(b), maxIDs: limits.MaxIDs}
	if err := rd.read(); err != nil {
		return removalRequest{}, bodyError(b, err)
	}
	return rd.judge()
}

// bodyError tells a body that is no JSON from one that did not arrive.
func bodyError(b *body, err error) error {
	var wire *wireError
	switch {
	case errors.As(b.err, &wire):
		return wire
	case errors.Is(b.err, os.ErrDeadlineExceeded):
		return errTimeout
	case errors.As(err, &wire):
		return wire
	}
	return errJSON
}

func (rd *removalReader) judge() (removalRequest, error) {
	named := len(rd.emails.refs) + len(rd.orgUserIDs.refs)
	switch {
	case rd.wrongType || (!rd.emails.present && !rd.orgUserIDs.present):
		return removalRequest{}, errValidation
	case named == 0 && rd.emails.present:
		return removalRequest{}, errEmptyList(keyEmails)
	case named == 0:
		return removalRequest{}, errEmptyList(keyOrgUserIDs)
	case rd.tooMany:
		return removalRequest{}, errTooMany(rd.maxIDs)
	}
	return removalRequest{
		refs:        append(rd.emails.refs, rd.orgUserIDs.refs...),
		includeMeta: rd.includeMeta,
	}, nil
}

// read takes in the whole body. An error means that it is not JSON.
func (rd *removalReader) read() error {
	if rd.dec.PeekKind() != '{' {
		rd.wrongType = true
		if err := rd.skip(); err != nil {
			return err
		}
		return rd.end()
	}
	if _, err := rd.dec.ReadToken(); err != nil {
		return err
	}
	for rd.dec.PeekKind() != '}' {
		name, err := rd.dec.ReadToken()
		if err != nil {
			return err
		}
		switch name.String() {
		case keyEmails:
			err = rd.list(&rd.emails, directory.ByEmail)
		case keyOrgUserIDs:
			err = rd.list(&rd.orgUserIDs, directory.ByOrgUserID)
		case keyIncludeMeta:
			err = rd.flag(&rd.includeMeta)
		default:
			err = rd.skip()
		}
		if err != nil {
			return err
		}
	}
	if _, err := rd.dec.ReadToken(); err != nil {
		return err
	}
	return rd.end()
}

// end makes sure that nothing follows the value.
func (rd *removalReader) end() error {
	switch _, err := rd.dec.ReadToken(); {
	case err == io.EOF: //nolint:errorlint // the decoder says it plainly
		return nil
	case err != nil:
		return err
	}
	return errJSON
}

// list reads one of the two lists. null counts as absent.
func (rd *removalReader) list(into *idList, kind directory.IDKind) error {
	switch rd.dec.PeekKind() {
	case 'n':
		return rd.skip()
	case '[':
	default:
		rd.wrongType = true
		return rd.skip()
	}
	if _, err := rd.dec.ReadToken(); err != nil {
		return err
	}
	into.present = true
	for rd.dec.PeekKind() != ']' {
		ref := directory.UserRef{Kind: kind}
		switch rd.dec.PeekKind() {
		case '"':
			token, err := rd.dec.ReadToken()
			if err != nil {
				return err
			}
			ref.Text = token.String()
		case '{', '[':
			rd.wrongType = true
			if err := rd.skip(); err != nil {
				return err
			}
			continue
		default: // a number, true, false or null; or no JSON at all
			value, err := rd.dec.ReadValue()
			if err != nil {
				return err
			}
			ref.Text, ref.NotText = string(value), true
		}
		rd.add(into, ref)
	}
	_, err := rd.dec.ReadToken()
	return err
}

// add keeps an id, up to the limit of the call. The rest of the body is read
// all the same: whether it is JSON comes first.
func (rd *removalReader) add(into *idList, ref directory.UserRef) {
	if len(rd.emails.refs)+len(rd.orgUserIDs.refs) == rd.maxIDs {
		rd.tooMany = true
		return
	}
	into.refs = append(into.refs, ref)
}

// flag reads true or false. null counts as absent.
func (rd *removalReader) flag(into *bool) error {
	switch rd.dec.PeekKind() {
	case 't':
		*into = true
	case 'f', 'n':
	default:
		rd.wrongType = true
	}
	return rd.skip()
}

// skip reads past the next value, however large, and bounds its nesting.
func (rd *removalReader) skip() error {
	outside := rd.dec.StackDepth()
	for {
		if _, err := rd.dec.ReadToken(); err != nil {
			return err
		}
		switch depth := rd.dec.StackDepth(); {
		case depth > maxNesting:
			return errJSON
		case depth == outside:
			return nil
		}
	}
}
