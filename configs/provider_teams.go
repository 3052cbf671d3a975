package configs

import (
	"cmp"
	"slices"
	"strings"
)

// KindTeams is the kind of an app that asks Graph, or of a workflow that posts.
const KindTeams = "teams"

// A Teams account is an app registration, or the URL of a workflow, which is a secret as a whole.
type Teams struct {
	Workflow     Secret `yaml:"workflow"`
	Tenant       string `yaml:"tenant"`
	ClientID     string `yaml:"client_id"`
	ClientSecret Secret `yaml:"client_secret"`
	Team         string `yaml:"team"`  // id of the team that checks ask for
	URL          string `yaml:"url"`   // where all of it answers, if that isn't Microsoft: a proxy or a simulator
	Login        string `yaml:"login"` // origin of the token endpoint; default https://login.microsoftonline.com
}

const (
	graphOrigin = "https://graph.microsoft.com"
	entraOrigin = "https://login.microsoftonline.com"
)

// Origin is Graph's.
func (t *Teams) Origin() string { return t.URL }

// others is where its tokens come from.
func (t *Teams) others() []string { return []string{t.Login} }

// TokenURL is where the app gets its tokens.
func (t *Teams) TokenURL() string {
	return strings.TrimRight(t.Login, "/") + "/" + t.Tenant + "/oauth2/v2.0/token"
}

func (t *Teams) secrets() []*Secret { return []*Secret{&t.Workflow, &t.ClientSecret} }

func (t *Teams) settle(*loader, []string) {
	if !t.Workflow.IsZero() {
		return
	}
	if t.Login == "" {
		t.Login = cmp.Or(t.URL, entraOrigin)
	}
	t.URL = cmp.Or(t.URL, graphOrigin)
}

// limit is ours: Graph's own for teams is 30 a second for an app in a tenant (learn.microsoft.com: Microsoft Graph
// service-specific throttling limits), which others use, too.
func (t *Teams) limit() Rate { return Rate{PerSecond: 10, Burst: 10} }

func (t *Teams) validate(l *loader, path []string) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	app := t.Tenant != "" || t.ClientID != "" || !t.ClientSecret.IsZero() || t.Team != "" || !t.Workflow.IsZero() && t.Login != ""
	switch {
	case !t.Workflow.IsZero() && app:
		l.problem(l.at(at("workflow")...), "both a workflow and an app, want one of them")
	case t.Workflow.IsZero() && !app:
		l.hinted(l.at(path...), "add workflow: {file: PATH}, or tenant, client_id and client_secret", "%s has nothing to ask with", path[len(path)-1])
	case app:
		l.need(t.Tenant != "", "tenant", path)
		l.need(t.ClientID != "", "client_id", path)
		l.need(!t.ClientSecret.IsZero(), "client_secret", path)
		if strings.ContainsAny(t.Tenant, "/?# ") {
			l.problem(l.at(at("tenant")...), "%q is no tenant, want an id or a domain", t.Tenant)
		}
	}
	l.secretURL(t.Login, at("login")...)
}

// revealed refuses a workflow that is at no address.
func (t *Teams) revealed(l *loader, path []string) {
	if !isWebURL(t.Workflow.Reveal()) {
		l.problem(l.at(append(slices.Clone(path), "workflow")...), "workflow is no absolute URL, want https://HOST/PATH")
	}
}
