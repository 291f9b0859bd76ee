package console

import (
	"net/http"
	"net/url"
	"strings"

	"roster/internal/directory"
)

// access says who a route is for.
type access int

const (
	static   access = iota // anybody, by whatever transport: it tells nothing
	anyone                 // also who has not signed in
	signedIn               // whoever has, in an account or not yet
	inside                 // whoever is in an account
)

// method is a method of HTTP, and how many bytes of a form come with it at most.
type method struct {
	name string
	most int64
}

var (
	get      = method{name: http.MethodGet}
	post     = method{http.MethodPost, maxForm}
	postList = method{http.MethodPost, maxList} // of people
)

// route is a path of the console and what answers there. A segment {name} of the
// pattern stands for any text. The need is that of the verb behind it, so that a
// form is not shown to whom it would refuse; the verb asks for it again.
type route struct {
	method
	pattern string
	access  access
	need    directory.Need
	handle  func(*request) error
}

// table is all that the console answers.
func (c *Console) table() []route {
	see, change := directory.RightApps.See(), directory.RightApps.Change()
	seeUsers, changeUsers := directory.RightUsers.See(), directory.RightUsers.Change()
	none := directory.Need{}
	const app, user, removal = Root + "/apps/{app}", Root + "/users/{user}", Root + "/removals/{removal}"
	return []route{
		{get, Root + "/static/{file}", static, none, (*request).file},

		{get, Root + "/sign-in", anyone, none, (*request).signInPage},
		{post, Root + "/sign-in", anyone, none, (*request).signIn},
		{get, Root + "/link/{token}", anyone, none, (*request).linkPage},
		{post, Root + "/link/{token}", anyone, none, (*request).setPassword},
		{post, Root + "/sign-out", signedIn, none, (*request).signOut},
		{get, Root + "/accounts", signedIn, none, (*request).accountsPage},
		{post, Root + "/accounts", signedIn, none, (*request).enterAccount},

		{get, Root, inside, none, (*request).overview},
		{get, Root + "/sessions", inside, none, (*request).sessionsPage},
		{post, Root + "/sessions/end", inside, none, (*request).endSession},

		{get, Root + "/users", inside, seeUsers, (*request).usersPage},
		{get, Root + "/users/import", inside, changeUsers, (*request).importPage},
		{postList, Root + "/users/import/preview", inside, changeUsers, (*request).previewImport},
		{postList, Root + "/users/import", inside, changeUsers, (*request).importUsers},
		{get, Root + "/users/remove", inside, changeUsers, (*request).removePage},
		{postList, Root + "/users/remove/preview", inside, changeUsers, (*request).previewRemoval},
		{postList, Root + "/users/remove/bots", inside, changeUsers, (*request).passOnBots},
		{postList, Root + "/users/remove", inside, changeUsers, (*request).removeUsers},
		{get, user, inside, seeUsers, (*request).userPage},
		{post, user + "/status", inside, changeUsers, (*request).changeStatus},
		{post, user + "/sessions/end", inside, changeUsers, (*request).endUserSessions},
		{get, Root + "/removals", inside, seeUsers, (*request).removalsPage},
		{get, removal, inside, seeUsers, (*request).removalPage},
		{get, removal + "/report.csv", inside, seeUsers, (*request).reportFile},
		{get, removal + "/not-removed.csv", inside, seeUsers, (*request).failuresFile},
		{get, removal + "/restore", inside, changeUsers, (*request).restorePage},
		{postList, removal + "/restore", inside, changeUsers, (*request).restore},
		{get, removal + "/restorations/{request}", inside, seeUsers, (*request).restoredPage},
		{post, removal + "/cancel", inside, changeUsers, (*request).cancelRemoval},

		{get, Root + "/apps", inside, see, (*request).appsPage},
		{post, Root + "/apps", inside, change, (*request).createApp},
		{get, Root + "/apps/new", inside, change, (*request).newAppPage},
		{get, app, inside, see, (*request).appPage},
		{get, app + "/edit", inside, change, (*request).editAppPage},
		{post, app + "/edit", inside, change, (*request).editApp},
		{post, app + "/enable", inside, change, (*request).enableApp},
		{post, app + "/disable", inside, change, (*request).disableApp},
		{get, app + "/delete", inside, change, (*request).deleteAppPage},
		{post, app + "/delete", inside, change, (*request).deleteApp},
		{get, app + "/secrets/new", inside, change, (*request).addSecretPage},
		{post, app + "/secrets", inside, change, (*request).addSecret},
		{get, app + "/secrets/{number}/retire", inside, change, (*request).retireSecretPage},
		{post, app + "/secrets/{number}/retire", inside, change, (*request).retireSecret},
		{post, app + "/token", inside, change, (*request).testToken},
	}
}

// Routes lists what the console answers, as "METHOD /path".
func (c *Console) Routes() []string {
	all := make([]string, len(c.routes))
	for i, rt := range c.routes {
		all[i] = rt.name + " " + rt.pattern
	}
	return all
}

// find finds the route of a request. Where several patterns fit, the first in the
// table that has the most of the path's own words wins.
func (c *Console) find(r *http.Request) (rt route, values map[string]string, err error) {
	path := strings.TrimSuffix(r.URL.EscapedPath(), "/")
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	var allowed []string
	best := -1
	for _, candidate := range c.routes {
		found, ok := match(candidate.pattern, path)
		if !ok {
			continue
		}
		allowed = append(allowed, candidate.name)
		if candidate.name == method && (best < 0 || len(found) < len(values)) {
			rt, values, best = candidate, found, len(found)
		}
	}
	switch {
	case allowed == nil:
		return rt, nil, errNoPage
	case best < 0:
		return rt, nil, errNoMethod(allowed)
	}
	return rt, values, nil
}

// match compares a path with a pattern, segment by segment. A segment that is no
// valid text is the value of nothing.
func match(pattern, path string) (values map[string]string, ok bool) {
	patterns, segments := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(patterns) != len(segments) {
		return nil, false
	}
	for i, p := range patterns {
		name, isValue := strings.CutPrefix(p, "{")
		if !isValue {
			if p != segments[i] {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(segments[i])
		if err != nil || value == "" || !directory.ValidText(value) {
			return nil, false
		}
		if values == nil {
			values = map[string]string{}
		}
		values[strings.TrimSuffix(name, "}")] = value
	}
	return values, true
}
