package suites

import (
	"embed"
	"io/fs"
)

// Shipped are the suites that come with the binary, a directory for each service.
//
//go:embed plum plum-providers
var Shipped embed.FS

// ShippedNames are what may stand behind ShippedPrefix.
func ShippedNames() []string {
	entries, err := fs.ReadDir(Shipped, ".")
	if err != nil {
		return nil
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}
