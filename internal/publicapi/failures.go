package publicapi

import (
	"log/slog"
	"net/http"
	"net/netip"

	"roster/internal/directory"
	"roster/internal/web"
)

// DefaultFailureLimit is how many refused credentials of one address are
// answered as such unless Limits say otherwise.
func DefaultFailureLimit() directory.RateLimits { return directory.DefaultRateLimits() }

// failed counts refused credentials by the client's address. From one that has
// failed too often they are answered as that, whatever is wrong with them.
func (a *API) failed(w http.ResponseWriter, r *http.Request, wire *wireError) *wireError {
	client := a.logClient(r)
	wait := a.failures.Add(client, a.roster.Now())
	if wait <= 0 {
		return wire
	}
	setRetryAfter(w.Header(), wait)
	return errRateLimit
}

// logClient puts the address that a refused call comes from into its line of
// the log. Calls that are served are nobody's business there.
func (a *API) logClient(r *http.Request) netip.Addr {
	client := a.limits.Proxies.Client(r)
	web.AddLog(r.Context(), slog.String("client", client.String()))
	return client
}
