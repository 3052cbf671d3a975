package daemon

import (
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/configs"
)

// BusOptions are what the settings say of a bus: where it is, and who asks it.
func BusOptions(b configs.Bus) bus.Options {
	return bus.Options{URL: b.URL, Credentials: b.Credentials, TLS: bus.TLS(b.TLS), InboxPrefix: b.InboxPrefix, Replicas: b.Replicas, Prefix: b.Prefix}
}
