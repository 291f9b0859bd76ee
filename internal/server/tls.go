package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// keyPair is a certificate with its key, from two files that are read again
// when they change. Each handshake looks; that costs two stats.
type keyPair struct {
	certFile, keyFile string
	log               *slog.Logger

	mu    sync.Mutex
	cert  *tls.Certificate // the last good one
	read  [2]os.FileInfo   // the files as they were when cert was read
	fault string           // why the files cannot be used now, as it was logged
}

// loadKeyPair reads a certificate chain and its key, both in PEM. It is an
// error when either cannot be read or the two do not belong together.
func loadKeyPair(certFile, keyFile string, log *slog.Logger) (*keyPair, error) {
	if certFile == "" || keyFile == "" {
		return nil, errors.New("a TLS certificate and its key go together")
	}
	k := &keyPair{certFile: certFile, keyFile: keyFile, log: log}
	files, err := k.stat()
	if err != nil {
		return nil, err
	}
	return k, k.load(files)
}

// config is Go's defaults: TLS 1.2 at least, HTTP/2 where the client wants it.
func (k *keyPair) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: k.get}
}

// get returns the certificate for a handshake. Files that changed and cannot be
// used are tried again at each, since they may be half written, or only one of
// them replaced; until they are good the old certificate stays.
func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	files, err := k.stat()
	if err == nil && same(files, k.read) {
		k.fault = ""
		return k.cert, nil
	}
	if err == nil {
		err = k.load(files)
	}
	if err == nil {
		k.fault = ""
	} else if err.Error() != k.fault {
		k.fault = err.Error()
		k.log.Error("certificate kept, the new one is broken", "error", err)
	}
	return k.cert, nil
}

func (k *keyPair) stat() (files [2]os.FileInfo, err error) {
	for i, name := range [2]string{k.certFile, k.keyFile} {
		if files[i], err = os.Stat(name); err != nil {
			return files, fmt.Errorf("read the TLS certificate: %w", err)
		}
	}
	return files, nil
}

// same says whether the files are still those that were read. A file that was
// replaced is another one, whatever its time.
func same(now, then [2]os.FileInfo) bool {
	for i := range now {
		if !os.SameFile(now[i], then[i]) || !now[i].ModTime().Equal(then[i].ModTime()) || now[i].Size() != then[i].Size() {
			return false
		}
	}
	return true
}

// load reads the files, which looked like this before.
func (k *keyPair) load(files [2]os.FileInfo) error {
	cert, err := tls.LoadX509KeyPair(k.certFile, k.keyFile)
	if err != nil {
		return fmt.Errorf("read the TLS certificate %s with the key %s: %w", k.certFile, k.keyFile, err)
	}
	k.cert, k.read = &cert, files
	k.log.Info("certificate", "file", k.certFile, "notAfter", cert.Leaf.NotAfter)
	if !time.Now().Before(cert.Leaf.NotAfter) {
		k.log.Warn("the certificate has expired", "file", k.certFile)
	}
	return nil
}

// reachable says whether other machines can reach the address.
func reachable(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && !tcp.IP.IsLoopback()
}
