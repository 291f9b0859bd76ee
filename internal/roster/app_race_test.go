package roster_test

import (
	"context"
	"errors"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// eachAppRace runs a race about a fresh app, with as many secrets, again and again.
func eachAppRace(t *testing.T, secrets int, race func(s *stage, app madeApp)) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := newStage(t, dsn)
		for range raceRounds {
			app := s.app(roster.NewApp{})
			for range secrets - 1 {
				_, _, err := s.roster.AddSecret(context.Background(), auth.Operator(), app.id, roster.NewSecret{})
				must(t, err)
			}
			race(s, app)
		}
		_, err := s.roster.VerifyAudit(context.Background(), auth.Operator())
		must(t, err)
	})
}

// live is how many live secrets the app has.
func (s *stage) live(app madeApp) (n int) {
	s.Helper()
	must(s.T, storetest.SQL(s, s.dsn).QueryRow(
		"SELECT COUNT(*) FROM app_secrets s JOIN apps a ON a.id = s.app_id WHERE s.retired_at IS NULL AND a.client_id = $1", app.id).Scan(&n))
	return n
}

// wantOne fails the test unless just one of two verbs was refused, because of the app's state.
func (s *stage) wantOne(what string, one, two error) {
	s.Helper()
	if (one == nil) == (two == nil) || !errors.Is(errors.Join(one, two), directory.ErrState) {
		s.Errorf("%s: %v and %v", what, one, two)
	}
}

// Two secrets added at once: an app that has one gets one of them.
func TestSecretAddedTwiceAtOnce(t *testing.T) {
	eachAppRace(t, 1, func(s *stage, app madeApp) {
		add := func(err *error) func() {
			return func() {
				_, _, *err = s.roster.AddSecret(context.Background(), auth.Operator(), app.id, roster.NewSecret{})
			}
		}
		var one, two error
		together(add(&one), add(&two))
		s.wantOne("add", one, two)
		if n := s.live(app); n != 2 {
			s.Errorf("the app has %d live secrets", n)
		}
	})
}

// The only two secrets retired at once: one of them stays.
func TestLastSecretsRetiredAtOnce(t *testing.T) {
	eachAppRace(t, 2, func(s *stage, app madeApp) {
		retire := func(number int, err *error) func() {
			return func() { _, *err = s.roster.RetireSecret(context.Background(), auth.Operator(), app.id, number) }
		}
		var one, two error
		together(retire(1, &one), retire(2, &two))
		s.wantOne("retire", one, two)
		if n := s.live(app); n != 1 {
			s.Errorf("the app has %d live secrets", n)
		}
	})
}

// A secret added to an app that is deleted: whoever comes first, none is left.
func TestSecretAddedAgainstDeletion(t *testing.T) {
	eachAppRace(t, 1, func(s *stage, app madeApp) {
		var add, del error
		together(
			func() {
				_, _, add = s.roster.AddSecret(context.Background(), auth.Operator(), app.id, roster.NewSecret{})
			},
			func() { _, del = s.roster.DeleteApp(context.Background(), auth.Operator(), app.id) },
		)
		if del != nil || (add != nil && !errors.Is(add, directory.ErrState)) {
			s.Errorf("delete: %v; add: %v", del, add)
		}
		if n := s.live(app); n != 0 {
			s.Errorf("the deleted app has %d live secrets", n)
		}
	})
}
