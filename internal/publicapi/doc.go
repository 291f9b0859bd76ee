// Package publicapi is the door for automation: the published API under
// /api/public, compatible to the byte. It owns the routes, the order of the
// checks, what a body may hold and every literal on the wire.
//
// It decides nothing about users: it turns a request into a call of a verb of
// package roster, and the outcome into the published answer. What the wire
// must not say goes to the log.
package publicapi
