package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// ticking is a clock that goes on by a second whenever it is read: nobody asks too often by chance.
func ticking() func() time.Time {
	var mu sync.Mutex
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
}

// A wayIn is one of the ways to ask a simulated provider, the class that each of its failures comes to, and nothing for
// those that it doesn't meet.
type wayIn struct {
	check   string
	connect func(origin string, color plumbline.Color) checks.Connection
	meets   map[string]plumbline.Class
}

func secretly(s string) func() string { return func() string { return s } }

// asking holds a kind against a simulator: with every failure of green's account, while blue's is well.
func asking(t *testing.T, s simulator, ways map[string]wayIn) {
	t.Helper()
	server := httptest.NewServer((simulators{"it": s}).handler())
	t.Cleanup(server.Close)
	met := map[string]bool{}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			transport := checks.NewTransport(4)
			t.Cleanup(transport.CloseIdleConnections)
			for _, fault := range append([]string{""}, s.faults()...) {
				met[fault] = met[fault] || way.meets[fault] != ""
				if err := s.set(plumbline.Green, fault); err != nil {
					t.Fatal(err)
				}
				for _, color := range plumbline.Colors() {
					want := way.meets[fault]
					if color == plumbline.Blue {
						want = ""
					}
					connection := way.connect(server.URL, color) // a new one: no token is kept
					connection.Name, connection.Origins = "it", []string{server.URL}
					answer, err := ask(t, checks.Clients{Transport: transport, Connections: checks.NewConnections([]checks.Connection{connection}, transport, nil)}, way.check, color)
					if answer.Class != want || (err == nil) != (want == "") || err != nil && !errors.Is(err, plumbline.ErrFailed) {
						t.Errorf("%s meets %q as %q, want %q: %v", color, fault, answer.Class, want, err)
					}
					if want == plumbline.ClassThrottled && answer.RetryAfter <= 0 {
						t.Errorf("%s isn't told when to come again", color)
					}
				}
			}
		})
	}
	for _, fault := range s.faults() {
		if !met[fault] {
			t.Errorf("no way meets %s", fault)
		}
	}
}

// ask asks a check of one color.
func ask(t *testing.T, clients checks.Clients, text string, color plumbline.Color) (plumbline.Answer, error) {
	t.Helper()
	n, err := strictyaml.Parse("check", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	kinds := checks.Kinds(clients)
	d, problems := checks.Split("check", n, kinds, nil)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	d.Names = checks.Names{Connections: []string{"it"}}
	compiled, problems := kinds[d.Key].Compile(d)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return compiled.Probe(ctx, plumbline.Ask{Run: "run1", Site: plumbline.Site{Service: "plum", Color: color, URL: "http://127.0.0.1:1"}})
}

func TestDarwinboxKindAndSimulator(t *testing.T) {
	d := newDarwinbox(ticking(), rand.Reader)
	provider := func(a DarwinboxAccount) *checks.Darwinbox {
		return &checks.Darwinbox{APIKey: secretly(a.APIKey), DatasetKey: secretly(a.DatasetKey), Employee: a.Employee, Messages: map[string]plumbline.Class{"dataset is locked": plumbline.ClassMisconfig}}
	}
	meets := map[string]plumbline.Class{darwinboxRejected: plumbline.ClassCredential, darwinboxPassword: plumbline.ClassCredential, darwinboxForbidden: plumbline.ClassCredential,
		darwinboxNoRows: plumbline.ClassEmptyData, darwinboxOthers: plumbline.ClassEmptyData, darwinboxThrottled: plumbline.ClassThrottled, darwinboxPage: plumbline.ClassMaintenance,
		providerOutage: plumbline.ClassOutage}
	asking(t, d, map[string]wayIn{
		"password": {check: "{darwinbox: it, expect: {$.rows: 1}}", meets: meets, connect: func(_ string, color plumbline.Color) checks.Connection {
			a := d.account(color)
			return checks.Connection{Kind: checks.KindDarwinbox, Username: a.Username, Secret: secretly(a.Password), Provider: provider(a)}
		}},
		"token": {check: "{darwinbox: it, expect: {$.rows: 1}}", meets: meets, connect: func(_ string, color plumbline.Color) checks.Connection {
			a, p := d.account(color), provider(d.account(color))
			p.Code = secretly(a.Code)
			return checks.Connection{Kind: checks.KindDarwinbox, ClientID: a.Username, Secret: secretly(a.ClientSecret), TokenURL: checks.DarwinboxTokenPath, Provider: p}
		}},
	})
	if d.harmed != 0 {
		t.Errorf("it was asked %d times to do more than read", d.harmed)
	}
}

func TestTeamsKindAndSimulator(t *testing.T) {
	s := newTeams(ticking(), rand.Reader)
	flow := func(origin string, color plumbline.Color) checks.Connection {
		address := secretly(origin + s.account(color).Workflow)
		return checks.Connection{Kind: checks.KindTeams, Secret: address, Provider: &checks.Teams{Workflow: address, Origin: origin}}
	}
	flowMeets := map[string]plumbline.Class{teamsFlowOff: plumbline.ClassMisconfig, teamsFlowGone: plumbline.ClassMisconfig, teamsFlowTenant: plumbline.ClassMisconfig,
		providerOutage: plumbline.ClassOutage}
	cardMeets := map[string]plumbline.Class{teamsThrottled: plumbline.ClassThrottled, teamsOtherCard: plumbline.ClassProtocol}
	for fault, class := range flowMeets {
		cardMeets[fault] = class
	}
	asking(t, s, map[string]wayIn{
		"Graph": {check: "{teams: {connection: it, roles: [Team.ReadBasic.All]}, expect: {$.team: Recognition}}", connect: func(origin string, color plumbline.Color) checks.Connection {
			a := s.account(color)
			return checks.Connection{Kind: checks.KindTeams, ClientID: a.ClientID, Secret: secretly(a.ClientSecret), TokenURL: origin + "/" + a.Tenant + "/oauth2/v2.0/token",
				Scopes: []string{"https://graph.microsoft.com/.default"}, Provider: &checks.Teams{Graph: origin, Tenant: a.Tenant, Team: a.Team}}
		}, meets: map[string]plumbline.Class{teamsWrongSecret: plumbline.ClassCredential, teamsExpiredSecret: plumbline.ClassCredential, teamsNoApp: plumbline.ClassMisconfig,
			teamsNoTenant: plumbline.ClassMisconfig, teamsBadTenant: plumbline.ClassMisconfig, teamsNoRole: plumbline.ClassPermission, teamsForbidden: plumbline.ClassPermission,
			teamsInvalidToken: plumbline.ClassCredential, teamsThrottled: plumbline.ClassThrottled, providerOutage: plumbline.ClassOutage}},
		"a workflow without its signature": {check: "teams: it", connect: flow, meets: flowMeets},
		"a workflow with a card":           {check: "teams: {connection: it, mode: canary}", connect: flow, meets: cardMeets},
	})
	if len(s.posted) == 0 || slices.ContainsFunc(s.posted, func(text string) bool { return !strings.Contains(text, "run run1") }) {
		t.Errorf("posted %q", s.posted)
	}
}

func TestSlackKindAndSimulator(t *testing.T) {
	s := newSlack(ticking(), rand.Reader)
	credential, permission, misconfig := plumbline.ClassCredential, plumbline.ClassPermission, plumbline.ClassMisconfig
	asking(t, s, map[string]wayIn{
		"a bot": {check: "slack: {connection: it, scopes: [chat:write, channels:read], channel: " + slackChannel + ", data: conversations.list, mode: canary}",
			connect: func(origin string, color plumbline.Color) checks.Connection {
				a := s.account(color)
				return checks.Connection{Kind: checks.KindSlack, Secret: secretly(a.Token), Provider: &checks.Slack{Team: a.Team, Status: origin}}
			}, meets: map[string]plumbline.Class{"not_authed": credential, "invalid_auth": credential, "account_inactive": credential, "token_revoked": credential,
				"token_expired": credential, "missing_scope": permission, "no_permission": permission, "ekm_access_denied": permission, "accesslimited": misconfig,
				"team_added_to_org": misconfig, "channel_not_found": misconfig, "is_archived": misconfig, "internal_error": plumbline.ClassOutage, "fatal_error": plumbline.ClassOutage,
				slackAnotherTeam: misconfig, slackNotMember: misconfig, slackNoRows: plumbline.ClassEmptyData, slackThrottled: plumbline.ClassThrottled, slackOutage: plumbline.ClassOutage}},
		"a webhook": {check: "slack: it", connect: func(origin string, color plumbline.Color) checks.Connection {
			address := secretly(origin + s.account(color).Webhook)
			return checks.Connection{Kind: checks.KindSlack, Secret: address, Provider: &checks.Slack{Webhook: address}}
		}, meets: map[string]plumbline.Class{"token_revoked": credential, "channel_not_found": misconfig, "is_archived": misconfig, slackThrottled: plumbline.ClassThrottled,
			slackOutage: plumbline.ClassOutage}},
	})
	if len(s.posted) != 0 {
		t.Errorf("canaries stay: %q", s.posted)
	}
}
