package store

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// connectTimeout is how long connecting to one host of a database URL may take,
	// unless the URL sets connect_timeout.
	connectTimeout = 3 * time.Second
	// peerTimeout is how long a connection waits for a host that no longer confirms
	// what it is sent, such as one that has lost its power.
	peerTimeout = 15 * time.Second
)

var (
	errNoCancel   = errors.New("a COMMIT is never cancelled")
	errSuperseded = errors.New("another server has taken over from the one at this address")
)

// noCancelNetwork is the network of a link's address while no cancel request may be
// sent for it. No dialer knows it.
const noCancelNetwork = "no-cancel"

// dialer opens the network connections to PostgreSQL and knows those that are open.
type dialer struct {
	net net.Dialer

	mu         sync.Mutex
	links      map[*link]struct{}
	superseded map[string]struct{} // addresses that are no longer connected to
}

func newDialer() *dialer {
	return &dialer{
		net: net.Dialer{
			KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: peerTimeout / 3, Interval: peerTimeout / 3, Count: 2},
			Control:         setPeerTimeout,
		},
		links: make(map[*link]struct{}), superseded: make(map[string]struct{}),
	}
}

// dial implements pgconn.DialFunc. The driver calls it to connect, and to send a
// cancel request for a connection to the address that the link gives.
func (d *dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if network == noCancelNetwork {
		return nil, errNoCancel
	}
	d.mu.Lock()
	_, skip := d.superseded[addr]
	d.mu.Unlock()
	if skip {
		return nil, errSuperseded
	}
	conn, err := d.net.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	l := &link{Conn: conn, dialer: d}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.links[l] = struct{}{}
	return l, nil
}

// supersede closes the links to all servers but the given one, in use or not, and
// makes the dialer refuse their addresses. The links of a connection that is still
// being set up have no server yet and stay.
func (d *dialer) supersede(server, addr string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for l := range d.links {
		id, _ := l.server.Load().(string)
		if id == "" || id == server {
			continue
		}
		// The owner of the connection sees the error and gives the connection up.
		_ = l.Conn.Close()
		if old := l.Conn.RemoteAddr().String(); old != addr {
			d.superseded[old] = struct{}{}
		}
	}
}

// readmit makes the dialer connect to all addresses again.
func (d *dialer) readmit() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.superseded)
}

// link is a network connection to a PostgreSQL server.
type link struct {
	net.Conn
	dialer *dialer

	server     atomic.Value // a string that differs between servers, once it is known
	committing atomic.Bool
	warned     atomic.Bool // the server sent a warning during a COMMIT
}

// linkOf is the link of a connection.
func linkOf(conn *pgconn.PgConn) *link {
	under := conn.Conn()
	if secure, ok := under.(*tls.Conn); ok {
		under = secure.NetConn()
	}
	return under.(*link) //nolint:forcetypeassert // all connections are made by dialer.dial
}

// Close implements net.Conn.
func (l *link) Close() error {
	l.dialer.mu.Lock()
	delete(l.dialer.links, l)
	l.dialer.mu.Unlock()
	return l.Conn.Close()
}

// RemoteAddr implements net.Conn. The driver asks for it where it sends a cancel
// request to the server: whenever it gives up a connection that is in use. A server
// whose COMMIT waits for a synchronous standby would take the request for leave to
// go on without the standby.
func (l *link) RemoteAddr() net.Addr {
	if l.committing.Load() {
		return noCancelAddr{}
	}
	return l.Conn.RemoteAddr()
}

type noCancelAddr struct{}

func (noCancelAddr) Network() string { return noCancelNetwork }
func (noCancelAddr) String() string  { return "" }

// onNotice notes a warning of a COMMIT: the server has stopped waiting for its
// synchronous standby, and the transaction may be lost with the server.
func onNotice(conn *pgconn.PgConn, n *pgconn.Notice) {
	if l := linkOf(conn); n.SeverityUnlocalized == "WARNING" && l.committing.Load() {
		l.warned.Store(true)
	}
}

// commitOn runs a COMMIT, and sends no cancel request for it. When the COMMIT fails
// or ends with a warning, its outcome is unknown.
func commitOn(conn *pgx.Conn, commit func() error) error {
	l := linkOf(conn.PgConn())
	l.warned.Store(false)
	l.committing.Store(true)
	err := commit()
	if !conn.IsClosed() { // else the driver may still be about to send the request
		l.committing.Store(false)
	}
	if err == nil && l.warned.Load() {
		err = errNotReplicated
	}
	return err
}

var errNotReplicated = errors.New("the server committed without its synchronous standby")
