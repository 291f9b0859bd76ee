// Package directory holds the nouns of the product and the rules about them
// that need no input or output: accounts, people, members, groups, roles,
// bots, client apps, scopes, removals, audit records, and how an address or an
// id is compared. It owns the kinds of error that every layer above speaks.
//
// It imports nothing of ours and touches no database, network or clock; the
// layers above hand it values and get decisions back.
package directory
