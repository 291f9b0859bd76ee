package directory

// RemovedPage is a page of those whom a removal has ended and who are still out,
// in the order in which they were made. Pages do not shift while others come back:
// each begins at somebody, not at a number of people.
type RemovedPage struct {
	Users []Member
	// Next is where the page that follows begins, empty after the last.
	Next string
}
