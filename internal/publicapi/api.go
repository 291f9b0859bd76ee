package publicapi

import (
	"bufio"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/web"
)

// Limits bound what one call may ask for, and how often a stranger may fail.
type Limits struct {
	// MaxIDs is how many users one call may name; 0 for 100,000.
	MaxIDs int
	// MaxBody is the largest body in bytes; 0 for 16 MiB.
	MaxBody int64
	// MaxJobIDs and MaxJobBody are the same for a job; 0 for 1,000,000 and 64 MiB.
	MaxJobIDs  int
	MaxJobBody int64
	// MaxBodies is how many bytes of bodies calls hold at once, all together;
	// 0 for 16 times MaxBody. It is at least twice MaxBody, since one account
	// never gets more than half of it. The first 64 KiB of each call do not
	// count: 32 MiB more are kept for them.
	MaxBodies int64
	// CallTimeout is how long the database may take for a call once its body has
	// arrived, apart from a COMMIT that has begun; 0 for a minute.
	CallTimeout time.Duration
	// Failures are how many refused credentials of one client address are
	// answered as such; none for all of them. Proxies are believed about that
	// address.
	Failures directory.RateLimits
	Proxies  web.Proxies
}

// Defaults of Limits.
const (
	DefaultMaxIDs  = 100_000
	DefaultMaxBody = 16 << 20

	DefaultCallTimeout = time.Minute

	DefaultMaxJobIDs  = 1_000_000
	DefaultMaxJobBody = 64 << 20
)

// bodiesPerLoad is how many of the largest bodies calls hold at once, unless
// Limits says otherwise.
const bodiesPerLoad = 16

// API serves the public API.
type API struct {
	roster *roster.Roster
	log    *slog.Logger
	limits Limits
	load   *load
	routes routes

	failures *web.Failures
}

// New makes the door to r.
func New(r *roster.Roster, log *slog.Logger, limits Limits) *API {
	if limits.MaxIDs == 0 {
		limits.MaxIDs = DefaultMaxIDs
	}
	if limits.MaxBody == 0 {
		limits.MaxBody = DefaultMaxBody
	}
	if limits.MaxJobIDs == 0 {
		limits.MaxJobIDs = DefaultMaxJobIDs
	}
	if limits.MaxJobBody == 0 {
		limits.MaxJobBody = DefaultMaxJobBody
	}
	if limits.MaxBodies == 0 {
		limits.MaxBodies = bodiesPerLoad * limits.MaxBody
	}
	if limits.CallTimeout == 0 {
		limits.CallTimeout = DefaultCallTimeout
	}
	a := &API{roster: r, log: log, limits: limits, load: newLoad(limits), failures: web.NewFailures(limits.Failures)}
	a.routes = routes{
		{path: usersPath, endpoints: endpoints{
			http.MethodDelete: {directory.ScopeUserManagement, previews, a.removeUsers},
			http.MethodPost:   {directory.ScopeUserManagement, changes, a.usersBy(a.createUsers, false, msgCreated)},
			http.MethodPut:    {directory.ScopeUserManagement, changes, a.usersBy(a.updateUsers, true, msgUpdated)},
		}},
		{path: removalsPath, endpoints: endpoints{
			http.MethodGet: {directory.ScopeUserManagement, reads, a.listRemovals},
		}},
		{path: removalsPath, byID: true, endpoints: endpoints{
			http.MethodGet:    {directory.ScopeUserManagement, reads, a.getRemoval},
			http.MethodDelete: {directory.ScopeUserManagement, changes, a.cancelRemoval},
		}},
		{path: removalsPath, byID: true, under: "/restore", endpoints: endpoints{
			http.MethodPost: {directory.ScopeUserManagement, previews, a.restoreUsers},
		}},
		{path: usersInfoPath, endpoints: endpoints{
			http.MethodPost: {directory.ScopeUserManagement, reads, a.usersInfo()},
		}},
		{path: userAccessPath, endpoints: endpoints{
			http.MethodPost: {directory.ScopeRoleManagement, changes, a.userAccess()},
		}},
		{path: userRolesPath, endpoints: endpoints{
			http.MethodGet: {directory.ScopeRoleManagement, reads, listOf("users", a.userRoles, appendUserRoles)},
		}},
		{path: rolesPath, endpoints: endpoints{
			http.MethodGet: {directory.ScopeRoleManagement, reads, listOf("roles", a.roles, appendRole)},
		}},
		{path: groupsPath, endpoints: endpoints{
			http.MethodGet: {directory.ScopeRoleManagement, reads, a.listGroups},
		}},
		{path: botsPath, endpoints: endpoints{
			http.MethodGet: {directory.ScopeRoleManagement, reads, listOf("bots", a.bots, appendBot)},
		}},
		{path: auditLogsPath, endpoints: endpoints{
			http.MethodGet: {directory.ScopeAuditLogs, reads, a.auditLogs},
		}},
		{path: adminRolesPath, endpoints: endpoints{
			http.MethodPost: {directory.ScopeRoleManagement, changes, a.assignRoles(directory.AdminRole)},
		}},
		{path: botRolesPath, endpoints: endpoints{
			http.MethodPost: {directory.ScopeRoleManagement, changes, a.assignRoles(directory.BotRole)},
		}},
	}
	return a
}

// usersPath is the path of the account's users, and removalsPath that of its
// removals.
const (
	usersPath    = "/api/public/users"
	removalsPath = usersPath + "/removals"

	usersInfoPath  = "/api/public/usersInfo"
	userAccessPath = "/api/public/useraccess"
)

// Paths of the lists, and of the assignment of roles.
const (
	adminRolesPath = "/api/public/adminroles/assignments"
	botRolesPath   = "/api/public/btroles/assignments"

	userRolesPath = "/api/public/alluserroles"
	rolesPath     = "/api/public/roles"
	groupsPath    = "/api/public/groups"
	botsPath      = "/api/public/bots"
)

// call is a request that passed the checks that all endpoints share.
type call struct {
	w      http.ResponseWriter
	r      *http.Request
	id     string // what stands for {id} in the path
	caller auth.Caller

	effect  effect
	options options
	timeout time.Duration
}

// detachedContext returns a context that outlives the client: a client that hangs up
// after its request has arrived does not change the outcome.
func (c *call) detachedContext() (context.Context, context.CancelFunc) {
	return detachedContext(c.r, c.timeout)
}

func detachedContext(r *http.Request, timeout time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), timeout)
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := a.serve(w, r); err != nil {
		a.fail(w, r, err)
	}
}

// serve makes the checks in the order of the contract: route, method,
// credentials, scope, rate limit; the endpoint goes on with the body.
func (a *API) serve(w http.ResponseWriter, r *http.Request) error {
	rt, id, ok := a.routes.find(r.URL.EscapedPath())
	if !ok {
		return noRoute(r)
	}
	web.SetRoute(r.Context(), rt.pattern())
	ep, ok := rt.endpoints[method(r, rt)]
	if !ok {
		w.Header().Set("Allow", rt.endpoints.allow())
		return errMethod
	}
	caller, quota, err := a.admit(r, ep.scope)
	if err != nil {
		return err
	}
	setQuota(w.Header(), quota)
	if rt.byID && id == "" {
		return errUnknownPath
	}
	if r.Method != http.MethodGet { // whose body nobody reads
		if err := checkContentType(r); err != nil {
			return err
		}
	}
	options, err := readOptions(r.URL.RawQuery, ep.effect)
	if err != nil {
		return err
	}
	return ep.handle(&call{w, r, id, caller, ep.effect, options, a.limits.CallTimeout})
}

// admissionTimeout bounds how long the check of a call's credentials and its rate limit
// may take.
const admissionTimeout = 10 * time.Second

// admit finds out who calls and lets them make one call that needs the scope.
func (a *API) admit(r *http.Request, scope directory.Scope) (caller auth.Caller, quota directory.Quota, err error) {
	token, err := readToken(r)
	if err != nil {
		return caller, quota, err
	}
	ctx, cancel := detachedContext(r, min(a.limits.CallTimeout, admissionTimeout))
	defer cancel()
	if caller, err = a.roster.Authenticate(ctx, token); err != nil {
		return caller, quota, err
	}
	web.AddLog(r.Context(), slog.String("app", caller.ClientID()))
	quota, err = a.roster.Admit(ctx, caller, scope)
	return caller, quota, err
}

// readToken is the request's token, empty when it has none.
func readToken(r *http.Request) (string, error) {
	switch values := r.Header.Values("auth"); len(values) {
	case 0:
		return "", nil
	case 1:
		return strings.TrimSpace(values[0]), nil
	}
	return "", auth.Refuse(auth.ReasonMalformed, "more than one auth header")
}

func checkContentType(r *http.Request) error {
	for _, encoding := range r.Header.Values("Content-Encoding") {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return errMediaType
		}
	}
	for _, value := range r.Header.Values("Content-Type") {
		// Any parameters will do, so they are not parsed: mime.ParseMediaType
		// knows no type for a value that has two of a name.
		mediaType, _, _ := strings.Cut(value, ";")
		if value != "" && !strings.EqualFold(strings.TrimSpace(mediaType), "application/json") {
			return errMediaType
		}
	}
	return nil
}

// answer writes a 200 whose body, which is JSON, write makes.
func answer(w http.ResponseWriter, write func(*bufio.Writer)) { answerAs(w, contentType, write) }

// answerAs is answer for a body of another type.
func answerAs(w http.ResponseWriter, contentType string, write func(*bufio.Writer)) {
	w.Header().Set("Content-Type", contentType)
	buf := bufio.NewWriterSize(w, answerBuffer)
	write(buf)
	_ = buf.Flush() // the client is gone; what was done stands
}

const contentType = "application/json; charset=utf-8"

// answerBuffer is how many bytes of an answer go out at once.
const answerBuffer = 32 << 10
