package publicapi

import (
	"net/url"
	"strconv"
	"strings"

	"roster/internal/directory"
)

// readPage reads limit and offset, the number of a page from 0, from a query. A
// limit beyond most is most, which also is the limit where there is none. What
// is no number, a limit of 0 and a parameter given twice are errValidation.
func readPage(query url.Values, most int) (page directory.Page, err error) {
	return readPageAs(query, "limit", most)
}

// readPageAs is readPage where the limit has another name.
func readPageAs(query url.Values, limit string, most int) (page directory.Page, err error) {
	if page.Limit, err = readNumber(query, limit, most); err != nil {
		return page, err
	}
	if page.Offset, err = readNumber(query, "offset", 0); err != nil {
		return page, err
	}
	if page.Limit == 0 {
		return page, errValidation
	}
	page.Limit = min(page.Limit, most)
	return page, nil
}

// readNumber reads a parameter of decimal digits alone, or absent where there is
// none. Numbers that are too large are as large as can be.
func readNumber(query url.Values, name string, absent int) (int, error) {
	values, ok := query[name]
	if !ok {
		return absent, nil
	}
	text := values[0]
	if len(values) > 1 || text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, errValidation
	}
	n, _ := strconv.Atoi(text) // of too many digits it makes the largest number
	return n, nil
}
