package sandbox

import (
	"crypto/rand"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// The ways in which checks ask Workday, by their connections.
const (
	byRefresh = iota // REST
	byKey            // REST
	byUser           // web services
	byReport         // as the user
	byPlum           // as the environment asks
	ways
)

// workdayClasses are what each failure is called by who asks in each way, nothing where it is none.
var workdayClasses = map[string][ways]plumbline.Class{
	workdayCredential:    everyWay(plumbline.ClassCredential),
	workdayInvalidGrant:  {plumbline.ClassCredential, plumbline.ClassCredential, "", "", plumbline.ClassCredential},
	workdayInvalidClient: {plumbline.ClassCredential, plumbline.ClassCredential, "", "", plumbline.ClassCredential},
	workdayTokenEnded:    {},
	workdayBadPassword:   {"", "", plumbline.ClassCredential, plumbline.ClassCredential, ""},
	workdayNotAllowed:    everyWay(plumbline.ClassPermission),
	workdayNoRows:        everyWay(plumbline.ClassEmptyData),
	workdayNoTenant:      everyWay(plumbline.ClassMisconfig),
	workdayNoVersion:     {"", "", plumbline.ClassMisconfig, "", ""},
	workdayThrottled:     everyWay(plumbline.ClassThrottled),
	workdayMaintenance:   everyWay(plumbline.ClassMaintenance),
	workdaySentAway:      everyWay(plumbline.ClassMaintenance),
	providerOutage:       everyWay(plumbline.ClassOutage),
	workdayBroken:        everyWay(plumbline.ClassOutage),
	workdayHalf:          everyWay(plumbline.ClassProtocol),
	workdaySkew:          {},
}

func everyWay(class plumbline.Class) (all [ways]plumbline.Class) {
	for way := range all {
		all[way] = class
	}
	return all
}

var workdayAsks = [...]string{
	byRefresh: "workday: {connection: client, resources: [workers, staffing/v6/jobs]}",
	byKey:     "workday: signs",
	byUser:    "workday: user",
	byReport:  "workday: {connection: user, report: {owner: $(vars.owner), name: Plum_Employees}}",
}

// workdayConnections are both colors' accounts.
func workdayConnections(t *testing.T, s *workdaySim, origin string) []checks.Connection {
	t.Helper()
	var list []checks.Connection
	for _, color := range plumbline.Colors() {
		a := s.account(color)
		file := filepath.Join(t.TempDir(), "refresh")
		if err := os.WriteFile(file, []byte(a.RefreshToken), 0o600); err != nil {
			t.Fatal(err)
		}
		base := checks.Connection{Color: color, Service: "plum", Kind: checks.KindWorkday, Origins: []string{origin}, TokenURL: "/ccx/oauth2/acme/token"}
		client, signs, user := base, base, base
		client.Name, client.Grant, client.ClientID, client.Secret = "client", checks.RefreshToken, a.ClientID, func() string { return a.ClientSecret }
		client.Refresh = &checks.RefreshGrant{File: file}
		client.Provider = &checks.Workday{Tenant: a.Tenant, Version: "v44.2"}
		name, _, _ := strings.Cut(a.User, "@")
		signs.Name, signs.Grant, signs.ClientID, signs.Provider = "signs", checks.JWTBearer, a.SigningID, client.Provider
		signs.Assertion = &checks.Assertion{Key: func() string { return a.Key }, Issuer: a.SigningID, Subject: name, Audience: "wd"}
		user.Name, user.Provider = "user", &checks.Workday{Tenant: a.Tenant, Version: "v44.2", User: a.User, Password: func() string { return a.Password }}
		list = append(list, client, signs, user)
	}
	return list
}

// TestWorkdayKindAndSimulator asks the simulator as suites do, and as Plum does, under every failure.
func TestWorkdayKindAndSimulator(t *testing.T) {
	began, seconds := time.Now(), atomic.Int64{}
	now := func() time.Time { return began.Add(time.Duration(seconds.Load()) * time.Second) }
	s := newWorkday(func() time.Time { seconds.Add(1); return now() }, rand.Reader) // so that nobody asks too often
	server := httptest.NewServer((simulators{"workday": s}).handler())
	t.Cleanup(server.Close)
	transport := checks.NewTransport(4)
	t.Cleanup(transport.CloseIdleConnections)
	connections := checks.NewConnections(workdayConnections(t, s, server.URL), transport, nil)
	t.Cleanup(connections.Close)
	kinds := checks.Kinds(checks.Clients{Transport: transport, Connections: connections, Now: now})
	var probers [byPlum]plumbline.Prober
	for way, text := range workdayAsks {
		n, err := strictyaml.Parse("check", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		d, problems := checks.Split("check", n, kinds, nil)
		d.Names = checks.Names{Vars: map[string]any{"owner": ""}}
		compiled, more := kinds[d.Key].Compile(d)
		if err := append(problems, more...).Err(); err != nil {
			t.Fatal(err)
		}
		probers[way] = compiled.Prober
	}
	ask := func(way int, color plumbline.Color) (plumbline.Answer, error) {
		if way == byPlum {
			found := s.ask(conversation{ctx: t.Context(), client: server.Client(), base: server.URL}, color, "")
			return plumbline.Answer{Class: found.class}, nil
		}
		site := plumbline.Site{Service: "plum", Color: color, URL: "http://127.0.0.1:1", Vars: map[string]any{"owner": s.account(color).Owner}}
		return probers[way].Probe(t.Context(), plumbline.Ask{Site: site, Run: "r"})
	}
	server.Client().CheckRedirect = newClient(nil, 0).CheckRedirect
	if len(workdayClasses) != len(s.faults()) {
		t.Errorf("%d failures, want %d", len(s.faults()), len(workdayClasses))
	}
	for _, fault := range append(s.faults(), "") {
		if err := (simulators{"workday": s}).set("workday", plumbline.Green, fault); err != nil {
			t.Fatal(err)
		}
		for way, want := range workdayClasses[fault] {
			answer, err := ask(way, plumbline.Green)
			if answer.Class != want || way != byPlum && (err == nil) != (want == "") {
				t.Errorf("%s, way %d: class %q, want %q: %v", fault, way, answer.Class, want, err)
			}
			if warned := len(answer.Warnings) > 0; warned != (fault == workdaySkew && way == byUser) {
				t.Errorf("%s, way %d: warnings %q", fault, way, answer.Warnings)
			}
			if answer, err := ask(way, plumbline.Blue); answer.Class != "" || err != nil {
				t.Errorf("%s, way %d: blue has it as well: %q %v", fault, way, answer.Class, err)
			}
		}
	}
	if err := (simulators{"workday": s}).set("workday", "", "outages"); err == nil || !strings.Contains(err.Error(), `did you mean "outage"?`) {
		t.Errorf("got %v", err)
	}
}

func TestPlumAsksWorkdayWithWhatItHas(t *testing.T) {
	s := newWorkday(time.Now, rand.Reader)
	server := httptest.NewServer((simulators{"workday": s}).handler())
	t.Cleanup(server.Close)
	c := conversation{ctx: t.Context(), client: server.Client(), base: server.URL}
	before := s.account(plumbline.Green).RefreshToken
	for range 3 {
		if found := s.ask(c, plumbline.Green, ""); found.class != "" || found.proof["rows"] != workdayWorkers || found.proof["report"] != workdayReportName {
			t.Errorf("found %q %v", found.class, found.proof)
		}
	}
	if len(s.tokens) != 1 || s.account(plumbline.Green).RefreshToken != before {
		t.Errorf("%d access tokens; Plum used another's refresh token: %v", len(s.tokens), s.account(plumbline.Green).RefreshToken != before)
	}
	if found := s.ask(c, plumbline.Green, "sandbox-old"); found.class != plumbline.ClassCredential {
		t.Errorf("with another credential Plum finds %q", found.class)
	}
	server.Close()
	if found := s.ask(c, plumbline.Blue, ""); found.class != plumbline.ClassOutage {
		t.Errorf("of nobody Plum finds %q", found.class)
	}
}
