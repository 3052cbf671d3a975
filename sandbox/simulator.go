package sandbox

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	plumbline "github.com/plumbline-dev/plumbline"
)

// A simulator is a provider as it answers over HTTP, with an account for each color.
type simulator interface {
	http.Handler
	// patterns are what it serves, as http.ServeMux has them. All providers share one listener.
	patterns() []string
	// faults are the failures that can be turned on.
	faults() []string
	// set turns a failure on for one color's account, or with no color for both; an empty one turns it off.
	set(color plumbline.Color, fault string) error
	// fault is the failure that a color's account meets, "" if all is well.
	fault(color plumbline.Color) string
	// settings are the color's account as far as it is no secret, by the keys that a connection of the provider's kind has.
	settings(color plumbline.Color) map[string]string
	// secrets are the color's account, by the keys that a connection of the provider's kind has for them.
	secrets(color plumbline.Color) map[string]string
}

// simulators are the providers by their names.
type simulators map[string]simulator

// handler serves every provider at the paths it has in the world.
func (s simulators) handler() http.Handler {
	mux := http.NewServeMux()
	for _, name := range slices.Sorted(maps.Keys(s)) {
		for _, pattern := range s[name].patterns() {
			mux.Handle(pattern, s[name])
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		mux.ServeHTTP(w, r)
	})
}

// set turns a failure of a provider on or off.
func (s simulators) set(provider string, color plumbline.Color, fault string) error {
	known, is := s[provider]
	switch {
	case !is:
		return unknownName("provider", provider, slices.Sorted(maps.Keys(s)))
	case color != "" && color.Other() == "":
		return fmt.Errorf("unknown color %q, want blue, green or nothing for both", color)
	case fault != "" && !slices.Contains(known.faults(), fault):
		return unknownName("fault of "+provider, fault, known.faults())
	}
	return known.set(color, fault)
}
