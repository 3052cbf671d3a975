package bus_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/plumbline-dev/plumbline/bus"
)

func TestConnectSaysWhatItCantReach(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	closed.Close()
	badSeed := filepath.Join(t.TempDir(), "seed")
	if err := os.WriteFile(badSeed, []byte("SUNOSEED"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		options bus.Options
		want    []string
	}{
		"nobody there":  {bus.Options{URL: "nats://" + address}, []string{"cannot reach the bus at nats://" + address + ": "}},
		"with password": {bus.Options{URL: "nats://user:hunter2@" + address}, []string{"cannot reach the bus at nats://" + address + ": "}},
		"two of them":   {bus.Options{URL: "nats://u:hunter2@" + address + ", nats://" + address}, []string{address + ",nats://" + address}},
		"bad URL":       {bus.Options{URL: "nats://user:hunter2@host:port%zz"}, []string{"cannot reach the bus at ", "want nats://host:port"}},
		"no file":       {bus.Options{URL: "nats://" + address, Credentials: "/no/such/file"}, []string{"bus.credentials: ", "/no/such/file"}},
		"no seed":       {bus.Options{URL: "nats://" + address, Credentials: badSeed}, []string{"holds no usable nkey seed"}},
		"bad prefix":    {bus.Options{Prefix: "a.b"}, []string{"bus.prefix: "}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b, err := bus.Connect(t.Context(), test.options)
			if err == nil {
				b.Close()
				t.Fatal("connected")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q", err, want)
				}
			}
			for _, secret := range []string{"hunter2", "user", "SUNOSEED"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q tells %q", err, secret)
				}
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := bus.Connect(ctx, bus.Options{URL: "nats://" + address}); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("with a context that is done: %v", err)
	}
}

// stock is a server as operators run it.
func stock(t *testing.T, change func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true, JetStream: true, StoreDir: store(t)}
	change(o)
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s
}

func TestEnsureWithoutJetStream(t *testing.T) {
	s := stock(t, func(o *server.Options) { o.JetStream = false })
	b := must(bus.Connect(t.Context(), bus.Options{URL: s.ClientURL()}))(t)
	defer b.Close()
	if _, err := b.Ensure(t.Context()); err == nil || !strings.Contains(err.Error(), "start nats-server with -js") {
		t.Errorf("got %v", err)
	}
}

func TestRefusedPermissionsAreLogged(t *testing.T) {
	pair := must(nkeys.CreateUser())(t)
	public, seed := must(pair.PublicKey())(t), must(pair.Seed())(t)
	s := stock(t, func(o *server.Options) {
		o.Nkeys = []*server.NkeyUser{{Nkey: public, Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"plumbline.event.>"}}}}}
	})
	file := filepath.Join(t.TempDir(), "seed")
	if err := os.WriteFile(file, seed, 0o600); err != nil {
		t.Fatal(err)
	}
	var log logged
	b := must(bus.Connect(t.Context(), bus.Options{URL: s.ClientURL(), Credentials: file, Log: log.logger()}))(t)
	defer b.Close()
	must(b.Ensure(t.Context()))(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := b.Publish(ctx, release("1")); err == nil {
		t.Error("published without permission")
	}
	eventually(t, "the log says why", func() bool {
		return strings.Contains(log.String(), "the bus refused this user") && strings.Contains(log.String(), "plumbline.event.plum")
	})
}

func TestAShortDiskStillHasResults(t *testing.T) {
	s := stock(t, func(o *server.Options) { o.JetStreamMaxStore = 256 << 20 })
	b := must(bus.Connect(t.Context(), bus.Options{URL: s.ClientURL()}))(t)
	defer b.Close()
	warnings := must(b.Ensure(t.Context()))(t)
	if len(warnings) != 1 || !strings.Contains(warnings[0], "stream PLUMBLINE_RESULTS keeps 67108864 bytes, want 1073741824") {
		t.Errorf("warnings %q", warnings)
	}
}
