package publicapi

import (
	"bufio"
	"context"

	"roster/internal/jsonstream"
)

// bodied is an endpoint that takes a body. It says how the body is read, which
// verb it is for and how the outcome is written; on does the rest, which is the
// same for all of them.
type bodied[Req, Out any] struct {
	// read reads the body's one value. A value of another type than it wants it
	// notes in the reader.
	read func(rd *idReader, into *Req) error
	// judge refuses a body whose types are right, as one that names nobody; nil
	// where there is nothing to refuse.
	judge func(req *Req) error
	do    func(ctx context.Context, c *call, req *Req) (Out, error)
	write func(w *bufio.Writer, req *Req, out Out, codes bool)
}

// on makes the endpoint.
func (e bodied[Req, Out]) on(a *API) func(*call) error {
	return func(c *call) error {
		req, release, err := readBody(a, c, e)
		if err != nil {
			return err
		}
		defer release()
		ctx, cancel := c.detachedContext()
		defer cancel()
		out, err := e.do(ctx, c, req)
		if err != nil {
			return err
		}
		answer(c.w, func(w *bufio.Writer) { e.write(w, req, out, c.options.codes) })
		return nil
	}
}

// readBody reads a body to its end before it judges it. The faults come in this
// order: not JSON, wrong types, what e finds, too many items. release gives back
// what the call holds of the load, once it has been answered.
func readBody[Req, Out any](a *API, c *call, e bodied[Req, Out]) (req *Req, release func(), err error) {
	if c.r.ContentLength > a.limits.MaxBody {
		return nil, nil, errTooLarge(a.limits.MaxBody)
	}
	held := a.load.hold(c.caller.Account)
	b := newBody(c.r.Body, a.limits.MaxBody, held)
	rd := newIDReader(b, a.limits)
	if c.effect == reads {
		rd.json.OnTopKey(nil) // it has no option to misspell
	}
	req = new(Req)
	if err = e.read(rd, req); err == nil {
		err = rd.json.End()
	}
	switch {
	case err != nil:
		err = bodyError(err, b)
	case rd.wrongType:
		err = errValidation
	case e.judge != nil:
		err = e.judge(req)
	}
	if err == nil && rd.tooMany {
		err = errTooMany(a.limits.MaxIDs)
	}
	if err != nil {
		held.release()
	}
	return req, held.release, err
}

// readEmpty reads the body of a call that takes none. One that came all the same is
// an object, and its keys are checked as those of any other.
func (a *API) readEmpty(c *call) error {
	held := a.load.hold(c.caller.Account)
	defer held.release()
	b := newBody(c.r.Body, a.limits.MaxBody, held)
	rd := newIDReader(b, a.limits)
	err := rd.object(func(string) error { return rd.json.Skip() })
	if err == nil {
		err = rd.json.End()
	}
	switch {
	case err != nil && b.empty():
		return nil
	case err != nil:
		return bodyError(err, b)
	case rd.wrongType:
		return errValidation
	}
	return nil
}

// object reads an object by its members; see jsonstream.Reader.Object. null counts
// as absent.
func (rd *idReader) object(member func(key string) error) error {
	value, err := rd.json.Kind()
	switch {
	case err != nil:
		return err
	case value == jsonstream.Object:
		return rd.json.Object(member)
	case value != jsonstream.Null:
		rd.wrongType = true
	}
	return rd.json.Skip()
}

// items reads an array of objects, each of which costs as much as weight ids and
// counts as one of those that a call may name. Beyond the limit the rest is read
// all the same: whether it is JSON comes first.
func (rd *idReader) items(present *bool, weight int, read func() error) error {
	return rd.array(present, func() error {
		switch kind, err := rd.json.Kind(); {
		case err != nil:
			return err
		case kind != jsonstream.Object:
			rd.wrongType = true
			return rd.json.Skip()
		case rd.ids == rd.maxIDs:
			rd.tooMany = true
			return rd.json.Skip()
		}
		if err := rd.held.addIDs(weight); err != nil {
			return err
		}
		rd.ids++
		return read()
	})
}

// flag reads true or false. null counts as absent.
func (rd *idReader) flag(into **bool) error {
	kind, err := rd.json.Kind()
	switch {
	case err != nil:
		return err
	case kind == jsonstream.True, kind == jsonstream.False:
		on := kind == jsonstream.True
		*into = &on
	case kind != jsonstream.Null:
		rd.wrongType = true
	}
	return rd.json.Skip()
}
