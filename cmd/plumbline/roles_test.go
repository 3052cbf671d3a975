package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

// A guarded bus is a server with the accounts of configs/nats, whose users were made by the command that makes them.
type guarded struct {
	t                 *testing.T
	dir, bus, address string // address is that of the gate
	config            string
	blue, green       *house
}

// newGuarded starts the server. settings are added to its own file.
func newGuarded(t *testing.T, settings string) *guarded {
	t.Helper()
	g := &guarded{t: t, dir: t.TempDir(), bus: freeAddress(t.Fatalf), address: freeAddress(t.Fatalf), blue: newHouse("1"), green: newHouse("1")}
	t.Cleanup(g.blue.Close)
	t.Cleanup(g.green.Close)
	plumblineExits(t, 0, nil, "bus", "users", "--output", g.dir)
	accounts, err := os.ReadFile("../../configs/nats/accounts.conf")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(g.dir, "accounts.conf"), string(accounts))
	node := filepath.Join(g.dir, "node.conf")
	writeFile(t, node, fmt.Sprintf("server_name: one\nlisten: %q\n%s\ninclude accounts.conf\n", g.bus, settings))
	file, err := stockServer()
	if err != nil {
		t.Fatal(err)
	}
	start(t, nil, file, "--config", node)
	g.config = filepath.Join(g.dir, "plumbline.yaml")
	writeFile(t, g.config, fmt.Sprintf(`bus: {url: "nats://%s"}
services:
  plum:
    environments: {blue: {url: %q}, green: {url: %q}}
    live: {color: blue, version: "1"}
    new: true
    suites: [smoke.yaml]
listen: %s
`, g.bus, g.blue.URL, g.green.URL, g.address))
	writeFile(t, filepath.Join(g.dir, "smoke.yaml"), `suite: smoke
triggers: [release, switched, standby]
checks:
  - get: /version
    expect: {$.version: $(release.version)}
`)
	return g
}

// as is the environment of a role.
func (g *guarded) as(role string) []string {
	return []string{"PLUMBLINE_BUS__CREDENTIALS=" + filepath.Join(g.dir, role+".nk"), "PLUMBLINE_BUS__INBOX_PREFIX=_INBOX_" + role}
}

// run runs a command as a role.
func (g *guarded) run(code int, role string, args ...string) (stdout, stderr string) {
	g.t.Helper()
	return plumblineRuns(g.t, code, g.as(role), append(args, "--config", g.config)...)
}

// serve starts a daemon that may not make anything.
func (g *guarded) serve() *child {
	g.t.Helper()
	c := start(g.t, g.as("validator"), "plumbline", "serve", "--config", g.config)
	if err := awaitReady("http://" + g.address + "/readyz"); err != nil {
		g.t.Fatal(err)
	}
	return c
}

const syncAlways = `jetstream {store_dir: "js", sync_interval: always}`

// TestRoles plays a release as those play it who have a part in it, each with what its role may and nothing else.
func TestRoles(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, strings.Replace(syncAlways, "js", filepath.ToSlash(t.TempDir()), 1))

	// A daemon makes nothing, and says who does.
	until(t, "the server answers", func() bool {
		_, err := g.check("admin")
		return err == nil
	})
	if _, stderr := g.run(3, "validator", "serve"); !strings.Contains(stderr, "stream PLUMBLINE_EVENTS: it isn't there") || !strings.Contains(stderr, "plumbline bus provision") {
		t.Errorf("a daemon without streams says\n%s", stderr)
	}
	if made, _ := g.run(0, "admin", "bus", "provision"); strings.Count(made, " made") != 10 {
		t.Errorf("provisioned\n%s", made)
	}
	if again, _ := g.run(0, "admin", "bus", "provision"); strings.Count(again, " kept") != 10 {
		t.Errorf("provisioned again\n%s", again)
	}
	if found, err := g.check("admin"); err != nil || inState(found, bus.StateOK) != len(found) {
		t.Errorf("an admin sees %+v, %v", found, err)
	}
	daemon := g.serve()

	// Release tooling says what runs, and hears from the gate what came of it.
	g.green.deploy("2", "well")
	if said, _ := g.run(0, "release", "release", "plum", "green", "--version", "2", "--wait"); !strings.Contains(said, "OPEN  plum green 2") {
		t.Errorf("the release ends as\n%s", said)
	}
	// A switch controller asks, moves traffic, and says so.
	g.run(0, "switch", "gate", "plum", "green", "--version", "2")
	g.run(0, "switch", "switched", "plum", "--to", "green")
	until(t, "green is live", func() bool {
		said, _ := g.run(0, "switch", "gate", "plum", "green", "--format", "json")
		var document plumbline.Gate
		if err := json.Unmarshal([]byte(said), &document); err != nil {
			t.Fatal(err)
		}
		return document.Because == plumbline.BecauseAlreadyLive
	})
	// A release that is no good.
	g.blue.deploy("3", "broken")
	if said, _ := g.run(1, "release", "release", "plum", "blue", "--version", "3", "--wait"); !strings.Contains(said, "CLOSED  plum blue 3") {
		t.Errorf("the release ends as\n%s", said)
	}

	// Auditors read all of it.
	if said, _ := g.run(0, "auditor", "status"); !strings.Contains(said, "live") {
		t.Errorf("the status is\n%s", said)
	}
	runs, _ := g.run(0, "auditor", "runs", "plum", "--format", "json")
	var verdicts []plumbline.Verdict
	if err := json.Unmarshal([]byte(runs), &verdicts); err != nil || len(verdicts) < 3 {
		t.Fatalf("%d runs, %v\n%s", len(verdicts), err, runs)
	}
	g.run(0, "auditor", "show", verdicts[0].Run)

	// What a role may not ask is no fault of the daemons or of the bus.
	if _, stderr := g.run(2, "release", "status"); !strings.Contains(stderr, "this user may not read what the bus keeps: bus.credentials names another role's") {
		t.Errorf("a release's user who asks for the status is told\n%s", stderr)
	}
	for _, role := range []string{"auditor", "release"} {
		if seen, _ := g.run(0, role, "doctor"); !strings.Contains(seen, "who answers for gates can't be told: this user may not ask") || !strings.Contains(seen, " 0 wrong") {
			t.Errorf("the doctor sees with the eyes of %s\n%s", role, seen)
		}
	}

	// What isn't a role's to say isn't taken from it.
	g.run(0, "release", "switched", "plum", "--to", "blue")
	g.run(0, "switch", "release", "plum", "blue", "--version", "4")
	until(t, "both are dead letters", func() bool {
		letters, _ := g.run(0, "auditor", "deadletters", "list")
		return strings.Contains(letters, "an event of type dev.plumbline.traffic.switched.v1 doesn't belong to subject plumbline.event.plum.release") &&
			strings.Contains(letters, "an event of type dev.plumbline.release.deployed.v1 doesn't belong to subject plumbline.event.plum.switch")
	})
	// Everybody who reads may look at them, an admin alone removes one.
	g.run(0, "auditor", "deadletters", "show", "1")
	if _, stderr := g.run(2, "validator", "deadletters", "replay", "1"); !strings.Contains(stderr, "it would be a dead letter again") {
		t.Errorf("a replay of what is a dead letter for good is told\n%s", stderr)
	}
	if _, stderr := g.run(2, "validator", "deadletters", "drop", "1", "--reason", "said by the wrong one"); !strings.Contains(stderr, "this user may not remove dead letters") {
		t.Errorf("a daemon's user who drops one is told\n%s", stderr)
	}
	g.run(0, "admin", "deadletters", "drop", "1", "--reason", "said by the wrong one")
	if seen, _ := g.run(0, "validator", "doctor"); !strings.Contains(seen, " 0 wrong") {
		t.Errorf("the doctor sees\n%s", seen)
	}
	if _, stderr := g.run(2, "auditor", "release", "plum", "blue", "--version", "5"); !strings.Contains(stderr, "this user may not publish events about plum") {
		t.Errorf("an auditor who publishes is told\n%s", stderr)
	}
	if _, stderr := g.run(2, "release", "validate", "plum", "blue", "--wait"); !strings.Contains(stderr, "this user may not follow runs") {
		t.Errorf("release tooling that waits for a manual run is told\n%s", stderr)
	}

	// Nobody waits for a release that is put aside, though release tooling can't read the dead letters.
	g.run(1, "release", "release", "plum", "blue", "--version", "3", "--id", "used", "--wait")
	if said, _ := g.run(5, "release", "release", "plum", "blue", "--version", "4", "--id", "used", "--wait"); !strings.Contains(said, "event used released 3, and 4 was asked for") {
		t.Errorf("the release with a used id ends as\n%s", said)
	}
	config, err := os.ReadFile(g.config)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, g.config, strings.Replace(string(config), "  plum:", "  pear:", 1))
	if _, stderr := g.run(2, "release", "release", "pear", "green", "--version", "1", "--wait"); !strings.Contains(stderr, "pear") {
		t.Errorf("the release of a service that no daemon has ends as\n%s", stderr)
	}
	writeFile(t, g.config, string(config))

	daemon.stop(t)
	if log := daemon.output.String(); strings.Contains(log, "refused this user") || strings.Contains(log, `"ERROR"`) {
		t.Errorf("the daemon may do too little:\n%s", log)
	}
}

// check is what a role sees of the bus.
func (g *guarded) check(role string) (found []bus.Finding, err error) {
	out := &strings.Builder{}
	code := Run(g.t.Context(), []string{"bus", "check", "--format", "json", "--config", g.config}, Shell{Out: out, Err: &strings.Builder{}, Env: g.as(role)})
	if err := json.Unmarshal([]byte(out.String()), &found); err != nil {
		return nil, fmt.Errorf("exit %d: %w", code, err)
	}
	return found, nil
}
