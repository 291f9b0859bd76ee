package directory

import "math"

// Page is a part of a list.
type Page struct {
	// Limit is how many items a page has at most, 1 or more.
	Limit int
	// Offset is the number of the page, from 0.
	Offset int
}

// Skip is how many items stand before the page, and as many as there can be
// where that is more.
func (p Page) Skip() int {
	if p.Offset > math.MaxInt/p.Limit {
		return math.MaxInt
	}
	return p.Offset * p.Limit
}

// More says whether items of the list follow the page.
func (p Page) More(total int) bool { return p.Skip() < total && total-p.Skip() > p.Limit }
