package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
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
