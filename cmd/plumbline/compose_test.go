package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/plumbline-dev/plumbline"
)

// A composition is docker-compose.yml as plain processes: the same programs with the same command lines, settings and
// environment. Only where something is differs: ports are free ones, hosts are this one, files are the test's.
type composition struct {
	t         *testing.T
	Services  map[string]composed
	Secrets   map[string]struct{ Environment string }
	dir       string
	variables map[string]string // that .env would have
	ports     map[string]string // by service:port, the port here
}

type composed struct {
	Image       string
	Command     []string
	Environment map[string]string
	Volumes     []string
	Secrets     []struct {
		Source string
		Mode   os.FileMode
	}
	Networks map[string]struct{ Aliases []string }
}

func readComposition(t *testing.T) *composition { return readCompositionOf(t, "docker-compose.yml") }

func readCompositionOf(t *testing.T, file string) *composition {
	t.Helper()
	c := &composition{t: t, dir: t.TempDir(), ports: map[string]string{}, variables: map[string]string{
		"PLUM_CLIENT_SECRET": "a secret of the API client", "PLUM_GATE_TOKEN": "a token for the gate", "PLUM_CONTROL_TOKEN": "a token for the control",
	}}
	data, err := os.ReadFile(filepath.Join("../..", file))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, c); err != nil {
		t.Fatal(err)
	}
	return c
}

// port is the port here of one that a service listens on.
func (c *composition) port(service, port string) string {
	key := service + ":" + port
	for c.ports[key] == "" {
		candidate := strconv.Itoa(10_000 + rand.N(20_000)) // where no system looks for the port of a client
		l, err := net.Listen("tcp", ":"+candidate)
		if err != nil {
			continue
		}
		_ = l.Close() // it is free again
		if !slices.Contains(slices.Collect(maps.Values(c.ports)), candidate) {
			c.ports[key] = candidate
		}
	}
	return c.ports[key]
}

// url is where a service is from here.
func (c *composition) url(service, port, path string) string {
	return "http://127.0.0.1:" + c.port(service, port) + path
}

var (
	composedHost   = regexp.MustCompile(`\b(nats(?:-\d)?|sandbox|daemon):(\d{4})\b`)
	composedListen = regexp.MustCompile(`\b0\.0\.0\.0:(\d{4})\b`)
	composedVar    = regexp.MustCompile(`\$\{([A-Z_]+):\?[^}]*\}`)
)

// here is a text of a service with the places of this machine. Whoever asks for a daemon gets the first.
func (c *composition) here(service, text string) string {
	text = composedVar.ReplaceAllStringFunc(text, func(found string) string {
		value, set := c.variables[composedVar.FindStringSubmatch(found)[1]]
		if !set {
			c.t.Fatalf("%s: %s isn't set", service, found)
		}
		return value
	})
	text = composedHost.ReplaceAllStringFunc(text, func(found string) string {
		host, port, _ := strings.Cut(found, ":")
		if host == "daemon" {
			host = "daemon-1"
		}
		return "127.0.0.1:" + c.port(host, port)
	})
	text = composedListen.ReplaceAllStringFunc(text, func(found string) string {
		return "0.0.0.0:" + c.port(service, strings.TrimPrefix(found, "0.0.0.0:"))
	})
	text = strings.ReplaceAll(text, "/accounts", filepath.Join(c.dir, "accounts"))
	return strings.ReplaceAll(text, "/run/secrets/", filepath.Join(c.dir, service)+"/")
}

// mounted is the file here that a container would see at a path, with the places of this machine.
func (c *composition) mounted(service, path string, replace ...string) string {
	for _, volume := range c.Services[service].Volumes {
		source, rest, _ := strings.Cut(volume, ":")
		if rest != path+":ro" {
			continue
		}
		data, err := os.ReadFile(filepath.Join("../..", source))
		if err != nil {
			c.t.Fatal(err)
		}
		text := string(data)
		for i := 0; i < len(replace); i += 2 {
			if strings.Count(text, replace[i]) != 1 {
				c.t.Fatalf("%s says %q %d times", source, replace[i], strings.Count(text, replace[i]))
			}
			text = strings.Replace(text, replace[i], replace[i+1], 1)
		}
		file := filepath.Join(c.dir, service+"-"+filepath.Base(path))
		writeFile(c.t, file, c.here(service, text))
		return file
	}
	c.t.Fatalf("%s has nothing at %s", service, path)
	return ""
}

// up starts a service of the image that is built here.
func (c *composition) up(service string) *child {
	s := c.Services[service]
	if s.Image != "plumbline" {
		c.t.Fatalf("%s is of image %q, want plumbline", service, s.Image)
	}
	if err := os.Mkdir(filepath.Join(c.dir, service), 0o700); err != nil {
		c.t.Fatal(err)
	}
	for _, secret := range s.Secrets {
		value := c.variables[c.Secrets[secret.Source].Environment]
		if err := os.WriteFile(filepath.Join(c.dir, service, secret.Source), []byte(value), secret.Mode); err != nil {
			c.t.Fatal(err)
		}
	}
	var env, args []string
	for name, value := range s.Environment {
		env = append(env, name+"="+c.here(service, value))
	}
	for _, argument := range s.Command {
		if strings.HasPrefix(argument, "/etc/") {
			argument = c.mounted(service, argument)
		}
		args = append(args, c.here(service, argument))
	}
	return start(c.t, env, "plumbline", args...)
}

// nats starts the server with the settings that the image would have.
func (c *composition) nats() {
	port, command := c.port("nats", "4222"), []string{}
	for _, argument := range c.Services["nats"].Command {
		if strings.HasPrefix(argument, "/etc/") {
			argument = c.mounted("nats", argument, "port: 4222", "port: "+port, "http: 8222", "http: "+c.port("nats", "8222"), "/data", filepath.Join(c.dir, "jetstream"))
		}
		command = append(command, argument)
	}
	natsServer(c.t, "127.0.0.1:"+port, command...)
}

// accounts waits until the sandbox has written them.
func (c *composition) accounts() {
	c.t.Helper()
	until(c.t, "the accounts are there", func() bool {
		_, err := os.Stat(filepath.Join(c.dir, "accounts", "acme-teams-green.client_secret")) // the last that is written
		return err == nil
	})
}

// ask sends a request with a token and returns the status and the body.
func (c *composition) ask(method, url, token, body string) (int, []byte) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+c.variables[token])
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer.StatusCode, text
}

// gate asks a daemon.
func (c *composition) gate(daemon, query string) plumbline.Gate {
	c.t.Helper()
	var gate plumbline.Gate
	status, body := c.ask(http.MethodGet, c.url(daemon, "8080", "/v1/gates/plum/"+query), "PLUM_GATE_TOKEN", "")
	if status == http.StatusOK {
		if err := json.Unmarshal(body, &gate); err != nil {
			c.t.Fatal(err)
		}
	}
	return gate
}

// sandboxState is as much of what the control tells as matters here.
type sandboxState struct {
	Switch  struct{ Live plumbline.Color }
	Traffic struct{ Sent, Failed int }
}

func (c *composition) sandbox() (s sandboxState) {
	c.t.Helper()
	if status, body := c.ask(http.MethodGet, c.url("sandbox", "8091", "/sandbox"), "PLUM_CONTROL_TOKEN", ""); status == http.StatusOK {
		if err := json.Unmarshal(body, &s); err != nil {
			c.t.Fatal(err)
		}
	}
	return s
}

// TestCompose plays what the top of docker-compose.yml tells people to do.
func TestCompose(t *testing.T) {
	t.Parallel()
	const version = "2026.11.3"
	c := readComposition(t)
	c.nats()
	processes := []*child{c.up("sandbox")}
	c.accounts()
	processes = append(processes, c.up("daemon-1"), c.up("daemon-2"))
	for _, daemon := range []string{"daemon-1", "daemon-2"} {
		if err := awaitReady(c.url(daemon, "8080", "/readyz")); err != nil {
			t.Fatal(err)
		}
		if status, _ := c.ask(http.MethodGet, c.url(daemon, "8080", "/v1/gates/plum/green"), "", ""); status != http.StatusUnauthorized {
			t.Errorf("%s answers %d without a token, want 401", daemon, status)
		}
	}
	until(t, "users are served", func() bool { s := c.sandbox(); return s.Traffic.Sent > 0 && s.Switch.Live == plumbline.Blue })

	// Something is deployed to green, said so, and asked.
	c.control("colors/green", fmt.Sprintf(`{"version": %q}`, version))
	bus := []string{"PLUMBLINE_BUS__URL=nats://127.0.0.1:" + c.port("nats", "4222")}
	verdict := plumblineExits(t, 0, bus, "release", "plum", "green", "--version", version, "--wait", "--config", "../../configs/plumbline.yaml")
	if !strings.Contains(verdict, "PASS  plum green "+version) {
		t.Errorf("the verdict is\n%s", verdict)
	}
	for _, daemon := range []string{"daemon-1", "daemon-2"} {
		until(t, daemon+" opens the gate", func() bool { return c.gate(daemon, "green?version="+version).Gate == plumbline.GateOpen })
	}

	// The switch obeys the gate, both daemons hear of it, and there is a way back.
	c.control("switch", fmt.Sprintf(`{"color": "green", "version": %q}`, version))
	until(t, "traffic moves", func() bool { return c.sandbox().Switch.Live == plumbline.Green })
	for _, daemon := range []string{"daemon-1", "daemon-2"} {
		until(t, daemon+" knows", func() bool { return c.gate(daemon, "green").Because == "already_live" })
		until(t, daemon+" has a way back", func() bool { return c.gate(daemon, "blue?purpose=rollback").Readiness == plumbline.Ready })
	}
	if users := c.sandbox().Traffic; users.Failed != 0 {
		t.Errorf("%d of %d user requests failed", users.Failed, users.Sent)
	}
	for _, p := range processes {
		p.stop(t)
		for name, secret := range c.variables {
			if strings.Contains(p.output.String(), secret) {
				t.Errorf("%s prints %s", p.name, name)
			}
		}
	}
}

// control tells the sandbox something.
func (c *composition) control(what, body string) {
	c.t.Helper()
	if status, answer := c.ask(http.MethodPut, c.url("sandbox", "8091", "/sandbox/"+what), "PLUM_CONTROL_TOKEN", body); status/100 != 2 {
		c.t.Fatalf("%s answered %d: %s", what, status, answer)
	}
}
