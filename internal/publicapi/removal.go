package publicapi

import (
	"errors"
	"io"
	"os"

	"roster/internal/directory"
	"roster/internal/jsonstream"
)

// Keys of the body of a removal.
const (
	keyEmails      = "deleteEmailIds"
	keyOrgUserIDs  = "orgUserIds"
	keyIncludeMeta = "includeMeta"
	keyNote        = "note"
	keyRun         = "run"
)

// maxNesting is how deep a body's arrays and objects may nest.
const maxNesting = 32

// removalRequest is the body of a removal or a restoration.
type removalRequest struct {
	refs        []directory.UserRef // addresses first; nil for {}
	includeMeta bool
	labels      directory.RemovalLabels
}

// removalReader reads the body of a removal as a stream: what is kept are the
// ids, not what stands around them.
type removalReader struct {
	*idReader
	emails      idList
	orgUserIDs  idList
	includeMeta bool
	labels      directory.RemovalLabels
	restores    bool // it is a restoration, which has no labels
	empty       bool // it is {}
}

// readRemoval reads a removal's body to its end before it judges it. The
// faults come in this order: not JSON, wrong types or no list, nobody named,
// too many named. orEmpty takes {} as well: with any other key, such as a list's
// that is misspelt, the body names no list. What it keeps is paid for by held;
// errOverload ends it at once.
func readRemoval(src io.Reader, limits Limits, orEmpty bool, held *holding) (removalRequest, error) {
	b := newBody(src, limits.MaxBody, held)
	rd := &removalReader{idReader: newIDReader(b, limits), restores: orEmpty}
	if err := rd.read(); err != nil {
		return removalRequest{}, bodyError(err, b)
	}
	if orEmpty && rd.empty {
		return removalRequest{}, nil
	}
	return rd.judge()
}

// bodyError tells a body that is no JSON from one that did not arrive or was
// too much. err is the reader's, who may have taken an error of b for the end.
func bodyError(err error, b *body) error {
	if wire, ok := errors.AsType[*wireError](b.err); ok {
		return wire
	}
	switch {
	case errors.Is(err, errOverload), errors.Is(b.err, errOverload):
		return errOverload
	case errors.Is(err, errSpool):
		return err
	case errors.Is(b.err, os.ErrDeadlineExceeded):
		return errTimeout
	}
	return errJSON
}

func (rd *removalReader) judge() (removalRequest, error) {
	switch {
	case rd.wrongType || (!rd.emails.present && !rd.orgUserIDs.present):
		return removalRequest{}, errValidation
	case rd.ids == 0 && rd.emails.present:
		return removalRequest{}, errEmptyList(keyEmails)
	case rd.ids == 0:
		return removalRequest{}, errEmptyList(keyOrgUserIDs)
	case rd.tooMany && rd.sink != nil:
		return removalRequest{}, errTooManyForJob(rd.maxIDs)
	case rd.tooMany:
		return removalRequest{}, errTooMany(rd.maxIDs)
	}
	return removalRequest{
		refs:        append(rd.emails.refs, rd.orgUserIDs.refs...),
		includeMeta: rd.includeMeta,
		labels:      rd.labels,
	}, nil
}

// read takes in the whole body. An error means that it is not JSON or did not
// arrive.
func (rd *removalReader) read() error {
	kind, err := rd.json.Kind()
	if err != nil {
		return err
	}
	if kind != jsonstream.Object {
		rd.wrongType = true
		err = rd.json.Skip()
	} else {
		rd.empty = true
		err = rd.json.Object(rd.member)
	}
	if err != nil {
		return err
	}
	return rd.json.End()
}

func (rd *removalReader) member(key string) error {
	rd.empty = false
	switch {
	case rd.restores:
	case key == keyNote:
		return rd.label(&rd.labels.Note, directory.ValidRemovalNote)
	case key == keyRun:
		return rd.label(&rd.labels.Run, directory.ValidRemovalRun)
	}
	switch key {
	case keyEmails:
		return rd.list(&rd.emails, directory.ByEmail)
	case keyOrgUserIDs:
		return rd.list(&rd.orgUserIDs, directory.ByOrgUserID)
	case keyIncludeMeta:
		return rd.option(&rd.includeMeta)
	}
	return rd.json.Skip()
}

// label reads a text that valid accepts. null counts as absent.
func (rd *removalReader) label(into *string, valid func(string) bool) error {
	kind, err := rd.json.Kind()
	if err != nil {
		return err
	}
	if err := rd.text(into); err != nil {
		return err
	}
	if kind == jsonstream.String && !valid(*into) {
		rd.wrongType = true
	}
	return nil
}

// option reads a flag that is off unless it is true.
func (rd *removalReader) option(into *bool) error {
	var value *bool
	err := rd.flag(&value)
	*into = value != nil && *value
	return err
}
