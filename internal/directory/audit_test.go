package directory

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"
)

func TestBatchCountsARecordForEachPersonAndOneForNobody(t *testing.T) {
	t.Parallel()
	b := AuditBatch{Runs: []AuditRun{
		{Kind: AuditUserDeleted, Persons: []PersonID{1, 2, 3}},
		{Kind: AuditBotCreated, Object: 9},
	}}
	if got := b.Records(); got != 4 {
		t.Errorf("%d records, want 4", got)
	}
}

func TestDigestOfRunsIsThatOfTheirRecords(t *testing.T) {
	t.Parallel()
	runs, records := NewAuditDigest(), NewAuditDigest()
	seq := runs.AddRun(1, AuditRun{Kind: AuditUserDeleted, Persons: []PersonID{5, 3}})
	seq = runs.AddRun(seq, AuditRun{Kind: AuditBotCreated, Object: 9})
	records.Add(1, AuditUserDeleted, 5, 0)
	records.Add(2, AuditUserDeleted, 3, 0)
	records.Add(3, AuditBotCreated, 0, 9)
	if seq != 4 || !bytes.Equal(runs.Sum(), records.Sum()) {
		t.Errorf("next record %d, digests equal: %v", seq, bytes.Equal(runs.Sum(), records.Sum()))
	}
}

func TestDigestChangesWithEveryFieldAndWithTheOrder(t *testing.T) {
	t.Parallel()
	type record struct {
		seq    int
		kind   AuditKind
		person PersonID
		object int64
	}
	variants := map[string][]record{
		"base":    {{1, AuditUserDeleted, 5, 6}, {2, AuditUserDeleted, 7, 6}},
		"number":  {{1, AuditUserDeleted, 5, 6}, {3, AuditUserDeleted, 7, 6}},
		"kind":    {{1, AuditUserCreated, 5, 6}, {2, AuditUserDeleted, 7, 6}},
		"person":  {{1, AuditUserDeleted, 4, 6}, {2, AuditUserDeleted, 7, 6}},
		"object":  {{1, AuditUserDeleted, 5, 0}, {2, AuditUserDeleted, 7, 6}},
		"swapped": {{1, AuditUserDeleted, 7, 6}, {2, AuditUserDeleted, 5, 6}},
		"shorter": {{1, AuditUserDeleted, 5, 6}},
		"longer":  {{1, AuditUserDeleted, 5, 6}, {2, AuditUserDeleted, 7, 6}, {3, AuditUserDeleted, 8, 6}},
		"empty":   nil,
	}
	seen := map[string]string{}
	for name, records := range variants {
		d := NewAuditDigest()
		for _, r := range records {
			d.Add(r.seq, r.kind, r.person, r.object)
		}
		sum := hex.EncodeToString(d.Sum())
		if other, dup := seen[sum]; dup {
			t.Errorf("%s and %s have one digest", name, other)
		}
		seen[sum] = name
	}
}

func TestLinkHashBindsEveryField(t *testing.T) {
	t.Parallel()
	base := ChainLink{
		Account: 1, Number: 2, Batch: 3, At: time.UnixMicro(4), ActorKind: ActorApp, ActorID: 5, Removal: 6,
		Records: 7, DetailsHash: []byte("details"), Digest: []byte("digest"),
	}
	variants := map[string]func(l *ChainLink){
		"nothing":       func(*ChainLink) {},
		"account":       func(l *ChainLink) { l.Account++ },
		"number":        func(l *ChainLink) { l.Number++ },
		"batch":         func(l *ChainLink) { l.Batch++ },
		"time":          func(l *ChainLink) { l.At = l.At.Add(time.Microsecond) },
		"kind of actor": func(l *ChainLink) { l.ActorKind = ActorOperator },
		"actor":         func(l *ChainLink) { l.ActorID++ },
		"removal":       func(l *ChainLink) { l.Removal++ },
		"records":       func(l *ChainLink) { l.Records++ },
		"details":       func(l *ChainLink) { l.DetailsHash = nil },
		"digest":        func(l *ChainLink) { l.Digest = []byte("Digest") },
		"boundary":      func(l *ChainLink) { l.DetailsHash, l.Digest = []byte("detailsd"), []byte("igest") },
	}
	seen := map[string]string{}
	for name, change := range variants {
		l := base
		change(&l)
		hash := hex.EncodeToString(l.Hash([]byte("before")))
		if other, dup := seen[hash]; dup {
			t.Errorf("%s and %s have one hash", name, other)
		}
		seen[hash] = name
	}
	if bytes.Equal(base.Hash([]byte("before")), base.Hash(nil)) {
		t.Error("the hash does not depend on the link before")
	}
	if !bytes.Equal(base.Hash(nil), base.Hash([]byte{})) {
		t.Error("the first link has two hashes")
	}
}

// The forms below are stored in databases: whoever changes them makes every
// audit log there is look broken.
func TestHashesStayWhatDatabasesHold(t *testing.T) {
	t.Parallel()
	d := NewAuditDigest()
	d.Add(1, AuditUserDeleted, 5, 6)
	link := ChainLink{Account: 1, Number: 2, Batch: 3, At: time.UnixMicro(4), ActorKind: ActorApp, ActorID: 5, Digest: d.Sum()}
	for name, got := range map[string]struct {
		sum  []byte
		want string
	}{
		"digest":  {d.Sum(), "5e98819a9876aa5459efd09966d50f87296b5170cd36ac40dbbf837ce68a50e3"},
		"link":    {link.Hash([]byte("before")), "42e65c251600e6db9e3e1d6494f6747c82f0dc737f8c32a9d24e01ab39169ad1"},
		"details": {DetailsHash([]byte("salt"), []byte("{}")), "86d316b5643c3f36499854e5684d1880c0ec13e6e569543358371b9a9b81cfdc"},
	} {
		if hex.EncodeToString(got.sum) != got.want {
			t.Errorf("%s: %x, want %s", name, got.sum, got.want)
		}
	}
}

func TestDetailsHashNeedsTheSalt(t *testing.T) {
	t.Parallel()
	a := DetailsHash([]byte("salt"), []byte("details"))
	for _, b := range [][]byte{
		DetailsHash([]byte("tlas"), []byte("details")), DetailsHash([]byte("saltd"), []byte("etails")), DetailsHash(nil, []byte("details")),
	} {
		if bytes.Equal(a, b) {
			t.Error("two salts give one hash")
		}
	}
}

// Small steps back of the clock are evened out, larger ones begin an epoch.
func TestChainPositions(t *testing.T) {
	t.Parallel()
	start := time.UnixMicro(1_900_000_000_000_000)
	var pos ChainPosition
	for i, step := range []struct {
		begun, at time.Duration // from start on
		epoch     int64
	}{
		{0, 0, 0},
		{5 * time.Second, 5 * time.Second, 0},
		{4 * time.Second, 5 * time.Second, 0},
		{-55 * time.Second, 5 * time.Second, 0},
		{-55*time.Second - time.Microsecond, -55*time.Second - time.Microsecond, 1},
		{0, 0, 1},
		{-time.Hour, -time.Hour, 2},
		{time.Hour, time.Hour, 2},
	} {
		at := pos.Clamp(start.Add(step.begun))
		pos = pos.Next(at, 3)
		if want := (ChainPosition{Total: int64(3 * (i + 1)), Epoch: step.epoch, At: start.Add(step.at)}); pos != want {
			t.Errorf("entry %d: %+v, want %+v", i+1, pos, want)
		}
	}
}
