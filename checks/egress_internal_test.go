package checks

import (
	"net/netip"
	"strings"
	"testing"
)

// What an IPv6 address leads to is held against the same rules, in every way in which it can be read.
func TestEgressOfEmbeddedAddresses(t *testing.T) {
	const refused, private, reached = "which no check may reach", "on a private network", ""
	for _, test := range []struct {
		address string
		allow   string // networks; * for anywhere
		want    string
	}{
		{"64:ff9b::a9fe:a9fe", "*", refused},
		{"64:ff9b::a83f:8110", "*", refused},
		{"64:ff9b::6464:64c8", "64:ff9b::/96", refused},
		{"64:ff9b::a9fe:a9fe", "64:ff9b::/96", refused},
		{"64:ff9b::a9fe:1", "64:ff9b::/96", refused},
		{"64:ff9b::", "64:ff9b::/96", refused},
		{"64:ff9b::e000:1", "64:ff9b::/96", refused},
		{"64:ff9b:1::a9fe:a9fe", "*", refused},
		{"64:ff9b:1:fffe::a9fe:a9fe", "64:ff9b:1::/48", refused},
		{"64:ff9b:1:a9fe:a9:fe00::", "64:ff9b:1::/48", refused},
		{"64:ff9b:1:a9fe:a9:fe00:0:1", "64:ff9b:1::/48", refused},
		{"64:ff9b:1:1a9:fe:a9fe::", "64:ff9b:1::/48", refused},
		{"64:ff9b:1:2:a9:fea9:fe00:0", "64:ff9b:1::/48", refused},
		{"2002:a9fe:a9fe::1", "*", refused},
		{"::a9fe:a9fe", "*", refused},
		{"::ffff:0:a9fe:a9fe", "*", refused},

		{"64:ff9b::808:808", "64:ff9b::/96", reached},
		{"64:ff9b::808:808", "*", reached},
		{"64:ff9b:1::808:808", "64:ff9b:1::/96", reached},
		{"64:ff9b:1:1::808:808", "64:ff9b:1::/48", reached},
		{"64:ff9b:1:fffe::808:808", "64:ff9b:1::/48", reached},
		{"64:ff9b:1:808:8:800::", "64:ff9b:1::/48", reached},
		{"2002:808:808::1", "2002::/16", reached},
		{"2606:4700::1111", "", reached},
		{"::1", "::1/128", reached},
		{"::1", "*", reached},

		{"64:ff9b::808:808", "", private},
		{"64:ff9b::a01:203", "", private},
		{"64:ff9b::a01:203", "10.2.0.0/16", private},
		{"64:ff9b::a01:203", "10.1.0.0/16", reached},
		{"64:ff9b::a01:203", "64:ff9b::/96", reached},
		{"64:ff9b:1::a01:203", "10.1.0.0/16", reached},
		{"64:ff9b:1:a01:2:300:a02:203", "10.1.0.0/16", private},
		{"2002:a01:203::1", "", private},
		{"::a01:203", "", private},
		{"::ffff:0:a01:203", "", private},
		{"::1", "0.0.0.0/0", private},
		{"2001:0:808:808::f5fe:fdfc", "", private}, // Teredo
	} {
		var e Egress
		if test.allow != "" && test.allow != "*" {
			e.Networks = append(e.Networks, netip.MustParsePrefix(test.allow))
		}
		err := e.allowed(e.public(), netip.MustParseAddr(test.address), "plum.test", test.allow == "*")
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s where %q is allowed: got %v, want %q", test.address, test.allow, err, test.want)
		}
	}
}
