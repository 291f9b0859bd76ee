package publicapi_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// dials records whom somebody tries to reach.
type dials struct {
	mu sync.Mutex
	to []string
}

func (d *dials) add(to string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.to = append(d.to, to)
}

func (d *dials) seen() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.to)
}

// listen makes a server that notes who comes, and returns its address.
func (d *dials) listen() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() { // as long as the test binary
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			d.add("the key server")
			conn.Close()
		}
	}()
	return listener.Addr().String()
}

var errNoNetwork = errors.New("tests reach nothing but their own servers")

// guard lets a transport reach servers on 127.0.0.1 alone, without keyServer.
func (d *dials) guard(transport *http.Transport, keyServer string) {
	dial := (&net.Dialer{}).DialContext
	transport.Proxy = nil
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if host, _, _ := net.SplitHostPort(addr); host != "127.0.0.1" || addr == keyServer {
			d.add(addr)
			return nil, errNoNetwork
		}
		return dial(ctx, network, addr)
	}
}

// resolver asks nobody for an address.
func (d *dials) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		d.add("a name server")
		return nil, errNoNetwork
	}}
}

// outbound is whom this test binary calls but its own servers: through HTTP's
// usual transport, by name, or at the address that tokens name as the place of
// their key.
var (
	outbound  dials
	keyServer = outbound.listen()
)

// controlHost is called by the control alone.
const controlHost = "control.example.com"

// calledAway is whom the servers under test have called.
func calledAway() []string {
	return slices.DeleteFunc(outbound.seen(), func(to string) bool { return strings.HasPrefix(to, controlHost) })
}

// watchDials records into outbound from now on. TestMain calls it, before there
// is any test.
func watchDials() {
	outbound.guard(http.DefaultTransport.(*http.Transport), keyServer)
	net.DefaultResolver = outbound.resolver()
}

// TestDialsAreSeen makes sure that a call for a key would be seen.
func TestDialsAreSeen(t *testing.T) {
	t.Parallel()
	var d dials
	server := d.listen()
	guarded := http.DefaultTransport.(*http.Transport).Clone()
	d.guard(guarded, server)
	for _, url := range []string{"http://keys.example.com/jwks.json", "http://" + server} {
		if resp, err := (&http.Client{Transport: guarded}).Get(url); err == nil {
			resp.Body.Close()
			t.Errorf("%s was reached", url)
		}
	}
	own := &net.Dialer{Resolver: d.resolver()} // of somebody who goes past the transport
	if _, err := own.Dial("tcp", "keys.example.com:80"); err == nil {
		t.Error("a name was resolved")
	}
	conn, err := own.Dial("tcp", server)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	for _, want := range []string{"keys.example.com:80", server, "a name server", "the key server"} {
		eventually(t, "the record of "+want, func() bool { return slices.Contains(d.seen(), want) })
	}
	if resp, err := http.Get("http://" + controlHost); err == nil {
		resp.Body.Close()
		t.Error("the usual transport is not guarded")
	}
	if !slices.Contains(outbound.seen(), controlHost+":80") {
		t.Error("what the usual transport calls is not recorded")
	}
}
