package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"roster/internal/roster"
	"roster/internal/rostertest"
	"roster/internal/server"
	"roster/internal/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// document reads the OpenAPI document from the server and checks that it is
// one, its examples included.
func document(t *testing.T, s *rostertest.Server) *openapi3.T {
	t.Helper()
	got := s.Do(rostertest.Request{Method: http.MethodGet, Path: "/openapi.yaml"})
	if got.Status != http.StatusOK || got.Header.Get("Content-Type") != "application/yaml" {
		t.Fatalf("/openapi.yaml answered %d %s", got.Status, got.Header.Get("Content-Type"))
	}
	doc, err := openapi3.NewLoader().LoadFromData([]byte(got.Body))
	if err != nil {
		t.Fatalf("load the document: %v", err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaFormatValidation()); err != nil {
		t.Fatalf("the document is not valid: %v", err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") {
		t.Errorf("it is OpenAPI %s, not 3.1", doc.OpenAPI)
	}
	return closed(t, doc)
}

// closed is the document with no room in its objects for keys that it does not
// name. A client should bear more keys in later versions, so the document says
// nothing of the kind; here they are a mistake.
func closed(t *testing.T, doc *openapi3.T) *openapi3.T {
	t.Helper()
	text, err := doc.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(node any) {
		switch n := node.(type) {
		case map[string]any:
			if n["type"] == "object" && n["properties"] != nil {
				n["additionalProperties"] = false
			}
			for _, child := range n {
				walk(child)
			}
		case []any:
			for _, child := range n {
				walk(child)
			}
		}
	}
	walk(tree["components"].(map[string]any)["schemas"])
	if text, err = json.Marshal(tree); err != nil {
		t.Fatal(err)
	}
	strict, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := strict.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatalf("an example has a key that its schema does not name: %v", err)
	}
	return strict
}

// Every method and path of the server is in the document, and the reverse. What
// is not in it is refused.
func TestDocumentNamesEveryRoute(t *testing.T) {
	t.Parallel()
	s := rostertest.Start(t, storetest.New(t, "sqlite"), rostertest.Options{})
	doc := document(t, s)
	var documented []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			documented = append(documented, method+" "+path)
		}
	}
	slices.Sort(documented)
	if routes := routes(t); !slices.Equal(documented, routes) {
		t.Errorf("documented: %q\n    served: %q", documented, routes)
	}
	for path, item := range doc.Paths.Map() {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"} {
			got := s.Do(rostertest.Request{Method: method, Path: path})
			refused := got.Status == http.StatusNotFound || got.Status == http.StatusMethodNotAllowed
			if served := item.GetOperation(method) != nil; served == refused && (method != "POST" || got.Status != http.StatusMethodNotAllowed) {
				t.Errorf("%s %s answered %d; documented: %v", method, path, got.Status, served)
			}
		}
	}
}

// routes are those of a server that never serves.
func routes(t *testing.T) []string {
	t.Helper()
	s, err := server.New(t.Context(), server.Config{
		Addr:   "127.0.0.1:0",
		Roster: roster.Options{Database: storetest.New(t, "sqlite"), SecretKeyFile: filepath.Join(t.TempDir(), "key")},
		Log:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Run(over); err != nil {
		t.Error(err)
	}
	return s.Routes()
}

// checker holds requests and answers against the document.
type checker struct {
	*rostertest.Server
	t      *testing.T
	doc    *openapi3.T
	router routers.Router
	seen   map[string]bool // "METHOD /path status example"
}

func newChecker(t *testing.T, s *rostertest.Server) *checker {
	t.Helper()
	doc := document(t, s)
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return &checker{Server: s, t: t, doc: doc, router: router, seen: map[string]bool{}}
}

// input is the request as the document sees it.
func (c *checker) input(t *testing.T, req rostertest.Request) *openapi3filter.RequestValidationInput {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), documentedAs(req), c.URL+req.Path, strings.NewReader(req.Body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for name, value := range req.Header {
		r.Header.Set(name, value)
	}
	if req.Token != "" {
		r.Header.Set("auth", req.Token)
	}
	route, params, err := c.router.FindRoute(r)
	if err != nil {
		t.Fatalf("%s %s is not documented: %v", req.Method, req.Path, err)
	}
	return &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{IncludeResponseStatus: true, AuthenticationFunc: hasToken},
	}
}

// documentedAs is the method under which a request is documented: the POST that is a
// DELETE is one in words alone, since a method has one description.
func documentedAs(req rostertest.Request) string {
	if req.Method == http.MethodPost && strings.EqualFold(req.Header["X-HTTP-Method-Override"], http.MethodDelete) {
		return http.MethodDelete
	}
	return req.Method
}

// hasToken does for a token what the document asks for.
func hasToken(_ context.Context, in *openapi3filter.AuthenticationInput) error {
	if s := in.SecurityScheme; s.Type != "apiKey" || s.In != "header" || in.RequestValidationInput.Request.Header.Get(s.Name) == "" {
		return errors.New("there is no token where the document wants it")
	}
	return nil
}

// answer checks an answer against the document.
func (c *checker) answer(t *testing.T, in *openapi3filter.RequestValidationInput, got rostertest.Answer) {
	t.Helper()
	if err := validate(t, in, got); err != nil {
		t.Errorf("the answer is not as documented: %v", err)
	}
}

func validate(t *testing.T, in *openapi3filter.RequestValidationInput, got rostertest.Answer) error {
	t.Helper()
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: got.Status, Header: got.Header,
		Body: io.NopCloser(strings.NewReader(got.Body)), Options: in.Options,
	}
	return openapi3filter.ValidateResponse(t.Context(), out)
}

// The pages beside the API, and the answers that no operation has because they
// are those of unknown paths and wrong methods.
func TestDocumentedPages(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		c := newChecker(t, rostertest.Start(t, dsn, rostertest.Options{}))
		for _, path := range []string{"/healthz", "/readyz", "/openapi.yaml"} {
			get := c.page(t, http.MethodGet, path, http.StatusOK)
			head := c.page(t, http.MethodHead, path, http.StatusOK)
			if head.Body != "" || head.Header.Get("Content-Type") != get.Header.Get("Content-Type") ||
				head.Header.Get("Content-Length") != get.Header.Get("Content-Length") {
				t.Errorf("HEAD %s answered %q %v, GET %v", path, head.Body, head.Header, get.Header)
			}
		}
		c.component(t, "NotFound", c.Do(rostertest.Request{Method: http.MethodGet, Path: "/"}))
		c.component(t, "NotFound", c.Do(rostertest.Request{Method: http.MethodGet, Path: "/api/public/user"}))
		if got := c.Do(rostertest.Request{Method: http.MethodPost, Path: "/openapi.yaml"}); got.Status != http.StatusMethodNotAllowed {
			t.Errorf("POST /openapi.yaml answered %d", got.Status) // as an unknown path
		}
		c.component(t, "MethodNotAllowed", c.Do(rostertest.Request{Method: http.MethodGet}))

		storetest.Exec(t, dsn, "UPDATE schema_compatibility SET lowest_writer = lowest_writer + 1000")
		if got := c.page(t, http.MethodGet, "/readyz", http.StatusServiceUnavailable); got.Body != "database unavailable\n" {
			t.Errorf("/readyz answered %q", got.Body)
		}
		c.page(t, http.MethodHead, "/readyz", http.StatusServiceUnavailable)
	})
}

func (c *checker) page(t *testing.T, method, path string, status int) rostertest.Answer {
	t.Helper()
	req := rostertest.Request{Method: method, Path: path}
	in := c.input(t, req)
	if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil {
		t.Errorf("%s %s: the document finds wrong in the request: %v", method, path, err)
	}
	got := c.Do(req)
	if got.Status != status {
		t.Errorf("%s %s answered %d", method, path, got.Status)
	}
	c.answer(t, in, got)
	return got
}

// component checks an answer against one of the document's responses.
func (c *checker) component(t *testing.T, name string, got rostertest.Answer) {
	t.Helper()
	response := c.doc.Components.Responses[name].Value
	var body any
	if err := json.Unmarshal([]byte(got.Body), &body); err != nil {
		t.Fatal(err)
	}
	content := response.Content.Get(got.Header.Get("Content-Type"))
	if content == nil {
		t.Fatalf("%s: content type %s", name, got.Header.Get("Content-Type"))
	}
	if err := content.Schema.Value.VisitJSON(body, openapi3.EnableJSONSchema2020()); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	for header := range response.Headers {
		if got.Header.Get(header) == "" {
			t.Errorf("%s has no header %s", name, header)
		}
	}
	for _, example := range content.Examples {
		if !reflect.DeepEqual(example.Value.Value, body) {
			t.Errorf("%s answered %s, not %v", name, got.Body, example.Value.Value)
		}
	}
}
