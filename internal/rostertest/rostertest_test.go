package rostertest_test

import (
	"testing"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestSmoke(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := rostertest.Start(t, dsn, rostertest.Options{})
		acc := s.Account("owner@example.com")
		s.Users(acc, "a@example.com", "b@example.com", "c@example.com")
		s.Bot(acc, "Desk", "b@example.com")
		app := s.App(acc)
		t.Log(s.Remove(app, `{"deleteEmailIds":["A@example.com "]}`))
		t.Log(s.Remove(app, `{"deleteEmailIds":["a@example.com","B@example.com","owner@example.com",7]}`))
		t.Log(s.Do(rostertest.Request{Path: "/api/public/users/?reasons=codes", Token: app.Token(nil), Body: `{"deleteEmailIds":["b@example.com","c@example.com"],"includeMeta":true}`}))
		t.Log(s.Members(acc))
		s.VerifyAudit()
		t.Log(s.Log.String())
	})
}
