package configs

import (
	"slices"
	"strings"
)

// KindSlackAccount is the kind of an app in a workspace, or of an incoming webhook.
const KindSlackAccount = "slack"

// A SlackAccount has a bot's token, or the URL of an incoming webhook, which is a secret as a whole.
type SlackAccount struct {
	Token   Secret `yaml:"token"`
	Webhook Secret `yaml:"webhook"`
	Team    string `yaml:"team"`    // id of the workspace; "" takes any
	Host    Host   `yaml:",inline"` // default slack.com
	Status  string `yaml:"status"`  // origin of the status feed; default https://slack-status.com where the host is Slack's
}

const (
	slackHost   = "slack.com"
	slackStatus = "https://slack-status.com"
)

// Origin is Slack's.
func (s *SlackAccount) Origin() string { return s.Host.Origin() }

// others is the status feed.
func (s *SlackAccount) others() []string { return []string{s.Status} }

func (s *SlackAccount) secrets() []*Secret { return []*Secret{&s.Token, &s.Webhook} }

func (s *SlackAccount) settle(_ *loader, _ []string) {
	if s.Host == (Host{}) {
		s.Host.Host = slackHost
	}
	if s.Host.Host == slackHost && s.Status == "" {
		s.Status = slackStatus
	}
}

func (s *SlackAccount) validate(l *loader, path []string) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	switch {
	case s.Token.IsZero() && s.Webhook.IsZero():
		l.hinted(l.at(path...), "add token: {file: PATH}, or webhook: {file: PATH}", "%s has nothing to ask with", path[len(path)-1])
	case !s.Token.IsZero() && !s.Webhook.IsZero():
		l.problem(l.at(at("webhook")...), "both token and webhook, want one of them")
	case s.Token.IsZero() && s.Team != "":
		l.problem(l.at(at("team")...), "a webhook doesn't say which team it is of: remove this")
	}
	if s.Team != "" && !strings.HasPrefix(s.Team, "T") && !strings.HasPrefix(s.Team, "E") {
		l.hinted(l.at(at("team")...), "it begins with T", "%q is no id of a team", s.Team)
	}
	s.Host.check(l, path, true)
	if s.Status != "" {
		l.webURL(s.Status, at("status")...)
	}
}

// limit is that of the tightest methods that are asked, conversations.list and users.list: 20 a minute and more
// (docs.slack.dev: rate limits, tier 2), taken in bursts.
func (s *SlackAccount) limit() Rate { return Rate{PerSecond: 1, Burst: 20} }
