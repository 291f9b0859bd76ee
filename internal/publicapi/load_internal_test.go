package publicapi

import (
	"testing"

	"pgregory.net/rapid"

	"roster/internal/directory"
)

// However accounts take and give, a budget never hands out more than it has, no
// account gets more than half of it, one that holds nothing gets something
// unless next to nothing is left, and in the end everything is back.
func TestBudget(t *testing.T) {
	t.Parallel()
	const total = 1000
	rapid.Check(t, func(t *rapid.T) {
		b := newBudget(total)
		held := map[directory.AccountID]int64{}
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				account := directory.AccountID(rapid.IntRange(1, 5).Draw(t, "account"))
				n := int64(rapid.IntRange(1, 300).Draw(t, "bytes"))
				free := b.free
				got := b.take(account, n)
				if got {
					held[account] += n
				}
				if !got && held[account] == 0 && 2*n <= free {
					t.Fatalf("an account without anything does not get %d of %d", n, free)
				}
			},
			"give": func(t *rapid.T) {
				account := directory.AccountID(rapid.IntRange(1, 5).Draw(t, "account"))
				n := int64(rapid.IntRange(0, int(held[account])).Draw(t, "bytes"))
				b.give(account, n)
				held[account] -= n
			},
			"": func(t *rapid.T) {
				sum := b.free
				for account, n := range held {
					sum += n
					if n > total/2 {
						t.Fatalf("account %d holds %d", account, n)
					}
				}
				if b.free < 0 || sum != total {
					t.Fatalf("%d are free, %d in all", b.free, sum)
				}
			},
		})
		for account, n := range held {
			b.give(account, n)
		}
		if b.free != total || len(b.held) != 0 {
			t.Fatalf("in the end %d are free, and %v are held", b.free, b.held)
		}
	})
}
