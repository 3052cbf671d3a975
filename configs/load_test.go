package configs_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/configs"
)

func load(t *testing.T, s configs.Source) *configs.Config {
	t.Helper()
	c, _, err := configs.Load(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func shipped(environ ...string) configs.Source {
	return configs.Source{File: configs.DefaultFile, Data: configs.Default, Environ: append(environ, "PLUM_CLIENT_SECRET="+clientSecret)}
}

func TestDefaultIsTheFileAndWorks(t *testing.T) {
	onDisk, err := os.ReadFile("plumbline.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if string(onDisk) != string(configs.Default) {
		t.Error("the embedded configuration isn't configs/plumbline.yaml")
	}
	c, warnings, err := configs.Load(shipped())
	if err != nil || len(warnings) > 0 {
		t.Fatalf("got %v and warnings %v, want neither", err, warnings)
	}
	want := plumbline.Policy{New: true, Live: plumbline.Blue, LiveVersion: "2026.11.1", Retain: 72 * time.Hour, ValidFor: 30 * time.Minute}
	if diff := cmp.Diff(want, c.Policy("plum")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(plumbline.Policy{}, c.Policy("pear")); diff != "" {
		t.Errorf("an unknown service: %s", diff)
	}
	site, ok := c.Site("plum", plumbline.Green)
	if !ok || site.URL != "http://127.0.0.1:8082" || site.Color != plumbline.Green {
		t.Errorf("got site %+v", site)
	}
	if _, ok := c.Site("plum", "red"); ok {
		t.Error("there is a red site")
	}
	plum := c.Services["plum"]
	if diff := cmp.Diff([]string{"suites/plum"}, plum.Suites); diff != "" {
		t.Error(diff)
	}
	if c.Bus.Store != "data" || c.Bus.Listen != "127.0.0.1:4222" || c.Bus.Prefix != "plumbline" || !c.Bus.Embedded() {
		t.Errorf("got bus %+v", c.Bus)
	}
	if c.Limits != (configs.Limits{Concurrency: 64, PerHost: 16, Body: 2 << 20}) {
		t.Errorf("got limits %+v", c.Limits)
	}
	if got := c.Connections["plum-api"].OAuth2.ClientSecret.Reveal(); got != clientSecret {
		t.Errorf("got secret %q", got)
	}
	if diff := cmp.Diff([]string{clientSecret, clientSecret}, c.Secrets()); diff != "" {
		t.Error(diff)
	}
}

func TestPrecedenceIsFileThenEnvironmentThenOverrides(t *testing.T) {
	s := shipped("PLUMBLINE__LISTEN=127.0.0.1:1", "PLUMBLINE_BUS__STORE=from-environment", "PLUMBLINE_BUS__LISTEN=127.0.0.1:2")
	s.Overrides = map[string]any{"bus.store": "from-flag", "limits.concurrency": 3, "services.plum.suites": []string{"shipped:plum", "mine"}}
	c := load(t, s)
	got := []any{c.Listen, c.Bus.Listen, c.Bus.Store, c.Limits.Concurrency, c.Limits.PerHost, c.Services["plum"].Suites}
	want := []any{"127.0.0.1:1", "127.0.0.1:2", "from-flag", 3, 16, []string{"shipped:plum", "mine"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEnvironment(t *testing.T) {
	tests := []struct {
		name    string
		environ []string
		get     func(*configs.Config) any
		want    any
	}{
		{"nested", []string{"PLUMBLINE_SERVICES__PLUM__GATE__VALID_FOR=1h30m"},
			func(c *configs.Config) any { return c.Services["plum"].Gate.ValidFor }, 90 * time.Minute},
		{"boolean", []string{"PLUMBLINE_SERVICES__PLUM__GATE__REQUIRE_DIGEST=true"},
			func(c *configs.Config) any { return c.Policy("plum").RequireDigest }, true},
		{"underscore for a dash", []string{"PLUMBLINE_CONNECTIONS__PLUM_API__CLIENT_ID=other"},
			func(c *configs.Config) any { return c.Connections["plum-api"].OAuth2.ClientID }, "other"},
		{"underscore for a dash in a name that is made", []string{"PLUMBLINE_CONNECTIONS__OTHER_API={kind: bearer, token: {env: PLUM_CLIENT_SECRET}}"},
			func(c *configs.Config) any { return c.Connections["other-api"].Kind }, "bearer"},
		{"list", []string{"PLUMBLINE_SERVICES__PLUM__SUITES=[shipped:plum, \"a b\"]"},
			func(c *configs.Config) any { return c.Services["plum"].Suites }, []string{"shipped:plum", "a b"}},
		{"short for long", []string{"PLUMBLINE_SERVICES__PLUM__LIVE=green"},
			func(c *configs.Config) any { return c.Services["plum"].Live }, configs.Live{Color: plumbline.Green}},
		{"part of long", []string{"PLUMBLINE_SERVICES__PLUM__LIVE__COLOR=green"},
			func(c *configs.Config) any { return c.Services["plum"].Live }, configs.Live{Color: plumbline.Green, Version: "2026.11.1"}},
		{"a secret is replaced as a whole", []string{"PLUMBLINE_CONNECTIONS__PLUM_API__CLIENT_SECRET__ENV=OTHER", "OTHER=another-one"},
			func(c *configs.Config) any { return c.Connections["plum-api"].OAuth2.ClientSecret.Reveal() }, "another-one"},
		{"v6 address is no list", []string{"PLUMBLINE__LISTEN=[::1]:8080"}, func(c *configs.Config) any { return c.Listen }, "[::1]:8080"},
		{"a variable of a color", []string{"PLUMBLINE_SERVICES__PLUM__ENVIRONMENTS__BLUE__VARS__page_size=10"},
			func(c *configs.Config) any { return c.Services["plum"].Environments["blue"].Vars["page_size"] }, json.Number("10")},
		{"a URL wins over a store", []string{"PLUMBLINE_BUS__URL=nats://one:4222,nats://two:4222"},
			func(c *configs.Config) any { return c.Bus.Embedded() }, false},
		{"what Kubernetes sets is left alone", []string{"PLUMBLINE_PORT=tcp://10.0.0.1:80", "PLUMBLINE_SERVICE_HOST=10.0.0.1", "PLUMBLINE_SEED=1", "PLUMBLINES__X=1"},
			func(c *configs.Config) any { return c.Listen }, "127.0.0.1:8080"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.get(load(t, shipped(tt.environ...)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// valid is the least there can be; a test appends to it or replaces a piece.
const valid = `bus: {store: data}
services:
  plum:
    environments: {blue: {url: "http://b.test"}, green: {url: "http://g.test"}}
    suites: [s]
`

func TestLeast(t *testing.T) {
	c := load(t, configs.Source{File: "etc/p.yaml", Data: []byte(valid)})
	plum := c.Services["plum"]
	if c.Bus.Store != "etc/data" || plum.Suites[0] != "etc/s" {
		t.Errorf("got store %s and suites %s, want them below etc", c.Bus.Store, plum.Suites)
	}
	if plum.Deadline != 30*time.Minute || plum.Standby.Retain != 72*time.Hour || plum.Gate.Rollback != "warn" || c.Listen != "127.0.0.1:8080" {
		t.Errorf("got %+v without defaults", plum)
	}
	if !plum.Standby.Next(time.Now()).IsZero() {
		t.Error("a service without schedule has a slot")
	}
	if c.Policy("plum").New || c.Policy("plum").Live != "" {
		t.Error("a service is new and live without saying so")
	}
}

func TestAnEmptyListenKeepsOthersOut(t *testing.T) {
	s := shipped()
	s.Overrides = map[string]any{"bus.listen": ""}
	if c := load(t, s); c.Bus.Listen != "" {
		t.Errorf("listens on %q, want nothing", c.Bus.Listen)
	}
	if c := load(t, configs.Source{File: "p.yaml", Data: []byte(valid)}); c.Bus.Listen != configs.DefaultBusListen {
		t.Errorf("listens on %q, want the default", c.Bus.Listen)
	}
}

func TestOverridesAreNamed(t *testing.T) {
	s := shipped()
	s.Overrides = map[string]any{"listen": "8080"}
	_, _, err := configs.Load(s)
	if want := `override listen: "8080", want HOST:PORT`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestWarnings(t *testing.T) {
	yaml := valid + `    standby: {schedule: "* * * * *", retain: 0s}
    gate: {mode: observe, until: 2026-12-01}
connections: {a: {kind: basic, username: u, password: {env: X}, url: "http://far.test"}}
`
	c, warnings, err := configs.Load(configs.Source{File: "p.yaml", Data: []byte(yaml), Environ: []string{"X=hunter22"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range warnings {
		got = append(got, w.Error())
	}
	want := []string{
		"p.yaml:6:46: warning: no standby is kept: the schedule never comes",
		"p.yaml:7:18: warning: OBSERVING: until 2026-12-01T00:00:00Z the gates of plum hold nothing back",
		"p.yaml:8:70: warning: the secret travels to far.test in clear, want https",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if until := c.Policy("plum").ObserveUntil; !until.Equal(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("observes until %s", until)
	}
}

func TestDigest(t *testing.T) {
	one, again := load(t, shipped()), load(t, shipped("UNRELATED=1"))
	if one.Digest() != again.Digest() || !strings.HasPrefix(one.Digest(), "sha256:") {
		t.Errorf("got %s, then %s", one.Digest(), again.Digest())
	}
	reordered := configs.Source{File: "p.yaml", Data: []byte("log: {format: text, level: info}\n" + valid)}
	same := configs.Source{File: "p.yaml", Data: []byte("# a comment\n" + valid + "log:\n  level: info\n  format: text\n")}
	if load(t, reordered).Digest() != load(t, same).Digest() {
		t.Error("the order of keys changes the digest")
	}
	if other := load(t, shipped("PLUMBLINE_SERVICES__PLUM__DEADLINE=31m")); other.Digest() == one.Digest() {
		t.Error("another deadline has the same digest")
	}
	if rotated := load(t, configs.Source{File: configs.DefaultFile, Data: configs.Default, Environ: []string{"PLUM_CLIENT_SECRET=rotated-secret"}}); rotated.Digest() != one.Digest() {
		t.Error("a rotated secret changes the digest: it would give the secret away to a guess")
	}
}

func TestStandbyNext(t *testing.T) {
	c := load(t, configs.Source{File: "p.yaml", Data: []byte(valid + `    standby: {schedule: "30 2 * * *", time_zone: Asia/Kolkata}` + "\n")})
	after := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	if got, want := c.Services["plum"].Standby.Next(after), time.Date(2026, 11, 23, 21, 0, 0, 0, time.UTC); !got.Equal(want) || got.Location() != time.UTC {
		t.Errorf("got %s, want %s", got, want)
	}
	seconds := load(t, shipped("PLUMBLINE_SERVICES__PLUM__STANDBY__SCHEDULE=*/5 * * * * *"))
	if got := seconds.Services["plum"].Standby.Next(after.Add(time.Second)); !got.Equal(after.Add(5 * time.Second)) {
		t.Errorf("got %s, want five seconds past", got)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(string(configs.Default), "PLUMBLINE_BUS__URL", "nats://x")
	f.Add(valid, "PLUMBLINE__TOKENS", "[{name: a, roles: [gate], token: {env: X}}]")
	f.Add(valid+"secrets: {a: {env: X, hosts: [h]}}", "PLUMBLINE_SERVICES__PLUM__LIVE__COLOR", "blue")
	f.Fuzz(func(t *testing.T, data, name, value string) {
		c, _, err := configs.Load(configs.Source{File: "p.yaml", Data: []byte(data), Environ: []string{name + "=" + value, "X=hunter22hunter22"},
			ReadFile: func(string) ([]byte, error) { return nil, os.ErrNotExist }, Stat: func(string) (os.FileInfo, error) { return nil, os.ErrNotExist }})
		if (c == nil) == (err == nil) {
			t.Fatalf("got %v and %v, want one of them", c, err)
		}
		if err == nil && len(c.Services) == 0 {
			t.Error("a configuration without services")
		}
	})
}
