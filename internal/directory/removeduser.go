package directory

// RemovedPage is a page of those whom a removal has ended and who are still out,
// in the order of their addresses. Pages do not shift while others come back: each
// begins at an address, not at a number.
type RemovedPage struct {
	Users []Member
	// Next is where the page that follows begins, empty after the last.
	Next string
}
