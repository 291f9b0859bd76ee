package console_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// Three thousand people of a CSV file in a browser: preview, number, progress that
// is seen to move, report, and the undoing of some.
func TestRemoveAFileInTheBrowser(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		const n = 3000
		s := rostertest.Start(t, dsn, rostertest.Options{})
		account := s.Account("owner@example.com")
		var people []string
		for i := range n {
			people = append(people, fmt.Sprintf("leaver%04d@example.com", i))
		}
		s.Users(account, append(people, "stays@example.com")...)
		file := filepath.Join(t.TempDir(), "leavers.csv")
		text := "Email Id,Name\n" + strings.Join(people, ",Somebody\n") + ",Somebody\nowner@example.com,Owner\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		b := open(t, s)
		b.firstRun(s, account, "owner@example.com")
		b.click(`.side a[href="/console/users/remove"]`)
		b.must(chromedp.Do(b.within(), chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{file})))
		b.click("main form button")
		b.wantText("#going", "3,000")
		b.wantText("#staying", "1")
		b.wantText("main", "Owns the account")
		b.fill("number", "3000")
		b.click("main form .destructive")

		seen := map[string]bool{}
		for deadline := time.Now().Add(time.Minute); ; {
			// The page comes anew while it is read.
			shown, err := chromedp.Run(b.within(), chromedp.Evaluate[string](`[document.querySelector("h1"), document.querySelector("#removed")].map((e) => e?.textContent).join(": ")`))
			if err == nil {
				seen[shown] = true
			}
			if shown == "3,000 users removed: 3,000" {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("removed so far: %v", seen)
			}
		}
		if len(seen) < 2 {
			t.Errorf("no progress was seen: %v", seen)
		}
		t.Logf("seen: %v", seen)
		b.wantText("main", "Download as CSV")
		b.click(`a[href$="/restore"]`)
		b.must(chromedp.Do(b.within(), chromedp.Click(chromedp.CSS(`input[value="some"]`))))
		b.fill("list", people[7]+"\n"+people[8])
		b.click("main form button")
		b.wantText("h1", "2 users restored")
		b.click(".side a[href=\"/console/removals\"]")
		b.wantText("tbody", "Admin Console")
		if got := fmt.Sprint(s.Members(account)); got != fmt.Sprintf("[owner@example.com %s %s stays@example.com]", people[7], people[8]) {
			t.Errorf("the account has %s", got)
		}
		s.VerifyAudit()
	})
}
