package bench

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

const (
	pagesUsers = 1_000_000
	pagesCalls = 21 // of each page
)

// consolePages are pages that look at the account, those of its users by what is hard
// about them.
var consolePages = []struct{ name, path string }{
	{"overview", "/console"},
	{"user", "/console/users/{user}"},
	{"removals", "/console/removals"},
	{"removal", "/console/removals/{removal}"},
	{"first", "/console/users"},
	{"middle", "/console/users?from=maria"},
	{"by-name", "/console/users?sort=-name&from=maria"},
	{"by-org-id", "/console/users?sort=orgUserId&from=E0500000"},
	{"search-everybody", "/console/users?search=example"},
	{"search-common", "/console/users?search=ann"},
	{"search-common-by-name", "/console/users?search=ann&sort=-name"},
	{"search-two-words", "/console/users?search=smith+joanna"},
	{"search-some-at-the-end", "/console/users?search=zuleika"},
	{"search-many-at-the-end", "/console/users?search=yasmin"},
	{"search-one", "/console/users?search=e0500000"},
	{"search-nobody", "/console/users?search=nobody"},
	{"search-signs", "/console/users?search=%23%23%23"},
	{"filter-common", "/console/users?status=active"},
	{"filter-rare", "/console/users?status=locked"},
	{"filter-role", "/console/users?role={role}"},
	{"filter-and-search", "/console/users?status=suspended&search=ann"},
}

var (
	benchFirst = strings.Fields(`Ada Aiko Amara Ann Anna Arjun Bela Bob Carla Chen Dana Diego Ella Emil Eva Fatima Finn Greta Hannah Hugo
Ines Ivan Joanna José Jun Kai Karim Lara Leo Lucia Maria Mei Milan Nadia Nils Olga Omar Paula Peter Quinn Rosa Sam Sofia Tom Uma Vera Wim Xaver Yasmin`)
	benchLast = strings.Fields(`Abe Baker Cruz Diaz Evans Fischer Garcia Hansen Ito Jones Kim Lopez Müller Nguyen Okafor Patel Quist Rossi Smith Tanaka
Ueda Vargas Walker Xu Young Zhang Andersen Brandt Costa Dubois Eriksen Ferrari Green Hughes Ivanov Jansen Kowalski Larsen Moreau Novak`)
)

// benchPerson is the i-th user: names as people have them, a rare one last in order.
func benchPerson(random *rand.Rand, i int) roster.ImportRow {
	first, last := benchFirst[random.IntN(len(benchFirst))], benchLast[random.IntN(len(benchLast))]
	if random.IntN(250) == 0 {
		first = "Zuleika"
	}
	return roster.ImportRow{
		Line: i + 1, Email: fmt.Sprintf("%s.%s.%07d@example.com", strings.ToLower(first), strings.ToLower(last), i), OrgUserID: fmt.Sprintf("E%07d", i),
		Profile: directory.Profile{FirstName: first, LastName: last, Department: "Sales"},
	}
}

// BenchmarkPages asks for pages of the console, in an account of a million users, one after the other: medians and the slowest, from the request to the
// last byte of the page.
func BenchmarkPages(b *testing.B) {
	for _, engine := range storetest.Engines {
		b.Run(engine, func(b *testing.B) {
			base, client, ids := signedInServer(b, engine)
			for _, page := range consolePages {
				b.Run(page.name, func(b *testing.B) {
					address := base + ids.Replace(page.path)
					var took []time.Duration
					for b.Loop() {
						for range pagesCalls {
							started := time.Now()
							fetch(b, client, address)
							took = append(took, time.Since(started))
						}
					}
					slices.Sort(took)
					b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
					b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "slowest-ms")
					b.ReportMetric(0, "ns/op")
				})
			}
		})
	}
}

func fetch(b *testing.B, client *http.Client, address string) {
	b.Helper()
	answer, err := client.Get(address)
	check(b, err)
	text, err := io.ReadAll(answer.Body)
	check(b, err)
	check(b, answer.Body.Close())
	if answer.StatusCode != http.StatusOK || !strings.Contains(string(text), `<main id="main"`) {
		b.Fatalf("%s: %d\n%.2000s", address, answer.StatusCode, text)
	}
}

// signedInServer serves an account of a million users of whom some were removed, with
// a client that is signed in as its owner, and the ids of a role that a hundred users
// have, of a user and of the removal.
func signedInServer(b *testing.B, engine string) (base string, client *http.Client, ids *strings.Replacer) {
	b.Helper()
	dsn, key := filepath.Join(b.TempDir(), "roster.db"), filepath.Join(b.TempDir(), "secret.key")
	if engine == "postgres" {
		dsn = storetest.NewKept(b)
	}
	ctx := context.Background()
	r, account, app := openWithApp(b, dsn, key)
	random := rand.New(rand.NewPCG(1, 2))
	var holders []directory.UserRef
	var leavers []string
	for from := 0; from < pagesUsers; from += growthImport {
		rows := make([]roster.ImportRow, growthImport)
		for i := range rows {
			rows[i] = benchPerson(random, from+i)
			switch {
			case random.IntN(50) == 0:
				leavers = append(leavers, rows[i].Email)
			case random.IntN(10_000) == 0:
				holders = append(holders, directory.UserRef{Text: rows[i].Email})
			}
		}
		_, err := r.ImportUsers(ctx, auth.Operator(), account, rows, roster.ImportOptions{})
		check(b, err)
	}
	role, err := r.CreateRole(ctx, auth.Operator(), account,
		roster.NewRole{Kind: directory.AdminRole, Name: "Keeper", Permissions: directory.Permissions{"appManagement": directory.PermitYes}})
	check(b, err)
	_, err = r.AssignRoles(ctx, auth.Operator(), account, directory.AdminRole, []directory.RoleAssignment{{RoleID: role, AddUsers: holders}}, "")
	check(b, err)
	made, err := r.CreatePasswordLink(ctx, auth.Operator(), account, "owner@example.com")
	check(b, err)
	check(b, r.SetPassword(ctx, made.Token, benchPassword))
	check(b, r.Close())
	db := open(b, dsn)
	mustExec(b, db, `UPDATE member_profiles SET status = CASE WHEN member_id % 10007 = 0 THEN 'locked' WHEN member_id % 53 = 0 THEN 'suspended' ELSE 'active' END`)
	if engine == "postgres" {
		mustExec(b, db, `VACUUM ANALYZE`)
	}
	base = serve(b, dsn, key)
	remover(b, base, app)(leavers)
	var user, removal string
	check(b, db.QueryRow(`SELECT p.public_id FROM persons p JOIN members m ON m.person_id = p.id WHERE m.removal_id IS NULL AND m.org_user_id >= 'E0500000' LIMIT 1`).Scan(&user))
	check(b, db.QueryRow(`SELECT public_id FROM removals`).Scan(&removal))
	check(b, db.Close())
	jar, err := cookiejar.New(nil)
	check(b, err)
	client = &http.Client{Jar: jar}
	answer, err := client.PostForm(base+"/console/sign-in", url.Values{"email": {"owner@example.com"}, "password": {benchPassword}})
	check(b, err)
	check(b, answer.Body.Close())
	return base, client, strings.NewReplacer("{role}", role, "{user}", user, "{removal}", removal)
}

const benchPassword = "correct horse battery"
