package checks

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// KindTeams is the kind of connections and checks of Microsoft Teams.
const KindTeams = "teams"

// A Teams is an app that asks Graph, whose client secret is the connection's secret, or the URL of a workflow that posts.
type Teams struct {
	Workflow func() string // the whole URL is a secret; nil: Graph is asked
	Origin   string        // where workflows are, if that isn't Microsoft's: of a proxy or a simulator
	Graph    string        // origin of Graph
	Tenant   string
	Team     string // id of the team that is asked for; "" asks for none
}

// credential is a token for Graph; a workflow's URL is all that it needs.
func (t *Teams) credential(ctx context.Context, c *Connections, a *account, site plumbline.Site) (credential, error) {
	if t.Workflow != nil {
		return credential{}, nil
	}
	return oauth2Credential(ctx, c, a, site)
}

func (t *Teams) address() string {
	if t.Workflow == nil {
		return ""
	}
	return t.Workflow()
}

type teamsParameters struct {
	Connection *yaml.Node `yaml:"connection"`
	Roles      *yaml.Node `yaml:"roles"`
	Team       *yaml.Node `yaml:"team"`
	Mode       *yaml.Node `yaml:"mode"`
}

// The modes of asking a workflow.
const (
	teamsReach  = "reach"  // the shape of the URL, and that somebody is there
	teamsAuth   = "auth"   // that the workflow is one, by its refusal without a signature
	teamsCanary = "canary" // posts a card to a flow that was made for it
)

// A teamsQuestion is what a check wants to know.
type teamsQuestion struct {
	roles []string
	team  *template
	mode  string // of asking a workflow; "" is teamsAuth
}

// teams is the kind of an app or a workflow: {teams: acme-teams}, or {teams: {connection: acme-teams, roles: [Team.ReadBasic.All]}}.
func (e *engine) teams() Kind {
	return Kind{Compile: func(d Definition) (Compiled, strictyaml.Problems) {
		r := d.reader(providerPlaces...)
		var p teamsParameters
		r.main(d.Value, &p, &p.Connection)
		w := &teamsQuestion{roles: r.wordList(p.Roles, "roles")}
		if p.Mode != nil {
			w.mode = r.oneOf(p.Mode, "mode", []string{teamsAuth, teamsCanary, teamsReach})
		}
		if p.Team != nil {
			team := r.words(p.Team)
			w.team = &team
		}
		effect := plumbline.EffectNone
		if w.mode == teamsCanary {
			effect = plumbline.EffectLasting
		}
		return e.provider(r, d, p.Connection, effect, w.inquire)
	}}
}

func (w *teamsQuestion) inquire(ctx context.Context, q *inquiry) error {
	t := q.account.Provider.(*Teams)
	switch {
	case t.Workflow != nil && (len(w.roles) > 0 || w.team != nil):
		return troublef(plumbline.ClassMisconfig, "the connection is a workflow, which knows of no roles or team: name one with an app")
	case t.Workflow != nil:
		return w.workflow(ctx, q, t)
	case w.mode != "":
		return troublef(plumbline.ClassMisconfig, "the connection is an app, which has no mode: name one with a workflow")
	}
	return w.graph(ctx, q, t)
}

// graph reads the roles out of the token, which costs nothing, and asks for a team.
func (w *teamsQuestion) graph(ctx context.Context, q *inquiry, t *Teams) error {
	has, err := q.engine.clients.Connections.token(ctx, q.account, q.scene.ask.Site)
	var refused refusal
	switch {
	case errors.As(err, &refused):
		q.reached(plumbline.TierReach)
		return q.refused(refused)
	case err != nil:
		return err
	}
	q.scene.hidden = append(q.scene.hidden, has.hidden...)
	q.reached(plumbline.TierCredential)
	roles := rolesOf(has.token.AccessToken)
	q.proof["roles"] = roles
	var missing []string
	for _, role := range w.roles {
		if !slices.Contains(roles, role) {
			missing = append(missing, role)
		}
	}
	if len(missing) > 0 {
		return troublef(plumbline.ClassPermission, "the token lacks the role %s: grant it to the app registration, with the consent of an administrator", strings.Join(missing, ", "))
	}
	if len(w.roles) > 0 {
		q.reached(plumbline.TierPermission)
	}
	team := t.Team
	if w.team != nil {
		if team, err = w.team.text(q.scene); err != nil {
			return err
		}
	}
	if team == "" {
		return nil
	}
	return teamsTeam(ctx, q, t, team)
}

// turnedAway reads the error codes of Entra, the first of which counts.
func (t *Teams) turnedAway(q *inquiry, x *exchange) error {
	var answer struct {
		Error string        `json:"error"`
		Codes []json.Number `json:"error_codes"`
	}
	if err := q.machine(x, "the token endpoint"); err != nil {
		return err
	}
	_ = json.Unmarshal(x.body, &answer) // what isn't JSON has no codes
	for _, code := range answer.Codes {
		if r, known := rule(entraCatalogue, 0, code.String(), ""); known {
			return q.troubled(r, x, "the token endpoint answered %d with AADSTS%s", x.status, code)
		}
	}
	if class := classOfStatus(x.status); class != plumbline.ClassProtocol && x.status != http.StatusUnauthorized {
		return q.amiss(x, "the token endpoint")
	}
	if x.status == http.StatusOK {
		return troublef(plumbline.ClassProtocol, "the token endpoint answered without a token")
	}
	return troublef(plumbline.ClassCredential, "the token endpoint answered %d %s: compare tenant, client id and secret with the app registration", x.status, q.quote(answer.Error, 100))
}

// rolesOf reads the roles that a token says that it has. Graph decides by the token; this only looks.
func rolesOf(token string) []string {
	var claims struct {
		Roles []string `json:"roles"`
		jwt.RegisteredClaims
	}
	if _, _, err := jwt.NewParser().ParseUnverified(token, &claims); err != nil || claims.Roles == nil {
		return []string{}
	}
	return claims.Roles
}

// wantedRoles finds which roles Graph misses.
var wantedRoles = regexp.MustCompile(`API requires one of '([A-Za-z0-9., ]{1,200})'`)

func wantedRole(message string) string {
	if m := wantedRoles.FindStringSubmatch(message); m != nil {
		return ", which wants one of the roles " + m[1]
	}
	return ""
}

func teamsTeam(ctx context.Context, q *inquiry, t *Teams, team string) error {
	x, err := q.ask(ctx, demand{method: http.MethodGet, path: t.Graph + "/v1.0/teams/" + url.PathEscape(team), query: url.Values{"$select": {"id,displayName"}}})
	if err != nil {
		return err
	}
	if err := q.machine(x, "Graph"); err != nil {
		return err
	}
	var answer struct {
		ID    string `json:"id"`
		Name  string `json:"displayName"`
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(x.body, &answer) != nil && x.status == http.StatusOK {
		return troublef(plumbline.ClassProtocol, "Graph answered something that is no JSON")
	}
	switch r, known := rule(graphCatalogue, x.status, answer.Error.Code, answer.Error.Message); {
	case known:
		return q.troubled(r, x, "Graph answered %d %s%s", x.status, q.quote(answer.Error.Code, 100), wantedRole(answer.Error.Message))
	case x.status != http.StatusOK:
		return q.amiss(x, "Graph")
	case answer.ID == "":
		return troublef(plumbline.ClassEmptyData, "Graph answered without the team")
	}
	q.proof["team"] = answer.Name
	q.reached(plumbline.TierData)
	return nil
}
