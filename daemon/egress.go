package daemon

import (
	"net/netip"

	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/configs"
)

// egressOf is where the checks of a configuration may connect to: public addresses, the hosts of its environments and
// connections wherever they are, and what its environments allow.
func egressOf(config *configs.Config) checks.Egress {
	var e checks.Egress
	host := func(text string) {
		if host := checks.HostOf(text); host != "" {
			e.Hosts = append(e.Hosts, host)
		}
	}
	for _, service := range config.Services {
		for _, environment := range service.Environments {
			host(environment.URL)
			for _, allowed := range environment.Allow {
				if network, err := netip.ParsePrefix(allowed); err == nil {
					e.Networks = append(e.Networks, network.Masked())
				} else {
					e.Hosts = append(e.Hosts, allowed)
				}
			}
		}
	}
	for _, connection := range config.Connections {
		for _, address := range connection.Addresses() {
			host(address)
		}
	}
	return e
}
