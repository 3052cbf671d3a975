package configs_test

import (
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"go.yaml.in/yaml/v4"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// compose is as much of docker-compose.yml as matters here.
type compose struct {
	Services map[string]struct {
		Image       string
		Build       string
		Command     []string
		Environment map[string]string
		Ports       []string
		Volumes     []string
		Secrets     []struct {
			Source, UID, GID string
			Mode             os.FileMode
		}
		DependsOn map[string]struct{ Condition string } `yaml:"depends_on"`
		Networks  map[string]struct{ Aliases []string }
	}
	Secrets map[string]struct{ Environment string }
	Volumes map[string]any
}

func readCompose(t *testing.T) compose {
	return readComposeOf(t, "docker-compose.yml", "nats", "daemon-1", "daemon-2", "sandbox")
}

func readComposeOf(t *testing.T, file string, services ...string) compose {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", file))
	if err != nil {
		t.Fatal(err)
	}
	var c compose
	if err := yaml.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	for _, name := range services {
		if _, there := c.Services[name]; !there {
			t.Fatalf("no service %s", name)
		}
	}
	return c
}

// mounted is the file on the host that a container sees at a path.
func (c compose) mounted(t *testing.T, service, path string) string {
	t.Helper()
	for _, volume := range c.Services[service].Volumes {
		parts := strings.Split(volume, ":")
		if len(parts) == 3 && parts[1] == path && parts[2] == "ro" {
			return filepath.Join("..", parts[0])
		}
	}
	t.Fatalf("%s has nothing at %s", service, path)
	return ""
}

// composeConfig loads the settings of the daemons with secrets in files such as compose makes.
func composeConfig(t *testing.T, c compose) *configs.Config {
	t.Helper()
	data, err := os.ReadFile(c.mounted(t, "daemon-1", "/etc/plumbline/plumbline.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, s := range c.Services["daemon-1"].Secrets {
		if err := os.WriteFile(filepath.Join(dir, s.Source), []byte("a secret of "+s.Source), s.Mode); err != nil {
			t.Fatal(err)
		}
	}
	local := strings.ReplaceAll(string(data), "/run/secrets/", dir+"/")
	if local == string(data) {
		t.Error("the settings take no secret from /run/secrets")
	}
	local = accountsHere(t, local)
	environ := environHere(t, c, dir)
	config, warnings, err := configs.Load(configs.Source{File: "plumbline.yaml", Data: []byte(local), Environ: environ})
	warnings = slices.DeleteFunc(warnings, func(warning strictyaml.Problem) bool { // providers that are simulated have no certificates
		return strings.Contains(warning.Error(), "the secret travels to sandbox:8093 in clear")
	})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, warnings %v", err, warnings)
	}
	return config
}

// environHere is the environment of a daemon, with what it has of files in a directory of the test.
func environHere(t *testing.T, c compose, dir string) (environ []string) {
	t.Helper()
	for name, value := range c.Services["daemon-1"].Environment {
		value = strings.ReplaceAll(value, "/run/secrets/", dir+"/")
		if strings.HasSuffix(value, "/ca.pem") {
			c.mounted(t, "daemon-1", value)
			keysIn(t, dir)
			value = filepath.Join(dir, "certificate.pem")
		}
		environ = append(environ, name+"="+value)
	}
	return environ
}

// accountsHere has the settings take what the sandbox writes to /accounts from files of the test.
func accountsHere(t *testing.T, settings string) string {
	t.Helper()
	dir := t.TempDir()
	files := regexp.MustCompile(`\{file: /accounts/([a-z_.-]+)\}`).FindAllStringSubmatch(settings, -1)
	if len(files) < 10 {
		t.Errorf("%d files in /accounts, want some of each account", len(files))
	}
	for _, file := range files {
		secret := []byte("a secret of an account")
		if strings.HasSuffix(file[1], ".key") {
			secret = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey())})
		}
		if err := os.WriteFile(filepath.Join(dir, file[1]), secret, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return strings.ReplaceAll(settings, "/accounts/", dir+"/")
}

func TestComposeRunsAServerThatKeepsWhatItAcknowledges(t *testing.T) {
	c := readCompose(t)
	nats := c.Services["nats"]
	if !regexp.MustCompile(`^nats:2\.\d+`).MatchString(nats.Image) {
		t.Errorf("image %q, want nats:2", nats.Image)
	}
	i := slices.Index(nats.Command, "--config")
	if i < 0 || i+1 >= len(nats.Command) {
		t.Fatalf("command %v names no --config", nats.Command)
	}
	options, err := server.ProcessConfigFile(c.mounted(t, "nats", nats.Command[i+1]))
	if err != nil {
		t.Fatal(err)
	}
	if !options.JetStream || !options.SyncAlways {
		t.Errorf("JetStream %t, sync always %t, want both", options.JetStream, options.SyncAlways)
	}
	if !slices.Contains(nats.Volumes, "nats:"+options.StoreDir) || c.Volumes == nil {
		t.Errorf("volumes %v don't keep %s", nats.Volumes, options.StoreDir)
	}
	if options.MaxPayload < 1<<20 {
		t.Errorf("payloads of %d bytes, want 1 MiB: a verdict may have 512 KiB, a dead letter 900", options.MaxPayload)
	}
}

func TestComposeDaemonsAgree(t *testing.T) {
	c := readCompose(t)
	config := composeConfig(t, c)
	bus, err := url.Parse(config.Bus.URL)
	if err != nil || bus.Hostname() != "nats" {
		t.Errorf("the bus is %s, want the host nats", config.Bus.URL)
	}
	one, two := c.Services["daemon-1"], c.Services["daemon-2"]
	if !slices.Equal(one.Command, two.Command) || !slices.Equal(one.Volumes, two.Volumes) || !slices.Equal(one.Secrets, two.Secrets) {
		t.Error("the daemons differ in more than their ports")
	}
	if slices.Equal(one.Ports, two.Ports) {
		t.Errorf("both are at %v", one.Ports)
	}
	if want := []string{"serve", "--config", "/etc/plumbline/plumbline.yaml"}; !slices.Equal(one.Command, want) {
		t.Errorf("command %v, want %v", one.Command, want)
	}
	if _, port, _ := net.SplitHostPort(config.Listen); !strings.HasSuffix(one.Ports[0], ":"+port) {
		t.Errorf("port %s is published as %v", port, one.Ports)
	}
	for _, s := range one.Secrets {
		if s.Mode.Perm()&0o077 != 0 || s.UID != "65532" {
			t.Errorf("secret %s is for uid %s with mode %o: the daemon would refuse it", s.Source, s.UID, s.Mode)
		}
		if c.Secrets[s.Source].Environment == "" {
			t.Errorf("secret %s comes from nowhere", s.Source)
		}
	}
}

func TestComposeSandboxIsWhereTheDaemonsLook(t *testing.T) {
	c := readCompose(t)
	config := composeConfig(t, c)
	sandbox := c.Services["sandbox"]
	if sandbox.Command[0] != "sandbox" {
		t.Fatalf("command %v", sandbox.Command)
	}
	flags := make(map[string]string)
	for _, argument := range sandbox.Command[1:] {
		name, value, found := strings.Cut(strings.TrimPrefix(argument, "--"), "=")
		if !found {
			t.Fatalf("%s, want --name=value", argument)
		}
		flags[name] = value
	}
	for _, color := range plumbline.Colors() {
		site, _ := config.Site("plum", color)
		u, err := url.Parse(site.URL)
		if err != nil || u.Hostname() != "sandbox" {
			t.Errorf("%s is at %s, want the host sandbox", color, site.URL)
			continue
		}
		if _, port, _ := net.SplitHostPort(flags[string(color)]); port != u.Port() {
			t.Errorf("%s listens on %s and is looked for at %s", color, flags[string(color)], site.URL)
		}
		if !slices.Contains(config.NamedSecrets["plum-client-secret"].Hosts, u.Host) {
			t.Errorf("%s may not have the client's secret", u.Host)
		}
	}
	if flags["bus"] != config.Bus.URL {
		t.Errorf("the switch tells %s, the daemons listen at %s", flags["bus"], config.Bus.URL)
	}
	gate, err := url.Parse(flags["gate"])
	if err != nil || !slices.Contains(c.Services["daemon-1"].Networks["default"].Aliases, gate.Hostname()) || !slices.Contains(c.Services["daemon-2"].Networks["default"].Aliases, gate.Hostname()) {
		t.Errorf("the switch asks %s, which isn't both daemons", flags["gate"])
	}
	if live := config.Services["plum"].Live; live.Version != flags["version"] {
		t.Errorf("the sandbox starts with %s, the record with %s", flags["version"], live.Version)
	}
	for secret, name := range map[string]string{"plum_client_secret": "PLUM_CLIENT_SECRET", "plum_gate_token": "PLUM_GATE_TOKEN"} {
		if c.Secrets[secret].Environment != name || !strings.HasPrefix(sandbox.Environment[name], "${"+name+":?") {
			t.Errorf("daemons have %s from %s, the sandbox has %q", secret, c.Secrets[secret].Environment, sandbox.Environment[name])
		}
	}
}

func TestComposePublishesOnLoopbackAlone(t *testing.T) {
	taken := make(map[string]string)
	for name, s := range readCompose(t).Services {
		for _, port := range s.Ports {
			host, _, _ := strings.Cut(port, ":")
			published := strings.Join(strings.Split(port, ":")[:2], ":")
			if host != "127.0.0.1" {
				t.Errorf("%s publishes %s, want 127.0.0.1", name, port)
			}
			if other, twice := taken[published]; twice {
				t.Errorf("%s and %s both publish %s", name, other, published)
			}
			taken[published] = name
		}
		for needed, d := range s.DependsOn {
			if (needed != "nats" || d.Condition != "service_healthy") && (needed != "sandbox" || d.Condition != "service_started") {
				t.Errorf("%s depends on %s %s", name, needed, d.Condition)
			}
		}
	}
}

func TestDockerfileMakesASmallImageWithoutRoot(t *testing.T) {
	data, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	stages := regexp.MustCompile(`(?m)^FROM .*$`).FindAllString(text, -1)
	if len(stages) != 2 || !strings.Contains(stages[1], "distroless/static") || !strings.HasSuffix(stages[1], ":nonroot") {
		t.Errorf("stages %q, want a build and a distroless static one", stages)
	}
	for _, want := range []string{"CGO_ENABLED=0", "\nUSER 65532:65532\n", "./cmd/plumbline", `ENTRYPOINT ["/usr/local/bin/plumbline"]`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	module, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(module))
	if version == nil || !strings.Contains(stages[0], "golang:"+version[1]) {
		t.Errorf("%q doesn't build with the Go of go.mod, %v", stages[0], version)
	}
}
