package directory

// ActorKind says through which door somebody acts.
type ActorKind string

// Kinds of actor.
const (
	ActorApp      ActorKind = "app"      // a client app of the public API
	ActorPerson   ActorKind = "person"   // somebody who signed in to the Admin Console
	ActorOperator ActorKind = "operator" // whoever runs the command line on the server
	ActorSystem   ActorKind = "system"   // the server itself, in the background
)

// Actor is who did something, as the audit log keeps it.
type Actor struct {
	Kind ActorKind
	// ID is the AppID of an app, the PersonID of a person, and 0 for the others.
	ID int64
	// Label is what an app calls itself (a token's "sub"), which nobody checked, or
	// the address of a person. It grants nothing.
	Label string
}
