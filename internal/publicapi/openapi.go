package publicapi

import (
	_ "embed"
	"net/http"
	"slices"
	"strconv"
)

// document is the OpenAPI description of what the server answers, the paths
// beside this door too. A test holds it against the answers of a real server.
//
//go:embed openapi.yaml
var document []byte

// ServeDocument answers with the OpenAPI 3.1 document, as YAML.
func ServeDocument(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("Content-Length", strconv.Itoa(len(document)))
	_, _ = w.Write(document) // the client is gone
}

// Routes lists what the door answers, as "METHOD /path", sorted.
func (a *API) Routes() []string {
	var routes []string
	for _, rt := range a.routes {
		for m := range rt.endpoints {
			routes = append(routes, m+" "+rt.pattern())
		}
	}
	slices.Sort(routes)
	return routes
}
