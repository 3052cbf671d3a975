package bus_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/plumbline-dev/plumbline/bus"
)

// A fortress is a server with accounts, and a seed for each of their users.
type fortress struct {
	*testing.T
	url, seeds string
	tls        bus.TLS
	daemon     *bus.Bus
}

var fortressRoles = []string{"validator", "admin", "release", "switch", "auditor", "operator"}

// newSeeds makes users for these accounts.
func newSeeds(t *testing.T, accounts string) *fortress {
	t.Helper()
	f := &fortress{T: t, seeds: t.TempDir()}
	users := &strings.Builder{}
	for _, role := range fortressRoles {
		user := must(nkeys.CreateUser())(t)
		f.write(role, string(must(user.Seed())(t)))
		fmt.Fprintf(users, "NKEY_%s: %s\n", strings.ToUpper(role), must(user.PublicKey())(t))
	}
	f.write("users.conf", users.String())
	f.write("accounts.conf", accounts)
	return f
}

// emptyFortress starts a server with these accounts.
func emptyFortress(t *testing.T, accounts string, change ...func(*server.Options)) *fortress {
	t.Helper()
	f := newSeeds(t, accounts)
	f.write("node.conf", fmt.Sprintf("server_name: one\nlisten: \"127.0.0.1:-1\"\njetstream {store_dir: %q, sync_interval: always}\ninclude accounts.conf\n", store(t)))
	f.url = stock(t, func(o *server.Options) {
		*o = *must(server.ProcessConfigFile(filepath.Join(f.seeds, "node.conf")))(t)
		o.NoLog, o.NoSigs = true, true
		for _, c := range change {
			c(o)
		}
	}).ClientURL()
	return f
}

// newFortress is one with streams, made by maker, and a daemon that is connected.
func newFortress(t *testing.T, accounts, maker string) *fortress {
	t.Helper()
	f := emptyFortress(t, accounts)
	owner := f.bus(maker)
	must(owner.Ensure(t.Context()))(t)
	if err := owner.EnsureReaders(t.Context(), bus.Readers{Services: []string{"plum"}}); err != nil {
		t.Fatal(err)
	}
	f.daemon = f.bus("validator")
	return f
}

func (f *fortress) write(name, text string) {
	f.Helper()
	if err := os.WriteFile(filepath.Join(f.seeds, name), []byte(text), 0o600); err != nil {
		f.Fatal(err)
	}
}

// bus connects as plumbline's own programs do.
func (f *fortress) bus(role string) *bus.Bus {
	f.Helper()
	b := must(bus.Connect(f.Context(), bus.Options{URL: f.url, TLS: f.tls, Credentials: filepath.Join(f.seeds, role), InboxPrefix: "_INBOX_" + role}))(f.T)
	f.Cleanup(b.Close)
	return b
}

// attacker connects as somebody who has a role's seed and programs of his own.
func (f *fortress) attacker(role string) *nats.Conn {
	f.Helper()
	nkey := must(nats.NkeyOptionFromSeed(filepath.Join(f.seeds, role)))(f.T)
	nc := must(nats.Connect(f.url, nkey, nats.CustomInboxPrefix("_INBOX_"+role), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})))(f.T)
	f.Cleanup(nc.Close)
	return nc
}
