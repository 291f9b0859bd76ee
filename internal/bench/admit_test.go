package bench_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"roster/internal/directory"
	"roster/internal/store"
	"roster/internal/storetest"
)

// BenchmarkAdmit is what it costs to let one call in, before any of its work: in
// an account that has used up an hour's calls, each in a second of its own, so
// that there is as much to count as can be.
func BenchmarkAdmit(b *testing.B) {
	for _, engine := range storetest.Engines {
		for _, kind := range []string{"limits", "limits and jti", "jti"} {
			b.Run(engine+"/"+kind, func(b *testing.B) {
				now := time.Unix(1_800_000_000, 0)
				s := storetest.Open(b, storetest.New(b, engine), store.Options{Clock: func() time.Time { return now }})
				a := store.Admission{Account: 1}
				if kind != "jti" {
					a.Limits = directory.RateLimits{{Calls: directory.MaxRateCalls, Period: time.Minute}, {Calls: directory.MaxRateCalls, Period: time.Hour}}
					for range 1800 {
						admit(b, s, a)
						now = now.Add(time.Second)
					}
				}
				i := 0
				for b.Loop() {
					if i++; kind != "limits" {
						a.App, a.JTIHash, a.Until = 1, fmt.Append(nil, i), now
					}
					admit(b, s, a)
					now = now.Add(time.Second / 20)
				}
			})
		}
	}
}

func admit(b *testing.B, s *store.Store, a store.Admission) {
	b.Helper()
	if _, _, err := s.Admit(context.Background(), a); err != nil {
		b.Fatal(err)
	}
}
