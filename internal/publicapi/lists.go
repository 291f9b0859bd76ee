package publicapi

import (
	"bufio"
	"context"
	"log/slog"
	"net/url"
	"strconv"

	"roster/internal/directory"
	"roster/internal/web"
)

// maxListed is how many items a page of a list has at most, and unless it asks
// for fewer.
const maxListed = 50

// readList reads the query of a list: the page, and what else it has.
func readList(c *call) (query url.Values, page directory.Page, err error) {
	if query, err = url.ParseQuery(c.r.URL.RawQuery); err != nil {
		return nil, page, errValidation
	}
	page, err = readPage(query, maxListed)
	return query, page, err
}

// listOf makes an endpoint that answers with a page of a list, its items under
// key.
func listOf[T any](key string, read func(context.Context, *call, url.Values, directory.Page) (directory.List[T], error),
	appendItem func([]byte, *T) []byte,
) func(*call) error {
	return func(c *call) error {
		query, page, err := readList(c)
		if err != nil {
			return err
		}
		ctx, cancel := c.detachedContext()
		defer cancel()
		list, err := read(ctx, c, query, page)
		if err != nil {
			return err
		}
		web.AddLog(ctx, slog.Int("listed", len(list.Items)))
		answer(c.w, func(w *bufio.Writer) {
			b := appendListStart(nil, list.Total, list.More, key)
			for i := range list.Items {
				if i > 0 {
					b = append(b, ',')
				}
				b = appendItem(b, &list.Items[i])
			}
			w.Write(append(b, "]}"...)) //nolint:errcheck // sticky
		})
		return nil
	}
}

func appendListStart(b []byte, total int, more bool, key string) []byte {
	b = append(b, `{"total":`...)
	b = strconv.AppendInt(b, int64(total), 10)
	b = append(b, `,"availableMore":`...)
	b = strconv.AppendBool(b, more)
	return append(b, `,"`+key+`":[`...)
}

// appendField adds a key and its text to an object. before is "{" for the first
// key and "," for another.
func appendField(b []byte, before, key, text string) []byte {
	b = append(b, before+`"`+key+`":`...)
	return appendText(b, text)
}
