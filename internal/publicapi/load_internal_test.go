package publicapi

import (
	"testing"

	"pgregory.net/rapid"

	"roster/internal/directory"
)

// However calls take and give, a budget never hands out more than it has, no
// account gets more than half of it, one that holds nothing gets something
// unless next to nothing is left, a call that gets none holds none, and in the
// end everything is back.
func TestBudget(t *testing.T) {
	t.Parallel()
	const total = 1000
	rapid.Check(t, func(t *rapid.T) {
		b := newBudget(total)
		var held [10]int64 // by call; an account has two
		account := func(call int) directory.AccountID { return directory.AccountID(1 + call/2) }
		calls := rapid.IntRange(0, len(held)-1)
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				call := calls.Draw(t, "call")
				n := int64(rapid.IntRange(1, 300).Draw(t, "bytes"))
				free, before := b.free, held
				switch got := b.take(account(call), n, &held[call]); {
				case got && held[call] != before[call]+n, !got && held[call] != 0:
					t.Fatalf("%v: the call held %d and holds %d", got, before[call], held[call])
				case !got && before[call] == 0 && before[call^1] == 0 && 2*n <= free:
					t.Fatalf("an account without anything does not get %d of %d", n, free)
				}
			},
			"give": func(t *rapid.T) {
				call := calls.Draw(t, "call")
				if b.give(account(call), &held[call]); held[call] != 0 {
					t.Fatalf("the call holds %d", held[call])
				}
			},
			"": func(t *rapid.T) {
				sum := b.free
				for call, n := range held {
					sum += n
					if n+held[call^1] > total/2 {
						t.Fatalf("account %d holds %d", account(call), n+held[call^1])
					}
				}
				if b.free < 0 || sum != total {
					t.Fatalf("%d are free, %d in all", b.free, sum)
				}
			},
		})
		for call := range held {
			b.give(account(call), &held[call])
		}
		if b.free != total || len(b.held) != 0 {
			t.Fatalf("in the end %d are free, and %v are held", b.free, b.held)
		}
	})
}
