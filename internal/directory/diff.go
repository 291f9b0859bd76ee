package directory

import "github.com/go-json-experiment/json/jsontext"

// Diff collects what changes of a thing, for its audit record: the values that
// differ, under their names on the wire. Nothing that is empty stands in it, so a
// new thing has only an after and a deleted one only a before.
type Diff struct {
	before, after []byte
}

// Text notes a text. Secrets must never come here.
func (d *Diff) Text(name, before, after string) {
	if before == after {
		return
	}
	if before != "" {
		d.before = appendMember(d.before, name, before)
	}
	if after != "" {
		d.after = appendMember(d.after, name, after)
	}
}

// Flag notes a flag. One that is off is empty.
func (d *Diff) Flag(name string, before, after bool) {
	switch {
	case before == after:
	case before:
		d.before = append(appendName(d.before, name), "true"...)
	default:
		d.after = append(appendName(d.after, name), "true"...)
	}
}

// Body is the JSON object {"before":{...},"after":{...}}, or nil when nothing
// differs.
func (d *Diff) Body() []byte {
	if d.before == nil && d.after == nil {
		return nil
	}
	out := make([]byte, 0, len(d.before)+len(d.after)+len(`{"before":},"after":}}`))
	out = append(out, '{')
	if d.before != nil {
		out = append(append(append(out, `"before":`...), d.before...), '}')
	}
	if d.after != nil {
		if d.before != nil {
			out = append(out, ',')
		}
		out = append(append(append(out, `"after":`...), d.after...), '}')
	}
	return append(out, '}')
}

func appendMember(b []byte, name, text string) []byte {
	b, _ = jsontext.AppendQuote(appendName(b, name), text) // the rules have refused what is not UTF-8
	return b
}

func appendName(b []byte, name string) []byte {
	if b == nil {
		b = append(b, '{')
	} else {
		b = append(b, ',')
	}
	b, _ = jsontext.AppendQuote(b, name)
	return append(b, ':')
}
