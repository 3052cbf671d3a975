package checks

import "net/netip"

// An embedding is a range of IPv6 addresses behind which an IPv4 address is reached: the bytes at these places.
type embedding struct {
	within netip.Prefix
	at     [4]int
}

var (
	lowest = [4]int{12, 13, 14, 15}
	ownNAT = netip.MustParsePrefix("64:ff9b:1::/48") // RFC 8215
)

// embeddings are those that are known by their addresses. Of a translator of a network's own, the length of its prefix isn't:
// its addresses are read in each way of RFC 6052.
var embeddings = []embedding{
	{netip.MustParsePrefix("::/96"), lowest},           // IPv4-compatible
	{netip.MustParsePrefix("::ffff:0:0:0/96"), lowest}, // SIIT
	{netip.MustParsePrefix("64:ff9b::/96"), lowest},    // NAT64
	{ownNAT, lowest},                                         // a prefix of 96 bits
	{ownNAT, [4]int{6, 7, 9, 10}},                            // of 48 bits, around the byte that is kept free
	{ownNAT, [4]int{7, 9, 10, 11}},                           // of 56 bits
	{ownNAT, [4]int{9, 10, 11, 12}},                          // of 64 bits
	{netip.MustParsePrefix("2002::/16"), [4]int{2, 3, 4, 5}}, // 6to4
}

// embedded are the IPv4 addresses that an IPv6 address may lead to.
func embedded(in netip.Addr) (all []netip.Addr) {
	if in == netip.IPv6Loopback() {
		return nil
	}
	bytes := in.As16()
	for _, e := range embeddings {
		if !e.within.Contains(in) {
			continue
		}
		v4 := [4]byte{bytes[e.at[0]], bytes[e.at[1]], bytes[e.at[2]], bytes[e.at[3]]}
		if e.within == ownNAT && (v4[0] == 0 || v4[0] >= 224) {
			continue // what is nobody's was read in the wrong way
		}
		all = append(all, netip.AddrFrom4(v4))
	}
	return all
}
