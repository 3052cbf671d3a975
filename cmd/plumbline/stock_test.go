package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
)

const stockSuite = `suite: smoke
triggers: [release, standby, switched]
defaults: {timeout: 2m}
checks:
  - get: /healthz
  - name: the build
    get: /version
    expect: {$.version: $(release.version)}
`

// A plant is a stock NATS server and two environments, for daemons that are processes.
type plant struct {
	client      stockClient
	nats        *child
	bus, config string
	blue, green *house
}

func newPlant(t *testing.T) *plant {
	t.Helper()
	dir := t.TempDir()
	p := &plant{bus: freeAddress(t.Fatalf), config: filepath.Join(dir, "plumbline.yaml"), blue: newHouse("1"), green: newHouse("0")}
	t.Cleanup(p.blue.Close)
	t.Cleanup(p.green.Close)
	p.startServer(t)
	p.client = newStockClient(t, p.bus)
	p.configure(t, fmt.Sprintf(`{url: "nats://%s"}`, p.bus))
	return p
}

// configure writes a configuration with this bus, and its suite.
func (p *plant) configure(t *testing.T, bus string) {
	t.Helper()
	writeFile(t, filepath.Join(filepath.Dir(p.config), "smoke.yaml"), stockSuite)
	writeFile(t, p.config, fmt.Sprintf(`bus: %s
services:
  plum:
    environments: {blue: {url: %q}, green: {url: %q}}
    live: {color: blue, version: "1"}
    new: true
    suites: [smoke.yaml]
    standby: {schedule: "0 0 1 1 *"}
`, bus, p.blue.URL, p.green.URL))
}

// startServer starts the NATS server, on what an earlier one stored.
func (p *plant) startServer(t *testing.T) {
	t.Helper()
	host, port, _ := strings.Cut(p.bus, ":")
	p.nats = natsServer(t, p.bus, "-js", "-sd", filepath.Join(filepath.Dir(p.config), "jetstream"), "-a", host, "-p", port)
}

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// serve starts a daemon and returns when it answers for its gates.
func (p *plant) serve(t *testing.T) *child {
	t.Helper()
	listen := freeAddress(t.Fatalf)
	c := start(t, []string{"PLUMBLINE__LISTEN=" + listen}, "plumbline", "serve", "--config", p.config)
	c.listen = listen
	if err := awaitReady("http://" + listen + "/readyz"); err != nil {
		t.Fatal(err)
	}
	return c
}

// released is a release event as any CloudEvents library would send it, in structured mode.
func released(id string, color plumbline.Color, version string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/ci/plum","type":"dev.plumbline.release.deployed.v1","time":"2026-11-23T12:00:00Z",
"datacontenttype":"application/json","data":{"service":"plum","color":%q,"version":%q}}`, id, color, version)
}

// TestStockServer: the daemon is a process beside a NATS server that nobody prepared, and hears events of a client that
// knows nothing of plumbline.
func TestStockServer(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	daemon := p.serve(t)
	p.green.deploy("2", "well")
	p.client.publish(t, "plumbline.event.plum", released("build-2", plumbline.Green, "2"))
	if v := p.client.verdict(t, plumbline.Green, "2"); !v.Passed() || v.Event.ID != "build-2" || len(v.Checks) != 2 {
		t.Errorf("verdict %s, %s, of event %s with %d checks", v.Outcome, v.Reason, v.Event.ID, len(v.Checks))
	}

	// What is no event is put aside with a reason, whatever it is, and what comes behind it is served.
	for reason, body := range map[string]string{
		"not JSON":         `{"specversion":"1.0", oops`,
		"unknown color":    released("build-x", "purple", "3"),
		"service \"pear\"": strings.Replace(released("build-y", plumbline.Green, "3"), `"service":"plum"`, `"service":"pear"`, 1),
		"used before":      strings.Replace(released("build-2", plumbline.Green, "2"), `"version":"2"`, `"version":"2.0"`, 1),
		"at most 262144":   released("build-z", plumbline.Green, strings.Repeat("z", 300<<10)),
		"unknown event":    strings.Replace(released("build-w", plumbline.Green, "3"), "deployed.v1", "deployde.v1", 1),
		"JSON object":      `[]`,
	} {
		p.client.publish(t, "plumbline.event.plum", body)
		m := p.client.next(t, "PLUMBLINE_DEADLETTER", "plumbline.deadletter.>", func(m jetstream.Msg) bool {
			return string(m.Data()) == body
		})
		if got := m.Headers().Get("Plumbline-Reason"); !strings.Contains(got, reason) {
			t.Errorf("the reason of %.60s… is %q, want something about %s", body, got, reason)
		}
	}
	p.green.deploy("3", "well")
	p.client.publish(t, "plumbline.event.plum", released("build-3", plumbline.Green, "3"))
	if v := p.client.verdict(t, plumbline.Green, "3"); !v.Passed() {
		t.Errorf("behind dead letters: %s, %s", v.Outcome, v.Reason)
	}
	if listed := plumblineExits(t, 0, nil, "deadletters", "list", "--config", p.config); strings.Count(listed, "\n") != 8 {
		t.Errorf("want a heading and 7 dead letters:\n%s", listed)
	}

	// With the daemon gone the bus still answers for what was, and nobody for the gate.
	var gate plumbline.Gate
	document := plumblineExits(t, 0, nil, "gate", "plum", "green", "--version", "3", "--wait", "--format", "json", "--config", p.config)
	if err := json.Unmarshal([]byte(document), &gate); err != nil || gate.Gate != plumbline.GateOpen {
		t.Errorf("%v: %s", err, document)
	}
	daemon.stop(t)
	plumblineExits(t, exitUnknown, nil, "gate", "plum", "green", "--version", "3", "--config", p.config)
	plumblineExits(t, 0, nil, "runs", "--config", p.config)
	if status := plumblineExits(t, exitUnknown, nil, "status", "--config", p.config); !strings.Contains(status, "rollback readiness unknown") {
		t.Errorf("without a daemon the status is\n%s", status)
	}
}

// slow marks a test that waits for the bus to miss somebody: 10 s and more. go test -short leaves it out.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("slow")
	}
	t.Parallel()
}

// TestKilledInMidRun: a daemon is killed while a check of its run hangs. Another takes the run over, and there is one verdict.
func TestKilledInMidRun(t *testing.T) {
	slow(t)
	p := newPlant(t)
	daemons := []*child{p.serve(t), p.serve(t)}
	p.green.deploy("2", "hanging")
	p.client.publish(t, "plumbline.event.plum", released("build-2", plumbline.Green, "2"))
	first := p.client.starter(t, 1)
	until(t, "the checks are asked", func() bool { return p.green.askedSoFar() >= 2 })
	for _, d := range daemons {
		if strings.HasSuffix(first, fmt.Sprintf("-%d", d.Process.Pid)) {
			d.kill(t)
		}
	}
	second := p.client.starter(t, 2)
	p.green.deploy("2", "well")
	v := p.client.verdict(t, plumbline.Green, "2")
	if !v.Passed() || v.Worker != second || first == second {
		t.Errorf("verdict %s (%s) of %s, begun by %s, want a pass of another", v.Outcome, v.Reason, v.Worker, first)
	}
	plumblineExits(t, 0, nil, "gate", "plum", "green", "--version", "2", "--wait", "--timeout", "1m", "--config", p.config)
	if n := p.client.count(t, "PLUMBLINE_VERDICTS", "plumbline.verdict.>"); n != 1 {
		t.Errorf("%d verdicts, want 1", n)
	}
}

// TestServerKilledInMidRun: the NATS server dies under a run and comes back. The daemon finds it again and ends what it began.
func TestServerKilledInMidRun(t *testing.T) {
	slow(t)
	p := newPlant(t)
	p.serve(t)
	p.green.deploy("2", "hanging")
	p.client.publish(t, "plumbline.event.plum", released("build-2", plumbline.Green, "2"))
	until(t, "the checks are asked", func() bool { return p.green.askedSoFar() >= 2 })
	p.nats.kill(t)
	p.green.deploy("2", "well") // there is nobody to tell
	p.startServer(t)
	p.client = newStockClient(t, p.bus)
	if v := p.client.verdict(t, plumbline.Green, "2"); !v.Passed() {
		t.Errorf("verdict %s (%s), want a pass", v.Outcome, v.Reason)
	}
	plumblineExits(t, 0, nil, "gate", "plum", "green", "--version", "2", "--wait", "--timeout", "1m", "--config", p.config)
	p.green.deploy("3", "well")
	p.client.publish(t, "plumbline.event.plum", released("build-3", plumbline.Green, "3"))
	if v := p.client.verdict(t, plumbline.Green, "3"); !v.Passed() {
		t.Errorf("the release after: %s (%s)", v.Outcome, v.Reason)
	}
	if n := p.client.count(t, "PLUMBLINE_VERDICTS", "plumbline.verdict.>"); n != 2 {
		t.Errorf("%d verdicts of two releases", n)
	}
}

// TestKilledWithItsBus: a daemon with an embedded bus is killed in mid-run. What it acknowledged is on the disk, and the
// next one on the same store ends the run.
func TestKilledWithItsBus(t *testing.T) {
	slow(t)
	p := newSolo(t)
	daemon := p.serve(t)
	p.green.deploy("2", "hanging")
	plumblineExits(t, 0, nil, "release", "plum", "green", "--version", "2", "--id", "build-2", "--config", p.config)
	until(t, "the checks are asked", func() bool { return p.green.askedSoFar() >= 2 })
	daemon.kill(t)
	p.green.deploy("2", "well")
	p.serve(t)
	plumblineExits(t, 0, nil, "release", "plum", "green", "--version", "2", "--id", "build-2", "--wait", "--config", p.config)
	plumblineExits(t, 0, nil, "gate", "plum", "green", "--version", "2", "--wait", "--timeout", "1m", "--config", p.config)
	if n := newStockClient(t, p.bus).count(t, "PLUMBLINE_VERDICTS", "plumbline.verdict.>"); n != 1 {
		t.Errorf("%d verdicts, want 1", n)
	}
}

// starter waits until a run was begun for the nth time and says by whom.
func (c stockClient) starter(t *testing.T, nth int) string {
	t.Helper()
	var event struct {
		Type string
		Data struct{ Worker string }
	}
	c.next(t, "PLUMBLINE_RESULTS", "plumbline.result.plum.>", func(m jetstream.Msg) bool {
		if err := json.Unmarshal(m.Data(), &event); err != nil {
			t.Fatal(err)
		}
		if event.Type == "dev.plumbline.run.started.v1" {
			nth--
		}
		return nth == 0
	})
	return event.Data.Worker
}

// TestBareServer: a NATS server that no daemon was ever connected to, and one without JetStream, can tell nothing; the
// commands say so and how to go on, and wait for ever on neither.
func TestBareServer(t *testing.T) {
	t.Parallel()
	for cure, test := range map[string]struct {
		arguments []string
		commands  [][]string
	}{
		"plumbline serve makes its streams": {[]string{"-js", "-sd", t.TempDir()}, [][]string{{"status"}, {"runs"}, {"deadletters", "list"},
			{"show", "aaaaaaaaaaaaaaaaaaaaaaaaaa"}, {"gate", "plum", "green"}, {"release", "plum", "green", "--version", "2"},
			{"switched", "plum", "--to", "green"}, {"validate", "plum", "green"}}},
		"start it with nats-server -js": {nil, [][]string{{"runs"}, {"status"}}},
	} {
		address := freeAddress(t.Fatalf)
		host, port, _ := strings.Cut(address, ":")
		natsServer(t, address, append(test.arguments, "-a", host, "-p", port)...)
		for _, command := range test.commands {
			t.Run(strings.Join(command, " "), func(t *testing.T) {
				t.Parallel()
				_, log := plumblineRuns(t, exitUnknown, []string{"PLUMBLINE_BUS__URL=nats://" + address}, append(command, "--config", "../../configs/plumbline.yaml")...)
				if !strings.Contains(log, cure) {
					t.Errorf("want %q:\n%s", cure, log)
				}
			})
		}
	}
}

// TestServeOnABusThatDoesNotDoItsPart: nothing is wrong with the configuration, so that whoever supervises the daemon
// starts it again until the bus is itself.
func TestServeOnABusThatDoesNotDoItsPart(t *testing.T) {
	t.Parallel()
	address := freeAddress(t.Fatalf)
	host, port, _ := strings.Cut(address, ":")
	natsServer(t, address, "-a", host, "-p", port)
	_, log := plumblineRuns(t, exitUnknown, []string{"PLUMBLINE_BUS__URL=nats://" + address, "PLUMBLINE__LISTEN=" + host + ":0",
		"PLUMBLINE_RECEIVER__LISTEN=" + host + ":0", "PLUM_CLIENT_SECRET=hush-hush"}, "serve", "--config", "../../configs/plumbline.yaml")
	if !strings.Contains(log, "the bus is in reach, but the bus has no JetStream") || !strings.Contains(log, "plumbline doctor") {
		t.Errorf("want what is missing, and how to go on:\n%s", log)
	}
}
