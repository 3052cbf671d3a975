package daemon

import (
	"maps"
	"slices"

	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/configs"
)

// BusOptions are what the settings say of a bus: where it is, and who asks it.
func BusOptions(b configs.Bus) bus.Options {
	return bus.Options{URL: b.URL, Credentials: b.Credentials, TLS: bus.TLS(b.TLS), InboxPrefix: b.InboxPrefix, Replicas: b.Replicas, Prefix: b.Prefix,
		VerdictAge: b.Keep}
}

// Readers are whose places in the streams the daemons of these settings need.
func Readers(c *configs.Config) bus.Readers {
	r := bus.Readers{Services: slices.Sorted(maps.Keys(c.Services))}
	for _, name := range slices.Sorted(maps.Keys(c.Reporters)) {
		r.Verdicts = append(r.Verdicts, reporterPrefix+name)
		r.Letters = append(r.Letters, reporterPrefix+name+lettersSuffix)
	}
	return r
}
