package web

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"roster/internal/excerpt"
)

// Proxies are the networks whose word about where a request comes from is
// taken. With none, a request comes from whoever made the connection.
type Proxies []netip.Prefix

// ParseProxies reads networks such as "10.0.0.0/8,::1", parted by commas. A bare
// address is a network of one; an empty text names none.
func ParseProxies(text string) (Proxies, error) {
	var proxies Proxies
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		network, err := netip.ParsePrefix(part)
		if addr, e := netip.ParseAddr(part); e == nil && addr.Zone() == "" {
			network, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil || network.Addr().Is4In6() {
			return nil, fmt.Errorf("%q is no network: write it as 10.0.0.0/8, 2001:db8::/32 or an address", excerpt.Of(part))
		}
		proxies = append(proxies, network.Masked())
	}
	return proxies, nil
}

// String is the form that ParseProxies reads.
func (p Proxies) String() string {
	parts := make([]string, len(p))
	for i, network := range p {
		parts[i] = network.String()
	}
	return strings.Join(parts, ",")
}

func (p Proxies) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(addr) })
}

// Client is the address that a request comes from: the nearest one that is no
// trusted proxy. X-Forwarded-For is read from the right, as each proxy adds whom
// it saw at its end; what is left of the first stranger is a stranger's word.
// Where an entry cannot be read the walk ends at the proxy that wrote it. The
// zero address means that the connection has none.
func (p Proxies) Client(r *http.Request) netip.Addr {
	client, _ := parseHop(r.RemoteAddr)
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !p.trusts(client) {
			break
		}
		next, ok := parseHop(strings.TrimSpace(hop))
		if !ok {
			break
		}
		client = next
	}
	return client
}

// parseHop reads an address, with or without a port.
func parseHop(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		with, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = with.Addr()
	}
	return addr.Unmap().WithZone(""), true
}

// HTTPS reports whether the browser's side of a request is encrypted: by this
// server, or in front of it, where a trusted proxy says so by X-Forwarded-Proto.
func (p Proxies) HTTPS(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	peer, _ := parseHop(r.RemoteAddr)
	return p.trusts(peer) && strings.EqualFold(strings.TrimSpace(r.Header.Get("X-Forwarded-Proto")), "https")
}
