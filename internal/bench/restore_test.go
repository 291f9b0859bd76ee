package bench

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"roster/internal/storetest"
)

// BenchmarkRestore removes users and restores them again, a whole removal by one
// call, and says how long the one takes beside the other. Each user has a
// profile, and groups, roles and tasks.
func BenchmarkRestore(b *testing.B) {
	for _, engine := range storetest.Engines {
		for _, size := range []struct{ users, turns int }{{1, 200}, {1000, 20}, {10_000, 6}, {100_000, 1}} {
			b.Run(fmt.Sprintf("%s/%d", engine, size.users), func(b *testing.B) {
				d := prepare(b, engine)
				url := serve(b, d.copyOf(b), d.key)
				var removals, restorations []time.Duration
				for b.Loop() {
					for turn := range size.turns {
						body := addresses(d.emails[turn*size.users : (turn+1)*size.users])
						started := time.Now()
						header := call(b, d.client, http.MethodDelete, url+"/api/public/users", body, `{"msg":"Users are removed Successfully"}`)
						removed := time.Now()
						call(b, d.client, http.MethodPost, url+"/api/public/users/removals/"+header.Get("X-Removal-Id")+"/restore", "{}",
							`{"msg":"Users are restored Successfully"}`)
						removals = append(removals, removed.Sub(started))
						restorations = append(restorations, time.Since(removed))
					}
				}
				slices.Sort(removals)
				slices.Sort(restorations)
				removal, restoration := removals[len(removals)/2], restorations[len(restorations)/2]
				b.ReportMetric(float64(size.users)/restoration.Seconds(), "restored-users/s")
				b.ReportMetric(float64(restoration)/float64(removal), "restore:remove")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
