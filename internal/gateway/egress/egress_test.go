package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestThreat12OnlyListedNamesAreTargets(t *testing.T) {
	t.Parallel()
	hosts, err := ParseHosts([]string{"registry.example.com", "*.Cdn.example.com", "git.example.com:8443"})
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]error{
		"registry.example.com:443": nil, "REGISTRY.example.com:443": nil, "a.cdn.example.com:443": nil, "a.b.cdn.example.com:443": nil,
		"git.example.com:8443": nil,

		"git.example.com:443": ErrHost, "registry.example.com:80": ErrHost, "cdn.example.com:443": ErrHost, "xcdn.example.com:443": ErrHost,
		"evil.com:443": ErrHost, "registry.example.com.evil.com:443": ErrHost, "xn--rgistry-cya.example.com:443": ErrHost,

		"registry.example.com": ErrTarget, "registry.example.com:": ErrTarget, "registry.example.com:0443": ErrTarget, "registry.example.com:+443": ErrTarget,
		"registry.example.com:65536": ErrTarget, "registry.example.com.:443": ErrTarget, "registry.example.com:443:443": ErrTarget,
		"user@registry.example.com:443": ErrTarget, "registry.example.com\x00.cdn.example.com:443": ErrTarget, "regıstry.example.com:443": ErrTarget,
		"registry。example。com:443": ErrTarget, "-a.cdn.example.com:443": ErrTarget, "a..cdn.example.com:443": ErrTarget, "*.cdn.example.com:443": ErrTarget,
		"/var/run/docker.sock:443": ErrTarget, "localhost:443": ErrTarget, ":443": ErrTarget, "": ErrTarget,
		"127.0.0.1:443": ErrTarget, "2130706433:443": ErrTarget, "0x7f000001:443": ErrTarget, "0177.0.0.1:443": ErrTarget, "127.1:443": ErrTarget,
		"0x7f.0.0.1:443": ErrTarget, "127.0.0.0x1:443": ErrTarget, "[::1]:443": ErrTarget, "::1:443": ErrTarget, "[::ffff:127.0.0.1]:443": ErrTarget, "169.254.169.254:80": ErrTarget,
		"1.2.3.4.:443": ErrTarget,
	} {
		if _, err := hosts.Allow(target); !errors.Is(err, want) {
			t.Errorf("%q: %v, not %v", target, err, want)
		}
	}
	if _, err := (Hosts{}).Allow("registry.example.com:443"); !errors.Is(err, ErrHost) {
		t.Errorf("no list: %v", err)
	}
}

func TestListsHoldNamesOnly(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{"", "*", "*.", "*.com", "com", "10.0.0.1", "[::1]", "a.example.com:", "a.example.com:0", "a.*.example.com", "https://a.example.com", "a.example.com/x", "a_b.example.com"} {
		if _, err := ParseHosts([]string{entry}); err == nil {
			t.Errorf("%q was accepted", entry)
		}
	}
}

func TestOnlyPublicAddressesAreDialed(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"93.184.216.34": true, "1.1.1.1": true, "2606:4700:4700::1111": true, "::ffff:93.184.216.34": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false,
		"0.0.0.0": false, "255.255.255.255": false, "224.0.0.1": false, "198.18.0.1": false, "192.0.2.1": false, "168.63.129.16": false,
		"::1": false, "::": false, "fe80::1": false, "fc00::1": false, "fd00:ec2::254": false, "ff02::1": false, "::ffff:127.0.0.1": false, "::127.0.0.1": false,
		"::ffff:10.0.0.1": false, "64:ff9b::7f00:1": false, "64:ff9b:1::1": false, "2002:7f00:1::": false, "2001::1": false, "2001:db8::1": false, "fec0::1": false, "fe80::1%eth0": false,
	} {
		if got := Public(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: public is %v", address, got)
		}
	}
	if Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

// lookup answers each look-up with the next list.
type lookup struct {
	lists [][]netip.Addr
	asked []string
}

func (l *lookup) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	l.asked = append(l.asked, host)
	list := l.lists[0]
	l.lists = l.lists[1:]
	return list, nil
}

func TestANameIsLookedUpOnceAndThatAddressDialed(t *testing.T) {
	t.Parallel()
	good, bad := netip.MustParseAddr("93.184.216.34"), netip.MustParseAddr("127.0.0.1")
	hosts, err := ParseHosts([]string{"a.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	target, err := hosts.Allow("a.example.com:443")
	if err != nil {
		t.Fatal(err)
	}
	var dialed []netip.AddrPort
	dial := func(_ context.Context, to netip.AddrPort) (net.Conn, error) {
		dialed = append(dialed, to)
		conn, _ := net.Pipe()
		return conn, nil
	}
	rebinding := &lookup{lists: [][]netip.Addr{{good}, {bad}}}
	conn, err := Dial(t.Context(), rebinding, dial, target)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if len(dialed) != 1 || dialed[0] != netip.MustParseAddrPort("93.184.216.34:443") || len(rebinding.asked) != 1 || rebinding.asked[0] != "a.example.com." {
		t.Errorf("dialed %v after asking for %q", dialed, rebinding.asked)
	}
	if _, err := Dial(t.Context(), &lookup{lists: [][]netip.Addr{{good, bad}}}, dial, target); !errors.Is(err, ErrAddress) || len(dialed) != 1 {
		t.Errorf("a name with a private address too: %v, dialed %v", err, dialed)
	}
	if _, err := Dial(t.Context(), &lookup{lists: [][]netip.Addr{{}}}, dial, target); err == nil {
		t.Error("a name without an address was dialed")
	}
}

// TestThreat23OnlyTheHostsOwnGreetingPasses: what a client sends first decides
// which of an address's names it speaks to.
func TestThreat23OnlyTheHostsOwnGreetingPasses(t *testing.T) {
	t.Parallel()
	hosts, err := ParseHosts([]string{"registry.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	target, err := hosts.Allow("registry.example.com:443")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		config *tls.Config
		want   error
	}{
		"its name":      {&tls.Config{ServerName: "registry.example.com", MinVersion: tls.VersionTLS12}, nil},
		"another name":  {&tls.Config{ServerName: "evil.example.com", MinVersion: tls.VersionTLS12}, ErrHello},
		"no name":       {&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, ErrHello}, //nolint:gosec // nothing is verified here
		"a hidden name": {&tls.Config{ServerName: "registry.example.com", MinVersion: tls.VersionTLS13, EncryptedClientHelloConfigList: hiding}, ErrHello},
	} {
		in, out := net.Pipe()
		_ = in.SetDeadline(time.Now().Add(5 * time.Second))
		go func() { _ = tls.Client(out, c.config).HandshakeContext(t.Context()) }()
		hello, err := Hello(t.Context(), in, target)
		_ = in.Close()
		if !errors.Is(err, c.want) || c.want == nil && len(hello) < 100 {
			t.Errorf("%s: %d bytes, %v", name, len(hello), err)
		}
		if c.want != nil && err != c.want { //nolint:errorlint // joined with another cause, the greeting was not even understood
			t.Errorf("%s was not understood: %v", name, err)
		}
	}
	for _, text := range []string{"", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff", strings.Repeat("\x16\x03\x01\x40\x00", 20000)} {
		if _, err := Hello(t.Context(), strings.NewReader(text), target); !errors.Is(err, ErrHello) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// hiding is a configuration for Encrypted Client Hello (draft-ietf-tls-esni, §4)
// with X25519, HKDF-SHA256, AES-128-GCM, and the public name registry.example.com.
var hiding = func() []byte {
	const name = "registry.example.com"
	contents := []byte{7, 0, 0x20, 0, 32}
	contents = append(contents, 9) // the point 9 is a valid key
	contents = append(contents, make([]byte, 31)...)
	contents = append(contents, 0, 4, 0, 1, 0, 1, 0, byte(len(name)))
	contents = append(contents, name...)
	contents = append(contents, 0, 0)
	config := append([]byte{0xfe, 0x0d, 0, byte(len(contents))}, contents...)
	return append([]byte{0, byte(len(config))}, config...)
}()
