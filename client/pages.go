package client

import (
	"context"
	"encoding/json"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"
)

// listing is a list that is read page by page.
type listing[T any] struct {
	path  string
	query url.Values // but for the page
	items string     // the key of the items in an answer
	more  string     // the key that says whether a page follows
	// id tells items apart where the newest come first: what is added meanwhile
	// moves them to later pages, where they are not told again. nil elsewhere.
	id func(*T) string
	// after, unless nil, is the query of the page behind an item, in place of a number.
	after func(*T) url.Values
}

// each reads a list from its first page on. After an error there is no more.
func (l listing[T]) each(ctx context.Context, c *Client) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		query := url.Values{}
		maps.Copy(query, l.query)
		if l.after == nil {
			query.Set("offset", "0")
		}
		seen := map[string]bool{}
		for page := 1; ; page++ {
			items, more, err := l.page(ctx, c, query)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for i := range items {
				if l.fresh(&items[i], seen) && !yield(items[i], nil) {
					return
				}
			}
			switch {
			case !more || len(items) == 0:
				return
			case l.after != nil:
				maps.Copy(query, l.after(&items[len(items)-1]))
			default:
				query.Set("offset", strconv.Itoa(page))
			}
		}
	}
}

// fresh says whether an item was not told before.
func (l listing[T]) fresh(item *T, seen map[string]bool) bool {
	if l.id == nil {
		return true
	}
	id := l.id(item)
	told := seen[id]
	seen[id] = true
	return !told
}

// page reads a page, and whether another follows.
func (l listing[T]) page(ctx context.Context, c *Client, query url.Values) (items []T, more bool, err error) {
	a, err := c.call(ctx, request{method: http.MethodGet, path: l.path, query: query, repeat: true})
	if err != nil {
		return nil, false, err
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(a.body, &fields) != nil || fields[l.items] == nil ||
		json.Unmarshal(fields[l.items], &items) != nil || json.Unmarshal(fields[l.more], &more) != nil {
		return nil, false, c.foreign()
	}
	return items, more, nil
}
