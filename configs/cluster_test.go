package configs_test

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/plumbline-dev/plumbline"
)

// clusterRoles are the users that accounts.conf has.
var clusterRoles = []string{"VALIDATOR", "ADMIN", "RELEASE", "SWITCH", "AUDITOR", "OPERATOR"}

// node is the configuration of a server of docker-compose.cluster.yml, with the files that its container would have.
func node(t *testing.T) *server.Options {
	t.Helper()
	dir := t.TempDir()
	keysIn(t, dir)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	users := &strings.Builder{}
	for _, role := range clusterRoles {
		pair, err := nkeys.CreateUser()
		if err != nil {
			t.Fatal(err)
		}
		public, err := pair.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(users, "NKEY_%s: %s\n", role, public)
	}
	write("users.conf", users.String())
	for _, name := range []string{"accounts.conf", "node.conf"} {
		text, err := os.ReadFile(filepath.Join("nats", name))
		if err != nil {
			t.Fatal(err)
		}
		write(name, strings.NewReplacer("/run/nats/ca.pem", "certificate.pem", "/run/nats/node.pem", "certificate.pem", "/run/nats/node.key", "key.pem").Replace(string(text)))
	}
	t.Chdir(dir)
	options, err := server.ProcessConfigFile("node.conf")
	if err != nil {
		t.Fatal(err)
	}
	return options
}

func TestClusterKeepsThreeOfEverything(t *testing.T) {
	c := readComposeOf(t, "docker-compose.cluster.yml", "nats-1", "nats-2", "nats-3", "provision", "daemon-1", "daemon-2", "daemon-3", "sandbox")
	options := node(t)
	if !options.JetStream || !options.SyncAlways || options.MaxPayload < 1<<20 || options.StoreDir != "/data" {
		t.Errorf("JetStream %t, sync always %t, payloads of %d, in %s", options.JetStream, options.SyncAlways, options.MaxPayload, options.StoreDir)
	}
	if options.TLSConfig == nil || options.Cluster.TLSConfig == nil || options.Cluster.TLSConfig.ClientAuth == 0 {
		t.Error("clients or servers speak in clear, or servers believe whoever comes")
	}
	if options.SystemAccount != "SYS" || len(options.Nkeys) != len(clusterRoles) {
		t.Errorf("system account %s, %d users", options.SystemAccount, len(options.Nkeys))
	}
	var routes []string
	for _, route := range options.Routes {
		routes = append(routes, route.Host)
	}
	for _, name := range []string{"nats-1", "nats-2", "nats-3"} {
		s := c.Services[name]
		if !slices.Contains(routes, fmt.Sprintf("%s:%d", name, options.Cluster.Port)) {
			t.Errorf("%s isn't among the routes %v", name, routes)
		}
		if !slices.Equal(s.Command, []string{"--config", "/etc/nats/node.conf", "--name", name}) {
			t.Errorf("%s runs %v", name, s.Command)
		}
		for _, want := range []string{"./configs/nats/node.conf:/etc/nats/node.conf:ro", "./configs/nats/accounts.conf:/etc/nats/accounts.conf:ro", "./.cluster/users.conf:/etc/nats/users.conf:ro",
			"./.cluster/ca.pem:/run/nats/ca.pem:ro", "./.cluster/" + name + ".pem:/run/nats/node.pem:ro", "./.cluster/" + name + ".key:/run/nats/node.key:ro", name + ":/data"} {
			if !slices.Contains(s.Volumes, want) {
				t.Errorf("%s has no %s", name, want)
			}
		}
		if _, there := c.Volumes[name]; !there {
			t.Errorf("%s keeps nothing", name)
		}
	}
}

func TestClusterHasARoleForEverybody(t *testing.T) {
	c := readComposeOf(t, "docker-compose.cluster.yml")
	for name, role := range map[string]string{"daemon-1": "validator", "daemon-2": "validator", "daemon-3": "validator", "provision": "admin", "sandbox": "switch"} {
		s := c.Services[name]
		credentials, prefix := s.Environment["PLUMBLINE_BUS__CREDENTIALS"], s.Environment["PLUMBLINE_BUS__INBOX_PREFIX"]
		if credentials != "/run/secrets/bus_"+role || prefix != "_INBOX_"+role {
			t.Errorf("%s shows %s and hears %s, want those of %s", name, credentials, prefix, role)
		}
		secret := c.Secrets["bus_"+role].Environment
		got := false
		for _, has := range s.Secrets {
			switch {
			case has.Source == "bus_"+role:
				got = has.Mode.Perm() == 0o400 && has.UID == "65532"
			case strings.HasPrefix(has.Source, "bus_"):
				t.Errorf("%s has %s, too", name, has.Source)
			}
		}
		if !got || secret != "BUS_"+strings.ToUpper(role) {
			t.Errorf("%s doesn't get its secret, from %q", name, secret)
		}
	}
	accounts, err := os.ReadFile("nats/accounts.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range clusterRoles[:5] {
		if !strings.Contains(string(accounts), `"_INBOX_`+strings.ToLower(role)+`.>"`) {
			t.Errorf("%s can't hear an answer", role)
		}
	}
}

func TestClusterDaemonsAgree(t *testing.T) {
	c := readComposeOf(t, "docker-compose.cluster.yml")
	config := composeConfig(t, c)
	var hosts []string
	for address := range strings.SplitSeq(config.Bus.URL, ",") {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "tls" {
			t.Errorf("the bus is at %s, %v", address, err)
			continue
		}
		hosts = append(hosts, u.Hostname())
	}
	if !slices.Equal(hosts, []string{"nats-1", "nats-2", "nats-3"}) || config.Bus.Replicas != 3 || filepath.Base(config.Bus.TLS.Authorities) != "certificate.pem" {
		t.Errorf("the bus is %v: %+v", hosts, config.Bus)
	}
	one := c.Services["daemon-1"]
	for _, name := range []string{"daemon-2", "daemon-3"} {
		other := c.Services[name]
		if !slices.Equal(one.Command, other.Command) || !maps.Equal(one.Environment, other.Environment) || !slices.Equal(one.Volumes, other.Volumes) || !slices.Equal(one.Secrets, other.Secrets) || slices.Equal(one.Ports, other.Ports) {
			t.Errorf("%s differs from the first in more than its ports, or in nothing", name)
		}
	}
	flags := make(map[string]string)
	for _, argument := range c.Services["sandbox"].Command[1:] {
		name, value, _ := strings.Cut(strings.TrimPrefix(argument, "--"), "=")
		flags[name] = value
	}
	for _, color := range plumbline.Colors() {
		site, _ := config.Site("plum", color)
		u, err := url.Parse(site.URL)
		if _, port, _ := net.SplitHostPort(flags[string(color)]); err != nil || u.Hostname() != "sandbox" || port != u.Port() {
			t.Errorf("%s listens on %s and is looked for at %s", color, flags[string(color)], site.URL)
		}
	}
	if _, there := flags["bus"]; there || flags["config"] != "/etc/plumbline/plumbline.yaml" {
		t.Errorf("the switch tells a bus without credentials: %v", flags)
	}
	taken := map[string]string{}
	for name, s := range c.Services {
		for _, port := range s.Ports {
			published := strings.Join(strings.Split(port, ":")[:2], ":")
			if other, twice := taken[published]; twice || !strings.HasPrefix(published, "127.0.0.1:") {
				t.Errorf("%s publishes %s, as %q does", name, port, other)
			}
			taken[published] = name
		}
	}
	for _, name := range []string{"daemon-1", "daemon-2", "daemon-3", "sandbox"} {
		if d := c.Services[name].DependsOn; d["provision"].Condition != "service_completed_successfully" {
			t.Errorf("%s depends on %v, want what provision makes", name, d)
		}
	}
}
