package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/client"
	"roster/internal/roster"
	"roster/internal/rostertest"
	"roster/internal/server"
	"roster/internal/storetest"
)

// authority signs the certificates of a test, each with the next serial number.
type authority struct {
	t      *testing.T
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	serial int64
	dir    string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t), dir: t.TempDir()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a certificate for 127.0.0.1, valid for so long, and its key.
func (a *authority) issue(valid time.Duration) (cert, key []byte) {
	a.t.Helper()
	a.serial++
	pair := newKey(a.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(valid),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, pair.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(pair)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

// put writes a file in place of the one of that name, as careful tools do.
func (a *authority) put(name string, text []byte) {
	a.t.Helper()
	if err := os.WriteFile(a.path(name+".new"), text, 0o600); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Rename(a.path(name+".new"), a.path(name)); err != nil {
		a.t.Fatal(err)
	}
}

// trust is the configuration of a client that trusts the authority.
func (a *authority) trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// start serves HTTPS with a first certificate, number 1.
func (a *authority) start(dsn string) *rostertest.Server {
	a.t.Helper()
	cert, key := a.issue(time.Hour)
	a.put("cert.pem", cert)
	a.put("key.pem", key)
	return rostertest.Start(a.t, dsn, rostertest.Options{TLSCert: a.path("cert.pem"), TLSKey: a.path("key.pem")})
}

// protocols notes by which version of HTTP answers came.
type protocols struct {
	http.RoundTripper
	seen []string
}

func (p *protocols) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := p.RoundTripper.RoundTrip(r)
	if err == nil {
		p.seen = append(p.seen, resp.Proto)
	}
	return resp, err
}

// Removals work over HTTP/2 and over HTTP/1.1 with TLS, with each version of
// TLS that there is from 1.2 on.
func TestRemovalOverTLS(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		a := newAuthority(t)
		s := a.start(dsn)
		account := s.Account("olga@example.com")
		s.Users(account, "ann@example.com", "bo@example.com", "cy@example.com")
		app := s.App(account)
		for _, c := range []struct {
			leaver  string
			version uint16
			http2   bool
			proto   string
		}{
			{"ann@example.com", tls.VersionTLS13, true, "HTTP/2.0"},
			{"bo@example.com", tls.VersionTLS12, true, "HTTP/2.0"},
			{"cy@example.com", tls.VersionTLS12, false, "HTTP/1.1"},
		} {
			config := a.trust()
			config.MaxVersion = c.version
			transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: c.http2}
			defer transport.CloseIdleConnections()
			proto := &protocols{RoundTripper: transport}
			api, err := client.New(client.Config{
				Host: s.URL, ClientID: app.ClientID, ClientSecret: app.Secret, HTTPClient: &http.Client{Transport: proto},
			})
			if err != nil {
				t.Fatal(err)
			}
			out, err := api.RemoveUsers(t.Context(), client.RemoveUsersRequest{EmailIDs: []string{c.leaver, "olga@example.com"}})
			if err != nil || len(out.Failed) != 1 || out.Failed[0].EmailID != "olga@example.com" {
				t.Errorf("%s: answered %+v, error %v", c.proto, out, err)
			}
			if _, err := api.RemoveUsers(t.Context(), client.RemoveUsersRequest{EmailIDs: nil}); err == nil {
				t.Errorf("%s: nobody is removed, and no error says so", c.proto)
			}
			if !slices.Equal(proto.seen, []string{c.proto, c.proto}) {
				t.Errorf("answered by %q, not by %s", proto.seen, c.proto)
			}
		}
		if left := s.Members(account); !slices.Equal(left, []string{"olga@example.com"}) {
			t.Errorf("left: %q", left)
		}
		s.VerifyAudit()
	})
}

func TestTLSRefuses(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s := a.start(storetest.New(t, "sqlite"))
	if !strings.HasPrefix(s.URL, "https://127.0.0.1:") {
		t.Errorf("URL %s", s.URL)
	}
	old := a.trust()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if _, err := a.handshake(s, old); err == nil {
		t.Error("TLS 1.1 is taken")
	}
	resp, err := http.Get("http" + strings.TrimPrefix(s.URL, "https") + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP is answered by %d", resp.StatusCode)
	}
}

// handshake connects anew and returns the serial number of the certificate.
func (a *authority) handshake(s *rostertest.Server, config *tls.Config) (int64, error) {
	dialer := &tls.Dialer{Config: config}
	conn, err := dialer.DialContext(a.t.Context(), "tcp", strings.TrimPrefix(s.URL, "https://"))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
}

// A certificate that is renewed is used by the next connection, once both files
// are there and belong together. Until then the old one stays.
func TestCertificateIsRenewed(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s := a.start(storetest.New(t, "sqlite"))
	transport := &http.Transport{TLSClientConfig: a.trust(), ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	kept := &http.Client{Transport: transport}

	expect := func(when string, serial int64, faults int) {
		t.Helper()
		for range 2 { // a fault is logged once, not at each handshake
			got, err := a.handshake(s, a.trust())
			if err != nil || got != serial {
				t.Errorf("%s: certificate %d, error %v; want %d", when, got, err, serial)
			}
		}
		if n := strings.Count(s.Log.String(), "the new one is broken"); n != faults {
			t.Errorf("%s: %d faults are logged, want %d", when, n, faults)
		}
		resp, err := kept.Get(s.URL + "/healthz")
		if err != nil {
			t.Fatalf("%s: on the connection from before: %v", when, err)
		}
		resp.Body.Close()
	}
	expect("at first", 1, 0)

	cert, key := a.issue(time.Hour)
	a.put("cert.pem", cert)
	expect("the new certificate with the old key", 1, 1)
	a.put("key.pem", key)
	expect("both are new", 2, 1)

	cert, key = a.issue(time.Hour)
	a.put("key.pem", key)
	expect("the new key with the old certificate", 2, 2)
	a.put("cert.pem", cert)
	expect("both are new again", 3, 2)

	good, _ := os.ReadFile(a.path("cert.pem"))
	a.put("cert.pem", []byte("nonsense"))
	expect("no certificate at all", 3, 3)
	if err := os.Remove(a.path("cert.pem")); err != nil {
		t.Fatal(err)
	}
	expect("the file is gone", 3, 4)
	a.put("cert.pem", good)
	expect("it is back", 3, 4)

	// In place, as cp does: the file is the same, its time and size may be too.
	cert, key = a.issue(time.Hour)
	later := time.Now().Add(time.Minute)
	for name, text := range map[string][]byte{"cert.pem": cert, "key.pem": key} {
		if err := os.WriteFile(a.path(name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(a.path(name), later, later); err != nil {
			t.Fatal(err)
		}
	}
	expect("written over", 4, 4)

	if strings.Contains(s.Log.String(), "expired") {
		t.Error("a certificate counts as expired that is not")
	}
	cert, key = a.issue(-time.Hour)
	a.put("cert.pem", cert)
	a.put("key.pem", key)
	if _, err := a.handshake(s, a.trust()); err == nil {
		t.Error("the client takes an expired certificate")
	}
	if !strings.Contains(s.Log.String(), "the certificate has expired") {
		t.Error("the log does not say that the certificate has expired")
	}
}

// Files that do not do are refused at start, with their names and before the
// database is touched.
func TestBadCertificateIsRefused(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, _ := a.issue(time.Hour)
	_, otherKey := a.issue(time.Hour)
	a.put("cert.pem", cert)
	a.put("other.pem", otherKey)
	a.put("nonsense.pem", []byte("nonsense"))
	for _, c := range []struct{ cert, key, says string }{
		{"cert.pem", "other.pem", "private key does not match public key"},
		{"none.pem", "other.pem", "none.pem: no such file"},
		{"cert.pem", "none.pem", "none.pem: no such file"},
		{"nonsense.pem", "other.pem", "failed to find any PEM data in certificate"},
		{"cert.pem", "nonsense.pem", "failed to find any PEM data in key"},
		{"cert.pem", "", "go together"},
		{"", "other.pem", "go together"},
		{"other.pem", "cert.pem", "cert.pem: tls: failed to find certificate PEM data"},
	} {
		dsn := a.path("roster.db")
		cfg := server.Config{
			Addr: "127.0.0.1:0", Roster: roster.Options{Database: dsn}, Log: slog.New(slog.DiscardHandler),
		}
		if c.cert != "" {
			cfg.TLSCert = a.path(c.cert)
		}
		if c.key != "" {
			cfg.TLSKey = a.path(c.key)
		}
		_, err := server.New(t.Context(), cfg)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s with %s: %v", c.cert, c.key, err)
		}
		if _, err := os.Stat(dsn); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%s with %s: the database is there", c.cert, c.key)
		}
	}
}

// The log warns where tokens would go over the wire in the open.
func TestWarnsWithoutTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.issue(time.Hour)
	a.put("cert.pem", cert)
	a.put("key.pem", key)
	for _, c := range []struct {
		addr         string
		secure, warn bool
	}{
		{"127.0.0.1:0", false, false},
		{"127.0.0.1:0", true, false},
		{"0.0.0.0:0", false, true},
		{"0.0.0.0:0", true, false},
		{":0", false, true},
	} {
		var log strings.Builder
		cfg := server.Config{
			Addr: c.addr, Log: slog.New(slog.NewTextHandler(&log, nil)),
			Roster: roster.Options{Database: storetest.New(t, "sqlite"), SecretKeyFile: a.path("secret.key")},
		}
		if c.secure {
			cfg.TLSCert, cfg.TLSKey = a.path("cert.pem"), a.path("key.pem")
		}
		s, err := server.New(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		over, cancel := context.WithCancel(context.Background())
		cancel()
		if err := s.Run(over); err != nil {
			t.Error(err)
		}
		if warned := strings.Contains(log.String(), "tokens can be overheard"); warned != c.warn {
			t.Errorf("%s, TLS %v: warned: %v", c.addr, c.secure, warned)
		}
		if https := strings.HasPrefix(s.URL(), "https://"); https != c.secure {
			t.Errorf("%s, TLS %v: URL %s", c.addr, c.secure, s.URL())
		}
	}
}
