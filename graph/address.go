package graph

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// ErrAddress reports an address that the policy refuses. Nothing was sent to it.
var ErrAddress = errors.New("address refused")

// addressError says which rule an address broke. The address itself is not part of it: it may be a secret.
type addressError struct{ rule string }

func (e *addressError) Error() string        { return "address refused: " + e.rule }
func (e *addressError) Is(target error) bool { return target == ErrAddress }

func refused(rule string, args ...any) error { return &addressError{fmt.Sprintf(rule, args...)} }

// maxAddress bounds an address. Delta links carry their whole query and are long; headers end at 64 KiB anyway.
const maxAddress = 32 << 10

// policy decides which addresses may be asked (I-62). There is one for a client, and every address passes it, whether
// we built it or a server sent it.
type policy struct {
	scheme   string   // of the Graph root
	host     string   // host and port of the Graph root, lower case, standard port removed
	prefix   string   // path of the Graph root with version, no slash at the end
	custom   bool     // the operator named the root: its host may resolve to any address, and may serve content
	loopback bool     // plain http and IP literals are allowed on loopback
	suffixes []string // content hosts
}

// graphVersion is the only version of the service this package speaks.
const graphVersion = "/v1.0"

// newPolicy reads the Graph root of the cloud. The root comes from the operator, the rules apply to it all the same.
func newPolicy(cloud Cloud, allowed []string, loopback bool) (*policy, error) {
	p := &policy{loopback: loopback}
	named, known := CloudByName(cloud.Name)
	p.custom = !known || named.Graph != cloud.Graph
	p.suffixes = contentHosts(cloud.Name)
	for _, s := range allowed {
		suffix := strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(s, "*"), "."))
		if !hostName(suffix) || !strings.Contains(suffix, ".") {
			return nil, fmt.Errorf("allowed host %q is not a domain name", s)
		}
		p.suffixes = append(p.suffixes, suffix)
	}
	raw := strings.TrimRight(cloud.Graph, "/")
	u, err := p.parse(raw + graphVersion)
	if err != nil {
		return nil, fmt.Errorf("endpoint %q of Graph: %w", cloud.Graph, err)
	}
	if u.RawQuery != "" {
		return nil, fmt.Errorf("endpoint %q of Graph: %w", cloud.Graph, refused("it has a query"))
	}
	p.scheme, p.host, p.prefix = u.Scheme, hostKey(u), u.Opaque
	p.loopback = loopback && isLoopbackName(strings.ToLower(u.Hostname())) // a server elsewhere leads nobody to this machine
	return p, nil
}

// absolute completes an address that is a path on the host where it was found: beside the whole address, the one form in
// which a server may name where to go on.
func absolute(from *url.URL, address string) string {
	if strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//") {
		return from.Scheme + "://" + from.Host + address
	}
	return address
}

// root returns the address of a path below the version, which must already be escaped.
func (p *policy) root(path string) string { return p.scheme + "://" + p.host + p.prefix + path }

// api checks an address that will be asked with a token: it must be on exactly the configured root (A14, I-55).
func (p *policy) api(raw string) (*url.URL, error) {
	u, err := p.parse(raw)
	if err != nil {
		return nil, err
	}
	if u.Scheme != p.scheme || hostKey(u) != p.host {
		return nil, refused("host %q is not the configured Graph host", shown(u.Hostname()))
	}
	return u, nil
}

// content checks an address that will be asked for bytes, without a token.
func (p *policy) content(raw string) (*url.URL, error) {
	u, err := p.parse(raw)
	if err != nil {
		return nil, err
	}
	host := strings.ToLower(u.Hostname())
	if isLoopbackName(host) || p.custom && hostKey(u) == p.host {
		return u, nil // parse has already tied loopback to its permission
	}
	for _, suffix := range p.suffixes {
		if host == suffix || strings.HasSuffix(host, "."+suffix) {
			return u, nil
		}
	}
	return nil, refused("%q is not among the content hosts of this cloud, nor in allowed_hosts of the tenant", shown(host))
}

// parse applies the rules that hold for every address and returns one whose path and query are sent exactly as they
// stand in raw.
func (p *policy) parse(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, refused("it is empty")
	}
	if len(raw) > maxAddress {
		return nil, refused("it is longer than %d bytes", maxAddress)
	}
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c >= 0x7f || c == '\\' || c == '#' {
			return nil, refused("it has a character that cannot stand in an address")
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, refused("it cannot be parsed") // the parser's message would repeat the address
	}
	if u.User != nil {
		return nil, refused("it has a user name")
	}
	if err := p.reachable(u); err != nil {
		return nil, err
	}
	return verbatim(u, raw)
}

// reachable checks scheme, host and port.
func (p *policy) reachable(u *url.URL) error {
	host := strings.ToLower(u.Hostname())
	if isLoopbackName(host) {
		if !p.loopback || u.Scheme != "http" && u.Scheme != "https" {
			return refused("it leads to this machine")
		}
		return nil
	}
	if u.Scheme != "https" {
		return refused("it is not https")
	}
	if _, err := netip.ParseAddr(host); err == nil || numeric(host) {
		return refused("it has an IP address in place of a name")
	}
	if !hostName(host) {
		return refused("its host name is not valid")
	}
	// A custom root may listen anywhere; everything else is on the standard port.
	if port := u.Port(); port != "" && port != "443" && !(p.custom && (p.host == "" || hostKey(u) == p.host)) {
		return refused("it names a port other than 443")
	}
	return nil
}

// verbatim keeps path and query as they were written. net/url would decode the path and write it anew, and a link or a
// signed query that is written anew is another one (C5, Q64). A request line is made from Opaque without any change.
func verbatim(u *url.URL, raw string) (*url.URL, error) {
	_, rest, _ := strings.Cut(raw, "://")
	path := ""
	if at := strings.IndexAny(rest, "/?"); at >= 0 {
		path = rest[at:]
	}
	path, query, asked := strings.Cut(path, "?")
	if strings.HasPrefix(path, "//") {
		return nil, refused("its path begins with two slashes") // would read as a host in a request line
	}
	if path == "" {
		path = "/"
	}
	return &url.URL{Scheme: strings.ToLower(u.Scheme), Host: u.Host, Opaque: path, RawQuery: query, ForceQuery: asked && query == ""}, nil
}

// newRequest makes a GET of a checked address.
func newRequest(u *url.URL) *http.Request {
	copied := *u
	return &http.Request{
		Method: http.MethodGet, URL: &copied, Host: u.Host, Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
}

// hostKey is a host and port in the form that is compared.
func hostKey(u *url.URL) string {
	host, port := strings.ToLower(u.Host), u.Port()
	if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return strings.TrimSuffix(host, ":")
}

// isLoopbackName tells whether a host, in text, is this machine. Names that merely resolve to it are caught at dial time.
func isLoopbackName(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// hostName tells whether a host is a plain ASCII domain name. Names in other scripts must come in their xn-- form, so
// that a look-alike never equals an allowed suffix (H-66).
func hostName(host string) bool {
	if host == "" || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}

// numeric tells whether the last label is a number in any base: resolvers read such hosts as IPv4 addresses (H-67).
func numeric(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if strings.HasPrefix(last, "0x") {
		return true
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// shown makes a foreign host fit for a message.
func shown(host string) string {
	const most = 80
	if len(host) > most {
		return host[:most] + "…"
	}
	return host
}

// escape writes one path segment. Kept as they are: what is unreserved, and the characters that ids of the service hold.
// Names may hold '#', '%', quotes and more (N2), which would otherwise be syntax, also that of Graph's own addresses.
func escape(segment string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(segment) {
		c := segment[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-_.~!,@", c) >= 0:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}
