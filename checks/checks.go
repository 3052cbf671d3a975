// Package checks has the kinds of checks: what a suite says beneath a kind's key becomes a prober.
package checks

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// Kinds is the table of all kinds, by the key that names them in a suite.
func Kinds(clients Clients) map[string]Kind {
	web := newEngine(clients)
	kinds := map[string]Kind{
		"http":      web.long(),
		"get":       web.short(http.MethodGet),
		"post":      web.short(http.MethodPost),
		"put":       web.short(http.MethodPut),
		"patch":     web.short(http.MethodPatch),
		"delete":    web.short(http.MethodDelete),
		"head":      web.short(http.MethodHead),
		"options":   web.short(http.MethodOptions),
		"graphql":   web.graphql(),
		"tcp":       web.tcp(),
		"tls":       web.tls(),
		"dns":       web.dns(),
		"grpc":      web.grpc(),
		"websocket": web.websocket(),

		"darwinbox": web.darwinbox(),

		"slack":          web.slack(),
		"teams":          web.teams(),
		"webhook":        web.webhook(),
		"successfactors": web.successFactors(),
		"workday":        web.workday(),
	}
	kinds["parity"] = web.parity()
	kinds["callback"] = web.callback()
	kinds["steps"] = steps(web, kinds) // of the kinds above
	return kinds
}

// Clients are what probers reach the world with. The zero value asks over a transport of its own, with no connections
// and no secrets.
type Clients struct {
	Transport   *http.Transport                  // see NewTransport; nil makes one
	BodyLimit   int64                            // bytes of an answer's body, decompressed; 0 means DefaultBodyLimit
	Connections *Connections                     // what `auth` names
	Secret      func(name string) (Secret, bool) // what `$(secrets.x)` names
	Redact      func(string) string              // takes known secrets out of what is said
	// Callbacks opens an address at which the environment's own requests arrive: a new one, or, where at isn't empty, the
	// standing one that ends in it. Nil: there is none.
	Callbacks func(ctx context.Context, at string) (Callback, error)
	Now       func() time.Time // nil means time.Now
	Random    io.Reader        // nil means crypto/rand
}

// DefaultBodyLimit is how much of an answer is read, in bytes.
const DefaultBodyLimit = 2 << 20

// A Secret is a value that may be sent to some hosts alone, each as "host" or "host:port".
type Secret struct {
	Value string
	Hosts []string
}

func (c Clients) withDefaults() Clients {
	if c.Transport == nil {
		c.Transport = NewTransport(64)
	}
	if c.BodyLimit <= 0 {
		c.BodyLimit = DefaultBodyLimit
	}
	if c.Secret == nil {
		c.Secret = func(string) (Secret, bool) { return Secret{}, false }
	}
	if c.Redact == nil {
		c.Redact = func(s string) string { return s }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	return c
}

// A Kind reads what a suite says of a check.
type Kind struct {
	Own     []string // the kind's own keys beside its key
	Compile func(Definition) (Compiled, strictyaml.Problems)
}

// A Definition is what a suite says of one check, parted by Split.
type Definition struct {
	File    string
	Key     string     // the kind's key: "get"
	Check   *yaml.Node // all of it
	Value   *yaml.Node // beneath the kind's key
	Own     *yaml.Node // a map of the kind's own keys beside it
	Common  *yaml.Node // a map of the keys that every kind has
	Expect  *yaml.Node // nil if there is none
	Capture *yaml.Node // nil if there is none
	StopIf  *yaml.Node // of poll: what makes a wrong answer final; nil if there is none. Who heeds it says so in Compiled
	Auth    string     // the connection of the suite's defaults
	Names   Names

	Always bool // of steps: those behind a wrong one are asked, too
	// Read gives the bytes of a file in the suite's directory, by its relative name, and pins them with the suite. The
	// error is for a person. Nil: there are no files.
	Read func(name string) ([]byte, error)
}

// Names are what a suite may refer to.
type Names struct {
	Vars        map[string]any // values as JSON has them
	Row         map[string]any // of `each`, values as JSON has them; nil: there are no rows
	Connections []string       // nil: not known yet, which is a warning
	Secrets     []string       // nil: not known yet, which is a warning

	KindOf func(connection string) string // nil: not known yet

	callback *bool // whether $(callback.url) was used; nil where there is none
}

// Compiled is a check that can be asked.
type Compiled struct {
	plumbline.Prober
	Name     string           // unless the suite names it: "GET /healthz", or nothing
	Effect   plumbline.Effect // unless the suite says otherwise
	Captures []Named          // what it captures for others
	Uses     []Named          // captures of others that it needs
	Public   []string         // captures that may be shown
	Stops    bool             // it heeds Definition.StopIf
	Timeout  time.Duration    // what one attempt needs; 0: what checks have without saying so
	Marked   bool             // what it leaves behind carries the run's id, whatever the suite says

	Connection string // whose provider it asks, itself or through the environment; nothing: it asks none
}

// Named is a name and where it stands.
type Named struct {
	Name         string
	Line, Column int
}
