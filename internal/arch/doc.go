// Package arch holds the test that compares who imports whom with the table of
// docs/architecture.md. It has no code of its own.
package arch
