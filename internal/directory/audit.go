package directory

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"time"
)

// AuditKind says what an audit record is about.
type AuditKind string

// Kinds of audit record.
const (
	AuditAccountCreated   AuditKind = "account.created"
	AuditAccountModified  AuditKind = "account.modified"
	AuditAccountOwner     AuditKind = "account.owner"
	AuditAccountOwnerLeft AuditKind = "account.owner.left"
	AuditBackupRestored   AuditKind = "backup.restored"
	AuditDatabaseRepaired AuditKind = "database.repaired"
	AuditUserCreated      AuditKind = "user.created"
	AuditUserModified     AuditKind = "user.modified"
	AuditUserDeleted      AuditKind = "user.deleted"
	AuditUserRestored     AuditKind = "user.restored"
	AuditUserErased       AuditKind = "user.erased"
	AuditRemovalClosed    AuditKind = "removal.closed"
	AuditJobQueued        AuditKind = "removal.queued"
	AuditJobCancelled     AuditKind = "removal.cancelled"
	AuditJobFailed        AuditKind = "removal.failed"
	AuditRestoreQueued    AuditKind = "restoration.queued"
	AuditRestoreCancelled AuditKind = "restoration.cancelled"
	AuditRestoreFailed    AuditKind = "restoration.failed"
	AuditWindowsLonger    AuditKind = "removals.lengthened"
	AuditWindowsShorter   AuditKind = "removals.shortened"
	AuditBotCreated       AuditKind = "bot.created"
	AuditBotOwner         AuditKind = "bot.owner"
	AuditBotOwnerLeft     AuditKind = "bot.owner.left"
	AuditBotDeleted       AuditKind = "bot.deleted"
	AuditGroupCreated     AuditKind = "group.created"
	AuditGroupJoined      AuditKind = "group.joined"
	AuditGroupLeft        AuditKind = "group.left"
	AuditGroupDeleted     AuditKind = "group.deleted"
	AuditGroupModified    AuditKind = "group.modified"
	AuditGroupNested      AuditKind = "group.nested"
	AuditGroupUnnested    AuditKind = "group.unnested"
	AuditRoleCreated      AuditKind = "role.created"
	AuditRoleModified     AuditKind = "role.modified"
	AuditRoleDeleted      AuditKind = "role.deleted"
	AuditRoleAssigned     AuditKind = "role.assigned"
	AuditRoleUnassigned   AuditKind = "role.unassigned"
	AuditAppCreated       AuditKind = "app.created"
	AuditAppModified      AuditKind = "app.modified"
	AuditAppEnabled       AuditKind = "app.enabled"
	AuditAppDisabled      AuditKind = "app.disabled"
	AuditAppDeleted       AuditKind = "app.deleted"
	AuditAppScopes        AuditKind = "app.scopes"
	AuditSecretAdded      AuditKind = "app.secret.added"
	AuditSecretRetired    AuditKind = "app.secret.retired"
	AuditAppResealed      AuditKind = "app.secrets.resealed"
	AuditAppTestToken     AuditKind = "app.token.made"
	AuditPasswordLink     AuditKind = "user.password.link"
	AuditPasswordSet      AuditKind = "user.password.set"
	AuditSessionCreated   AuditKind = "session.created"
	AuditSessionEnded     AuditKind = "session.ended"
)

// AuditRun is a run of audit records of one kind: one record for each person,
// or a single one when it is about no person. A record holds ids alone, so
// that it can be kept for ever.
type AuditRun struct {
	Kind AuditKind
	// Object is the internal key of the account, bot, group, role or app, or 0.
	Object  int64
	Persons []PersonID
	// Changes say what the records changed: none, or one for each of them, in
	// their order. Note says something about the run as a whole that is about
	// nobody, a JSON object, in place of them; it is kept with the first record.
	Changes []AuditChange
	Note    []byte
}

// AuditChange is what a record says beside its ids, such as values before and
// after. It may be erased: the chain holds a salted hash.
type AuditChange struct {
	// Member is the membership that it is personal to, with which it is erased; 0
	// for what is about nobody and stays.
	Member MemberID
	Body   []byte // a JSON object; nil for a record that has nothing more to say

	Salt []byte // both by Seal
	Hash []byte
}

// Seal fixes the change: its hash goes into the digest, and with the salt it can be
// checked as long as the body is there.
func (c *AuditChange) Seal(salt []byte) { c.Salt, c.Hash = salt, DetailsHash(salt, c.Body) }

// Len is the number of records in the run.
func (r AuditRun) Len() int { return max(1, len(r.Persons)) }

// AuditBatch is all that one transaction tells the audit log. The batches of an
// account are numbered without gaps and chained by hash in the order in which
// they were committed.
type AuditBatch struct {
	Account AccountID
	ID      int64
	At      time.Time // to the microsecond
	Actor   Actor
	Removal RemovalID // 0 when the batch belongs to none
	Runs    []AuditRun
	// DetailsHash is the salted hash of the details, which may be erased later,
	// or nil.
	DetailsHash []byte
}

// Records is the number of records in the batch.
func (b *AuditBatch) Records() int {
	n := 0
	for _, run := range b.Runs {
		n += run.Len()
	}
	return n
}

// AuditDigest hashes the records of one batch, in the order of their numbers.
type AuditDigest struct {
	h   hash.Hash
	buf []byte
}

// NewAuditDigest starts a digest over no records.
func NewAuditDigest() *AuditDigest { return &AuditDigest{h: sha256.New()} }

// Add takes in the record with the given number, counted from 1 in its batch.
func (d *AuditDigest) Add(seq int, kind AuditKind, person PersonID, object int64) {
	d.buf = binary.BigEndian.AppendUint64(d.buf[:0], uint64(seq))
	d.buf = appendText(d.buf, string(kind))
	d.buf = appendInt(d.buf, int64(person))
	d.buf = appendInt(d.buf, object)
	d.h.Write(d.buf)
}

// AddRun takes in the records of a run whose first has the number seq, with their
// sealed changes, and returns the number that follows.
func (d *AuditDigest) AddRun(seq int, run AuditRun) int {
	for i := range run.Len() {
		var person PersonID
		if len(run.Persons) > 0 {
			person = run.Persons[i]
		}
		d.Add(seq, run.Kind, person, run.Object)
		if i < len(run.Changes) && run.Changes[i].Body != nil {
			d.AddChange(run.Changes[i].Member, run.Changes[i].Hash)
		}
		seq++
	}
	return seq
}

// AddChange takes in the hash of what the record added last has changed.
func (d *AuditDigest) AddChange(member MemberID, hash []byte) {
	// No record reads like this: behind its number comes the length of its kind.
	d.buf = appendText(d.buf[:0], "change")
	d.buf = appendInt(d.buf, int64(member))
	d.buf = appendText(d.buf, string(hash))
	d.h.Write(d.buf)
}

// Sum returns the digest of all records added so far.
func (d *AuditDigest) Sum() []byte { return d.h.Sum(nil) }

// ChainLink is the row that ties a batch into its account's chain.
type ChainLink struct {
	Account     AccountID
	Number      int64 // 1, 2, 3 ... without gaps in an account
	Batch       int64
	At          time.Time
	ActorKind   ActorKind
	ActorID     int64
	Removal     RemovalID
	Records     int
	DetailsHash []byte
	Digest      []byte // of the records
}

// Hash binds the link to everything before it. prev is the hash of the link
// with the number before, nil for the first.
func (l *ChainLink) Hash(prev []byte) []byte {
	h := sha256.New()
	buf := appendText(nil, string(prev))
	buf = appendInt(buf, int64(l.Account))
	buf = appendInt(buf, l.Number)
	buf = appendInt(buf, l.Batch)
	buf = appendInt(buf, l.At.UnixMicro())
	buf = appendText(buf, string(l.ActorKind))
	buf = appendInt(buf, l.ActorID)
	buf = appendInt(buf, int64(l.Removal))
	buf = appendInt(buf, int64(l.Records))
	buf = appendText(buf, string(l.DetailsHash))
	buf = appendText(buf, string(l.Digest))
	h.Write(buf)
	return h.Sum(nil)
}

// ChainPosition tells where an entry's records are in the log of its account. It is
// derived from the entry and those before it, and is not part of their hashes. The zero
// value is the position before the first entry.
type ChainPosition struct {
	// Total is the number of records of this entry and all before it.
	Total int64
	// Epoch is how many entries up to this one have a time before that of their
	// predecessor. Within an epoch times never decrease.
	Epoch int64
	At    time.Time // of the entry
}

// maxTimeStep is the largest step back of the clock that Clamp evens out.
const maxTimeStep = time.Minute

// Clamp returns the time for the entry that follows p and was begun at the time at. That
// is at, or p.At where at is up to a minute earlier: transactions that run at once do not
// end in the order in which they began, and the clocks of servers differ a little. So
// the number of epochs stays small.
func (p ChainPosition) Clamp(at time.Time) time.Time {
	if at.Before(p.At) && p.At.Sub(at) <= maxTimeStep {
		return p.At
	}
	return at
}

// Next returns the position of the entry that follows p.
func (p ChainPosition) Next(at time.Time, records int) ChainPosition {
	next := ChainPosition{Total: p.Total + int64(records), Epoch: p.Epoch, At: at}
	if at.Before(p.At) {
		next.Epoch++
	}
	return next
}

// DetailsHash is the hash that stands in the chain for details kept elsewhere.
// The salt makes it useless for guessing them once they are erased.
func DetailsHash(salt, details []byte) []byte {
	h := sha256.New()
	h.Write(appendText(nil, string(salt)))
	h.Write(details)
	return h.Sum(nil)
}

func appendInt(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(n))
}

// appendText writes the length before the text, so that no two lists of fields
// have the same bytes.
func appendText(b []byte, s string) []byte {
	return append(appendInt(b, int64(len(s))), s...)
}
