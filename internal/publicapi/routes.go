package publicapi

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"roster/internal/directory"
)

// routes are the paths of the public API.
type routes []route

// route is a path, or with under a family of them: path, one segment that is an
// id, and under.
type route struct {
	path      string
	byID      bool
	under     string
	endpoints endpoints
}

// endpoints are what a path does, by method.
type endpoints map[string]endpoint

type endpoint struct {
	scope  directory.Scope
	effect effect
	handle func(*call) error
}

// find returns the route of an escaped path, which may end in a slash, and the
// id in it, as far as it can be one.
func (rs routes) find(path string) (rt route, id string, ok bool) {
	path = strings.TrimSuffix(path, "/")
	for _, rt := range rs {
		if !rt.byID {
			if path == rt.path {
				return rt, "", true
			}
			continue
		}
		rest, below := strings.CutPrefix(path, rt.path+"/")
		segment, ends := strings.CutSuffix(rest, rt.under)
		if !below || !ends || segment == "" || strings.Contains(segment, "/") {
			continue
		}
		id, err := url.PathUnescape(segment)
		if err != nil || !directory.ValidText(id) {
			id = "" // the id of nothing
		}
		return rt, id, true
	}
	return route{}, "", false
}

// noRoute is the error for a path of no route. Hosts of the published API answer a
// POST or a PUT there as if the path had other methods.
func noRoute(r *http.Request) error {
	if r.Method == http.MethodPost || r.Method == http.MethodPut {
		return errMethod
	}
	return errUnknownPath
}

// pattern names the route in the log.
func (rt route) pattern() string {
	if rt.byID {
		return rt.path + "/{id}" + rt.under
	}
	return rt.path
}

// allow is the value of the header Allow.
func (e endpoints) allow() string {
	return strings.Join(slices.Sorted(maps.Keys(e)), ", ")
}

// method is the request's method, or DELETE for a POST that says so: some
// gateways drop the body of a DELETE.
func method(r *http.Request, rt route) string {
	if r.Method == http.MethodPost && rt.pattern() == usersPath &&
		strings.EqualFold(r.Header.Get("X-HTTP-Method-Override"), http.MethodDelete) {
		return http.MethodDelete
	}
	return r.Method
}
