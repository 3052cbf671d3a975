package bus_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

// A cluster is three servers in this process, as operators run them on three machines: encrypted, with accounts.
type cluster struct {
	*fortress
	servers []*server.Server
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	ca := newAuthority(t)
	c := &cluster{fortress: newSeeds(t, shippedAccounts(t))}
	c.tls = bus.TLS{Authorities: ca.file("ca.pem")}
	var addresses []*net.TCPAddr
	var routes []*url.URL
	for range 3 {
		addresses = append(addresses, freeAddress(t))
		routes = append(routes, &url.URL{Scheme: "nats", Host: addresses[len(addresses)-1].String()})
	}
	var urls []string
	for i, address := range addresses {
		name := fmt.Sprintf("nats-%d", i+1)
		c.write("node.conf", fmt.Sprintf("server_name: %s\nlisten: \"127.0.0.1:-1\"\njetstream {store_dir: %q, sync_interval: always, max_file_store: 10GB, max_memory_store: 64MB}\ninclude accounts.conf\n", name, store(t)))
		s := stock(t, func(o *server.Options) {
			*o = *must(server.ProcessConfigFile(filepath.Join(c.seeds, "node.conf")))(t)
			o.NoLog, o.NoSigs, o.Routes, o.TLSConfig, o.TLSTimeout = true, true, routes, ca.showing(name), 5
			o.Cluster = server.ClusterOpts{Name: "plumbline", Host: address.IP.String(), Port: address.Port, NoAdvertise: true}
		})
		c.servers = append(c.servers, s)
		urls = append(urls, s.ClientURL())
	}
	c.url = strings.Join(urls, ",")
	return c
}

// freeAddress is one where nobody listens. Linux has millions of loopback hosts: one of its own keeps a test out of the way
// of every other program that looks for a port.
func freeAddress(t *testing.T) *net.TCPAddr {
	t.Helper()
	host := "127.0.0.1"
	if runtime.GOOS == "linux" {
		host = fmt.Sprintf("127.%d.%d.%d", 1+rand.N(254), rand.N(255), 1+rand.N(254))
	}
	l := must(net.Listen("tcp", net.JoinHostPort(host, "0")))(t)
	defer l.Close()
	return l.Addr().(*net.TCPAddr)
}

// leader is the server that leads a stream.
func (c *cluster) leader(b *bus.Bus, stream string) *server.Server {
	c.Helper()
	name := ""
	js := must(jetstream.New(b.Conn()))(c.T)
	eventually(c.T, stream+" has a leader", func() bool {
		s, err := js.Stream(c.Context(), stream)
		if err == nil && s.CachedInfo().Cluster != nil {
			name = s.CachedInfo().Cluster.Leader
		}
		return name != ""
	})
	i := slices.IndexFunc(c.servers, func(s *server.Server) bool { return s.Name() == name })
	return c.servers[i]
}

// TestALostServer: three replicas of everything, one server goes away, and nothing is lost or stops.
func TestALostServer(t *testing.T) {
	c := newCluster(t)
	admin := c.bus("admin")
	pieces := must(admin.Provision(t.Context(), plums, false))(t)
	for _, p := range pieces {
		if p.Became != bus.Made || len(p.Weaker) > 0 {
			t.Errorf("%+v", p)
		}
	}
	eventually(t, "everything is as it should be", func() bool { return len(states(admin.Check(t.Context(), plums))) == 0 })
	daemon, tooling := c.bus("validator"), c.bus("release")
	runs := make(chan string, 100)
	background(t, func(ctx context.Context) error {
		return daemon.ConsumeRuns(ctx, "plum", 1, func(ctx context.Context, d *bus.Delivery) {
			e, err := d.Event()
			if err != nil {
				t.Error(err)
			}
			v := verdict(int(d.Sequence()))
			v.Run = e.Run
			if _, _, err := daemon.PublishVerdict(ctx, v); err != nil {
				return // the test is over
			}
			if d.Done(ctx) == nil {
				runs <- e.Run
			}
		})
	})
	sent := map[string]bool{}
	play := func(version string) {
		t.Helper()
		e := must(tooling.Publish(t.Context(), release(version)))(t)
		sent[e.Run] = true
		for got := ""; got != e.Run; got = receive(t, runs) { // one that was under way may come twice
		}
	}
	play("1")
	lost := c.leader(admin, "PLUMBLINE_VERDICTS")
	lost.Shutdown()
	lost.WaitForShutdown()
	for _, version := range []string{"2", "3", "4"} {
		play(version)
	}
	verdicts := must(daemon.Verdicts(t.Context(), "plum", 100))(t)
	got := map[string]bool{}
	for _, v := range verdicts {
		got[v.Run] = true
	}
	if diff := cmp.Diff(sent, got); diff != "" || len(verdicts) != len(sent) {
		t.Errorf("%d verdicts: %s", len(verdicts), diff)
	}
	eventually(t, "the loss is seen", func() bool {
		weak := strings.Join(states(admin.Check(t.Context(), plums)), "\n")
		return strings.Contains(weak, "stream PLUMBLINE_VERDICTS: its replica on "+lost.Name()+" is ")
	})
}

// TestManyDaemonsOfACluster: what is refused to one because another was there first can be read at once.
func TestManyDaemonsOfACluster(t *testing.T) {
	c := newCluster(t)
	must(c.bus("admin").Provision(t.Context(), plums, false))(t)
	daemons := []*bus.Bus{c.bus("validator"), c.bus("validator"), c.bus("validator")}
	for i := range 40 {
		var together sync.WaitGroup
		for n, b := range daemons {
			together.Go(func() {
				service := fmt.Sprintf("plum-%d", i)
				if _, err := b.CreateRecord(t.Context(), plumbline.Begin(service, plumbline.Policy{New: true, Live: plumbline.Blue})); err != nil && !errors.Is(err, bus.ErrConflict) {
					t.Error(err)
				}
				if _, _, err := b.Record(t.Context(), service); err != nil {
					t.Error(err)
				}
			})
			together.Go(func() {
				v := verdict(i)
				v.Reason = fmt.Sprint("of daemon ", n)
				stored, wrote, err := b.PublishVerdict(t.Context(), v)
				if there, found, get := b.Verdict(t.Context(), v.Run); err != nil || get != nil || !found || there.Reason != stored.Reason || wrote && stored.Reason != v.Reason {
					t.Errorf("stored %q, wrote %t, %v; then %q, %t, %v", stored.Reason, wrote, err, there.Reason, found, get)
				}
			})
		}
		together.Wait()
	}
}

// TestABackupMovesToACluster: what one server kept, three keep afterwards.
func TestABackupMovesToACluster(t *testing.T) {
	one := ready(t)
	full(t, one)
	dir := filepath.Join(t.TempDir(), "backup")
	must(one.Backup(t.Context(), dir, func(bus.StreamBackup) {}))(t)
	c := newCluster(t)
	admin := c.bus("admin")
	if err := admin.Restore(t.Context(), dir, func(bus.Restored) {}); err != nil {
		t.Fatal(err)
	}
	withoutSettings := func(all map[string][]string) map[string][]string {
		for name := range all {
			all[name] = all[name][1:]
		}
		return all
	}
	if diff := cmp.Diff(withoutSettings(contents(t, one)), withoutSettings(contents(t, c.bus("validator")))); diff != "" {
		t.Error(diff)
	}
	eventually(t, "nothing is weak", func() bool { return len(states(admin.Check(t.Context(), plums))) == 0 })
}
