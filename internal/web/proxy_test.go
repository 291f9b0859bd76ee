package web_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"roster/internal/web"
)

// Who a request is from: the nearest address that is no trusted proxy.
func TestClient(t *testing.T) {
	t.Parallel()
	const proxies = "10.0.0.0/8, 192.168.1.1, 2001:db8:1::/48"
	for _, c := range []struct {
		says    string
		proxies string
		remote  string
		forward []string // header lines
		want    string
	}{
		{"no proxy, no header", "", "203.0.113.7:4711", nil, "203.0.113.7"},
		{"no proxy is trusted", "", "10.1.1.1:1", []string{"198.51.100.1"}, "10.1.1.1"},
		{"a stranger's header", proxies, "203.0.113.7:4711", []string{"198.51.100.1"}, "203.0.113.7"},
		{"a stranger who names a proxy", proxies, "203.0.113.7:4711", []string{"198.51.100.1, 10.0.0.1"}, "203.0.113.7"},
		{"a neighbour of the network", proxies, "192.168.1.2:1", []string{"198.51.100.1"}, "192.168.1.2"},
		{"one proxy", proxies, "10.1.1.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"two proxies", proxies, "10.1.1.1:1", []string{"198.51.100.1, 192.168.1.1"}, "198.51.100.1"},
		{"what the client made up stands left of it", proxies, "10.1.1.1:1", []string{"1.1.1.1, 198.51.100.1, 10.2.2.2"}, "198.51.100.1"},
		{"made up, with a proxy's name", proxies, "10.1.1.1:1", []string{"1.1.1.1, 10.9.9.9, 198.51.100.1"}, "198.51.100.1"},
		{"several lines", proxies, "10.1.1.1:1", []string{"1.1.1.1", "198.51.100.1", "10.2.2.2, 192.168.1.1"}, "198.51.100.1"},
		{"all are proxies", proxies, "10.1.1.1:1", []string{"10.3.3.3, 10.2.2.2"}, "10.3.3.3"},
		{"no header", proxies, "10.1.1.1:1", nil, "10.1.1.1"},
		{"empty header", proxies, "10.1.1.1:1", []string{""}, "10.1.1.1"},
		{"malformed", proxies, "10.1.1.1:1", []string{"198.51.100.1, unknown"}, "10.1.1.1"},
		{"malformed behind a proxy", proxies, "10.1.1.1:1", []string{"198.51.100.1, _hidden, 10.2.2.2"}, "10.2.2.2"},
		{"an empty entry", proxies, "10.1.1.1:1", []string{"198.51.100.1, , 10.2.2.2"}, "10.2.2.2"},
		{"with a port", proxies, "10.1.1.1:1", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		{"blanks", proxies, "10.1.1.1:1", []string{" \t198.51.100.1 "}, "198.51.100.1"},
		{"IPv6", proxies, "[2001:db8:1::1]:1", []string{"2001:db8:2::7"}, "2001:db8:2::7"},
		{"IPv6 with a port", proxies, "[2001:db8:1::1]:1", []string{"[2001:db8:2::7]:99"}, "2001:db8:2::7"},
		{"IPv6 with a zone", proxies, "[fe80::1%eth0]:1", nil, "fe80::1"},
		{"IPv4 in IPv6", proxies, "[::ffff:10.1.1.1]:1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"everybody is trusted", "0.0.0.0/0", "10.1.1.1:1", []string{"1.1.1.1, 198.51.100.1"}, "1.1.1.1"},
		{"no address", proxies, "@", []string{"198.51.100.1"}, "invalid IP"},
	} {
		trusted, err := web.ParseProxies(c.proxies)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = c.remote
		r.Header["X-Forwarded-For"] = c.forward
		if got := trusted.Client(r).String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.says, got, c.want)
		}
	}
}

func TestParseProxies(t *testing.T) {
	t.Parallel()
	got, err := web.ParseProxies("10.1.2.3/8,::1 , 2001:db8::/32,")
	if err != nil || got.String() != "10.0.0.0/8,::1/128,2001:db8::/32" {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"x", "10.0.0.0/33", "10.0.0.0 10.1.0.0", "::ffff:10.0.0.0/104", "::ffff:10.0.0.1", "fe80::1%eth0", "example.com"} {
		if got, err := web.ParseProxies(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}
