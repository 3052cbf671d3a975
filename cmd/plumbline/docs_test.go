package main

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/daemon"
	"github.com/plumbline-dev/plumbline/internal/redact"
	"github.com/plumbline-dev/plumbline/suites"
)

// A block is a fenced piece of a document.
type block struct {
	file, info, text string
}

var fence = regexp.MustCompile("(?ms)^```([a-z ]*)\n(.*?)^```$")

// blocks are those of README and docs, README first.
func blocks(t *testing.T) []block {
	t.Helper()
	files, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	for _, file := range append([]string{"README.md"}, files...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
			all = append(all, block{filepath.Base(file), m[1], m[2]})
		}
	}
	return all
}

// TestDocs holds every example of README and docs against the program: suites are asked of a sandbox, or of an environment
// that has more; events are decoded, commands are run, and what controllers are told to ask is asked.
func TestDocs(t *testing.T) {
	t.Chdir("../..")
	out := &bytes.Buffer{}
	a := &app{Shell: Shell{Out: out, Err: io.Discard}}
	s, err := a.setStage(t.Context(), 0, true, quietRate)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	}()
	d := &docs{stage: s, config: commandConfig(t, s), kinds: map[string]string{}}
	for _, b := range blocks(t) {
		if b.info == "yaml config" {
			t.Run(b.file+" config", func(t *testing.T) { d.settings(t, b) })
		}
	}
	for _, b := range blocks(t) {
		switch b.info {
		case "yaml suite":
			t.Run(b.file+" suite", func(t *testing.T) { d.suite(t, b) })
		case "yaml elsewhere":
			t.Run(b.file+" elsewhere", func(t *testing.T) {
				d.load(t, b)
				newElsewhere(t, s.sandbox.GreenURL).run(t, b.text, s.secret)
			})
		case "yaml load":
			t.Run(b.file+" load", func(t *testing.T) { d.load(t, b) })
		case "yaml":
			t.Run(b.file+" controller", func(t *testing.T) { d.controller(t, b) })
		case "json event":
			t.Run(b.file+" event", func(t *testing.T) { d.event(t, b) })
		case "console":
			for line := range strings.Lines(b.text) {
				if command, is := strings.CutPrefix(strings.TrimSpace(line), "$ "); is {
					t.Run(b.file+" "+command, func(t *testing.T) { d.command(t, command) })
				}
			}
		}
	}
	complete(t)
	for _, kind := range configs.ConnectionKinds() {
		if !slices.Contains(slices.Collect(maps.Values(d.kinds)), kind) {
			t.Errorf("no example of a connection of kind %s", kind)
		}
	}
	if d.suites < 5 || d.events < 4 || d.commands < 10 {
		t.Errorf("%d suites, %d events, %d commands: the documents have more", d.suites, d.events, d.commands)
	}
}

type docs struct {
	*stage
	config                   string
	suites, events, commands int
	kinds                    map[string]string // of the connections that the documents have, by name
}

// commandConfig is a configuration that brings commands to the stage's bus.
func commandConfig(t *testing.T, s *stage) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "plumbline.yaml")
	text := strings.NewReplacer("../suites/plum", "shipped:plum", "http://127.0.0.1:8081", s.sandbox.BlueURL, "http://127.0.0.1:8082", s.sandbox.GreenURL,
		"127.0.0.1:8081", hostOf(s.sandbox.BlueURL), "127.0.0.1:8082", hostOf(s.sandbox.GreenURL),
		"http://127.0.0.1:8093", s.sandbox.ProvidersURL, "../data/accounts", s.accounts,
		"store: ../data", "url: "+s.daemon.BusURL(), "  listen: 127.0.0.1:4222\n", "").Replace(string(configs.Default))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// suite is asked of the sandbox.
func (d *docs) suite(t *testing.T, b block) {
	file := d.load(t, b)
	d.run(t, 0, "run", file, "--environment", "plum/green", "--version", d.sandbox.Green.Condition().Release.Version)
}

// load reads a suite that asks what the sandbox hasn't, with the connections that the documents have.
func (d *docs) load(t *testing.T, b block) string {
	d.suites++
	file := filepath.Join(t.TempDir(), "suite.yaml")
	if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
		t.Fatal(err)
	}
	options := daemon.SuiteOptions(d.daemon.Config(), redact.New().String)
	known := options.KindOf
	options.Connections = slices.AppendSeq(options.Connections, maps.Keys(d.kinds))
	options.KindOf = func(name string) string { return cmp.Or(known(name), d.kinds[name]) }
	if _, err := suites.Load([]string{file}, options); err != nil {
		t.Fatal(err)
	}
	return file
}

// settings loads a configuration, or the part of one that isn't about a bus or services.
func (d *docs) settings(t *testing.T, b block) {
	text := b.text
	if !strings.HasPrefix(text, "bus:") {
		text = "bus: {store: data}\n" + text
	}
	if !strings.Contains(text, "\nservices:") {
		text += "services: {plum: {environments: {blue: {url: 'http://b.test'}, green: {url: 'http://g.test'}}, suites: [s]}}\n"
	}
	config, warnings, err := configs.Load(configs.Source{File: b.file, Data: []byte(text), WithoutSecrets: true})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v %v\n%s", err, warnings, text)
	}
	for name, connection := range config.Connections {
		d.kinds[name] = connection.Kind
	}
}

func (d *docs) event(t *testing.T, b block) {
	d.events++
	e, err := bus.Decode("plumbline", bus.Message{Subject: "plumbline.event.plum", Data: []byte(b.text), Sequence: 1})
	if err != nil || e.Service != "plum" {
		t.Errorf("%+v, %v", e, err)
	}
}

// command runs a line of a console as it stands, against the stage. Those that would not end, or that run everything
// again, are held against the program's flags.
func (d *docs) command(t *testing.T, line string) {
	d.commands++
	words := strings.Fields(strings.ReplaceAll(line, "'", ""))
	switch {
	case line == "go test ./...":
		return
	case words[0] == "curl":
		d.curl(t, words[1])
	case strings.HasPrefix(line, "go run ./cmd/plumbline "):
		d.known(t, words[3:])
	case words[0] != "plumbline":
		t.Errorf("what is %q?", words[0])
	case words[1] == "init", slices.Contains(words, "--watch"):
		d.known(t, words[1:]) // writes here, or doesn't end
	case words[1] == "serve", words[1] == "doctor", words[1] == "adopt", words[1] == "deadletters" && words[2] != "list", words[1] == "bus":
		d.known(t, words[1:]) // about something that isn't on the stage
	case words[1] == "switched":
		d.known(t, words[1:]) // the stage's switch alone says so
	default:
		d.deploy(words)
		d.run(t, 0, words[1:]...)
	}
}

// deploy brings the version of a command onto the color that it names.
func (d *docs) deploy(words []string) {
	for i, w := range words {
		if w == "--version" && (words[1] == "release" || words[1] == "run") {
			release := d.sandbox.Green.Condition().Release
			release.Version = words[i+1]
			if err := d.sandbox.Green.Deploy(release, d.sandbox.Green.Condition().Faults); err != nil {
				panic(err)
			}
		}
	}
}

func (d *docs) run(t *testing.T, want int, args ...string) {
	t.Helper()
	var out, errors bytes.Buffer
	args = append(args, "--config", d.config)
	if args[0] == "lint" {
		args = args[:len(args)-2]
	}
	code := Run(t.Context(), args, Shell{Out: &out, Err: &errors, Env: []string{"PLUM_CLIENT_SECRET=" + d.secret, "NO_COLOR=1"}})
	if code != want {
		t.Errorf("plumbline %s: exit %d, want %d\n%s%s", strings.Join(args, " "), code, want, out.String(), errors.String())
	}
}

// known says whether the program has the command and its flags.
func (d *docs) known(t *testing.T, words []string) {
	t.Helper()
	cmd, rest, err := (&app{}).root().Find(words)
	if err != nil || cmd.Parent() == nil {
		t.Fatalf("no such command: %v", words)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Error(err)
	}
}

var gateAddress = regexp.MustCompile(`https://plumbline\.internal(/v1/[^"\s]*)`)

// controller asks what the settings of a controller would ask.
func (d *docs) controller(t *testing.T, b block) {
	var settings any
	if err := yaml.Unmarshal([]byte(b.text), &settings); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, m := range gateAddress.FindAllStringSubmatch(b.text, -1) {
		address := strings.ReplaceAll(m[1], "{{args.version}}", "2026.11.3")
		asked++
		if !strings.HasSuffix(address, "/confirm") && !strings.HasSuffix(address, "/rollback") {
			d.curl(t, address)
			continue
		}
		hook := `{"name":"plum","namespace":"plum","phase":"Progressing","metadata":{"version":"2026.11.3","token":"…"}}`
		answer, err := http.Post("http://"+d.daemon.Address()+address, "application/json", strings.NewReader(hook))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", address, answer.Status)
		}
	}
	if asked == 0 {
		t.Error("the settings ask no gate")
	}
}

func (d *docs) curl(t *testing.T, address string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Scheme, u.Host = "http", d.daemon.Address()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, u.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", address, answer.Status)
	}
}
