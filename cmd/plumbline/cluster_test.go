package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

// A fleet is docker-compose.cluster.yml as plain processes: each service has its files in a directory of its own, at the
// paths that its container would see.
type fleet struct {
	*composition
	made  string // what the commands at the top of the file make
	nodes map[string]*child
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{composition: readCompositionOf(t, "docker-compose.cluster.yml"), made: filepath.Join(t.TempDir(), ".cluster"), nodes: map[string]*child{}}
	servers := f.named("nats-")
	if len(servers) != 3 {
		t.Fatalf("servers %v, want three", servers)
	}
	plumblineExits(t, 0, nil, "bus", "users", "--output", f.made)
	plumblineExits(t, 0, nil, append([]string{"bus", "certificates", "--output", f.made}, servers...)...)
	for _, role := range []string{"validator", "admin", "switch"} {
		seed, err := os.ReadFile(filepath.Join(f.made, role+".nk"))
		if err != nil {
			t.Fatal(err)
		}
		f.variables["BUS_"+strings.ToUpper(role)] = string(seed)
	}
	return f
}

// named are the services whose names begin so.
func (f *fleet) named(prefix string) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(f.Services)) {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names
}

var (
	containerPath = regexp.MustCompile(`/(etc|run|data)\b`)
	nodePort      = regexp.MustCompile(`(?m)^(\s*port: )(\d+)$`)
	nodeMonitor   = regexp.MustCompile(`127\.0\.0\.1:(8222)`)
)

// place is a text of a service with the places of this machine.
func (f *fleet) place(service, text string) string {
	text = f.here(service, text)
	text = nodePort.ReplaceAllStringFunc(text, func(found string) string {
		m := nodePort.FindStringSubmatch(found)
		return m[1] + f.port(service, m[2])
	})
	text = nodeMonitor.ReplaceAllStringFunc(text, func(string) string { return "127.0.0.1:" + f.port(service, "8222") })
	return containerPath.ReplaceAllString(text, filepath.Join(f.dir, service)+"$0")
}

// lay puts the files of a service where it looks for them.
func (f *fleet) lay(service string) {
	f.t.Helper()
	for _, volume := range f.Services[service].Volumes {
		source, target, _ := strings.Cut(strings.TrimSuffix(volume, ":ro"), ":")
		if !strings.HasPrefix(source, "./") {
			continue // a volume of its own
		}
		file := filepath.Join("../..", source)
		if rest, made := strings.CutPrefix(source, "./.cluster/"); made {
			file = filepath.Join(f.made, rest)
		}
		f.file(service, target, file, 0o600)
	}
	for _, secret := range f.Services[service].Secrets {
		value, set := f.variables[f.Secrets[secret.Source].Environment]
		if !set {
			f.t.Fatalf("secret %s comes from nowhere", secret.Source)
		}
		f.write(service, secret.Source, value, secret.Mode) // see here
	}
}

func (f *fleet) file(service, target, source string, mode os.FileMode) {
	f.t.Helper()
	text, err := os.ReadFile(source)
	if err != nil {
		f.t.Fatal(err)
	}
	f.write(service, target, f.place(service, string(text)), mode)
}

func (f *fleet) write(service, target, text string, mode os.FileMode) {
	f.t.Helper()
	name := filepath.Join(f.dir, service, target)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		f.t.Fatal(err)
	}
}

// start starts a service with the command line and environment that it has.
func (f *fleet) start(service, program string) *child {
	f.t.Helper()
	f.lay(service)
	var env, args []string
	for name, value := range f.Services[service].Environment {
		env = append(env, name+"="+f.place(service, value))
	}
	for _, argument := range f.Services[service].Command {
		args = append(args, f.place(service, argument))
	}
	return start(f.t, env, program, args...)
}

// up starts everything, in the order of what depends on what.
func (f *fleet) up() {
	f.t.Helper()
	program, err := stockServer()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, service := range f.named("nats-") {
		f.nodes[service] = f.start(service, program)
	}
	f.provision()
	f.nodes["sandbox"] = f.start("sandbox", "plumbline")
	f.accounts()
	for _, service := range f.named("daemon-") {
		f.nodes[service] = f.start(service, "plumbline")
	}
}

// provision is started again until it succeeds, as compose does.
func (f *fleet) provision() {
	f.t.Helper()
	for deadline := time.Now().Add(2 * patience); ; time.Sleep(200 * time.Millisecond) {
		p := f.start("provision", "plumbline")
		<-p.ended
		if p.err == nil {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("the streams are never made: %s", p.output)
		}
	}
}

// as is the environment of a role on the host.
func (f *fleet) as(role string) []string {
	var urls []string
	for _, service := range f.named("nats-") {
		urls = append(urls, "tls://127.0.0.1:"+f.port(service, "4222"))
	}
	return []string{"PLUMBLINE_BUS__URL=" + strings.Join(urls, ","), "PLUMBLINE_BUS__TLS__AUTHORITIES=" + filepath.Join(f.made, "ca.pem"), "PLUMBLINE_BUS__REPLICAS=3",
		"PLUMBLINE_BUS__CREDENTIALS=" + filepath.Join(f.made, role+".nk"), "PLUMBLINE_BUS__INBOX_PREFIX=_INBOX_" + role}
}

// run runs a command of the host.
func (f *fleet) run(code int, role string, args ...string) string {
	f.t.Helper()
	return plumblineExits(f.t, code, f.as(role), append(args, "--config", "../../configs/plumbline.yaml")...)
}

// release deploys something to a color and waits for what comes of it.
func (f *fleet) release(color plumbline.Color, version string) {
	f.t.Helper()
	f.control("colors/"+string(color), fmt.Sprintf(`{"version": %q}`, version))
	if said := f.run(0, "release", "release", "plum", string(color), "--version", version, "--wait"); !strings.Contains(said, fmt.Sprintf("OPEN  plum %s %s", color, version)) {
		f.t.Errorf("%s on %s ends as\n%s", version, color, said)
	}
}

// promote has the switch move traffic, and waits until it did.
func (f *fleet) promote(color plumbline.Color, version string) {
	f.t.Helper()
	f.control("switch", fmt.Sprintf(`{"color": %q, "version": %q}`, color, version))
	until(f.t, fmt.Sprintf("traffic moves to %s", color), func() bool { return f.sandbox().Switch.Live == color })
	for _, daemon := range f.named("daemon-") {
		until(f.t, daemon+" knows", func() bool { return f.gate(daemon, string(color)).Because == plumbline.BecauseAlreadyLive })
	}
}

// TestCluster plays what the top of docker-compose.cluster.yml tells people to do, and then takes a server and a daemon away.
func TestCluster(t *testing.T) {
	if os.Getenv("PLUMBLINE_CLUSTER") == "" {
		t.Skip("PLUMBLINE_CLUSTER=1 plays it: seven processes, half a minute")
	}
	t.Parallel()
	f := newFleet(t)
	f.up()
	for _, daemon := range f.named("daemon-") {
		if err := awaitReady(f.url(daemon, "8080", "/readyz")); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "users are served", func() bool { return f.sandbox().Traffic.Sent > 0 })
	f.run(0, "admin", "bus", "check")
	f.release(plumbline.Green, "2026.11.3")
	f.promote(plumbline.Green, "2026.11.3")

	// The server that leads the verdicts goes, and a daemon.
	leader := f.leader("PLUMBLINE_VERDICTS")
	f.nodes[leader].kill(t)
	f.nodes["daemon-3"].kill(t)
	delete(f.Services, "daemon-3")
	f.release(plumbline.Blue, "2026.11.4")
	f.promote(plumbline.Blue, "2026.11.4")
	if users := f.sandbox().Traffic; users.Failed != 0 {
		t.Errorf("%d of %d user requests failed", users.Failed, users.Sent)
	}
	until(t, "the loss is seen", func() bool {
		found := f.check()
		return slices.ContainsFunc(found, func(g bus.Finding) bool {
			return g.Name == "stream PLUMBLINE_VERDICTS" && g.State == bus.StateWeak && strings.Contains(g.Text, "its replica on "+leader)
		})
	})

	// It comes back, and all is well.
	program, _ := stockServer() // it was built before
	f.nodes[leader] = f.start(leader, program)
	until(t, "nothing is weak", func() bool {
		return !slices.ContainsFunc(f.check(), func(g bus.Finding) bool { return g.State != bus.StateOK })
	})
	for _, service := range []string{"daemon-1", "daemon-2", "sandbox"} {
		f.nodes[service].stop(t)
		for name, secret := range f.variables {
			if strings.Contains(f.nodes[service].output.String(), strings.TrimSpace(secret)) {
				t.Errorf("%s prints %s", service, name)
			}
		}
		if strings.Contains(f.nodes[service].output.String(), "refused this user") {
			t.Errorf("%s may do too little", service)
		}
	}
}

// check is what an admin sees of the bus.
func (f *fleet) check() (found []bus.Finding) {
	f.t.Helper()
	out := &strings.Builder{}
	Run(f.t.Context(), []string{"bus", "check", "--format", "json", "--config", "../../configs/plumbline.yaml"}, Shell{Out: out, Err: &strings.Builder{}, Env: f.as("admin")})
	if err := json.Unmarshal([]byte(out.String()), &found); err != nil {
		return []bus.Finding{{State: bus.StateUnknown}} // nobody answers right now
	}
	return found
}

// leader is the server that leads a stream.
func (f *fleet) leader(stream string) string {
	f.t.Helper()
	env := Shell{Env: f.as("admin")}
	b, err := bus.Connect(f.t.Context(), bus.Options{URL: env.Getenv("PLUMBLINE_BUS__URL"), Credentials: env.Getenv("PLUMBLINE_BUS__CREDENTIALS"),
		InboxPrefix: env.Getenv("PLUMBLINE_BUS__INBOX_PREFIX"), TLS: bus.TLS{Authorities: env.Getenv("PLUMBLINE_BUS__TLS__AUTHORITIES")}})
	if err != nil {
		f.t.Fatal(err)
	}
	defer b.Close()
	js, err := jetstream.New(b.Conn())
	if err != nil {
		f.t.Fatal(err)
	}
	s, err := js.Stream(f.t.Context(), stream)
	if err != nil {
		f.t.Fatal(err)
	}
	return s.CachedInfo().Cluster.Leader
}
